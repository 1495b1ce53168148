"""The drugs of the patient that must be spaced from magnesium, each with its own advice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.reasoning.decision import Caution

APART = "apart"
"""The place of the lines about spacing."""


def interactions(cautions: Iterable[Caution]) -> Iterator[tuple[str, str]]:
    """Drug and advice of each caution that has advice, in order: those about spacing."""
    for caution in cautions:
        if "advice" in caution.values:
            yield caution.values["drug"], caution.values["advice"]
