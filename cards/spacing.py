"""The drugs of the patient that must be spaced from magnesium, each with its own advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.reasoning.decision import Caution

SPACING = "C5"


def interactions(cautions: Iterable[Caution]) -> Iterator[tuple[str, str]]:
    """Drug and advice of each spacing caution, in order."""
    for caution in cautions:
        if caution.id == SPACING:
            yield caution.values["drug"], caution.values["advice"]
