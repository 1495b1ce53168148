"""Which drugs are to be spaced from magnesium, and how (SPEC 4.4, 11.1)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cds_service.chart.evidence import Evidence
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import MagnesiumProduct
from cds_service.knowledge.model import Interaction, Interactions
from cds_service.reasoning.decision import Caution

INDICATORS = ("critical", "warning", "info")


class Interacting(msgspec.Struct, frozen=True):
    """A drug that magnesium interferes with, the advice for it and how serious it is."""

    use: MedicationUse
    drug: str
    advice: str
    indicator: str

    def caution(self) -> Caution:
        """The spacing line of this drug."""
        evidence: tuple[Evidence, ...] = (self.use.evidence,)
        return Caution("C5", {"drug": self.drug, "advice": self.advice}, evidence)


def interacting(
    uses: Iterable[MedicationUse],
    product: MagnesiumProduct,
    table: Interactions,
) -> list[Interacting]:
    """The uses that interact with a magnesium product, the most serious first, each drug once."""
    neutralising = any(salt in table.neutralising_salts for salt in product.salts)
    found: dict[tuple[str, str], Interacting] = {}
    for use in uses:
        for row in table.interactions:
            if row.salts != "any" and not neutralising:
                continue
            if not use.of(row.valueset.removeprefix("med_")) or use.route not in row.routes:
                continue
            item = _item(use, row)
            found.setdefault((item.drug.lower(), row.id), item)
    return sorted(found.values(), key=lambda i: INDICATORS.index(i.indicator))


def _item(use: MedicationUse, row: Interaction) -> Interacting:
    for drug in row.per_drug:
        if drug.ingredient in use.drug.ingredients:
            return Interacting(use, drug.ingredient, drug.advice, row.indicator)
    named = use.drug.ingredients[0] if len(use.drug.ingredients) == 1 else use.label
    return Interacting(use, named, row.advice, row.indicator)
