"""Which drugs are to be spaced from magnesium, and how (SPEC 4.4, 11.1, 12.4 M-18)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from cds_service.chart.evidence import Evidence
from cds_service.chart.medications import MedicationUse
from cds_service.knowledge.drugs import MagnesiumProduct, words
from cds_service.knowledge.model import DrugAdvice, Interaction, Interactions
from cds_service.reasoning.decision import Caution, KidneyClass

INDICATORS = ("critical", "warning", "info")
NEUTRALISING_SUBTYPES = frozenset({"antacid", "laxative-antacid"})
"""Products that neutralise acid, whatever their salt is called."""


class Interacting(msgspec.Struct, frozen=True):
    """A drug that magnesium interferes with, its advice and severity.

    `named`: its advice names the subtype of the magnesium product. `kidney_bound`: it applies only
    in some kidney classes.
    """

    use: MedicationUse
    drug: str
    advice: str
    indicator: str
    named: bool = False
    kidney_bound: bool = False

    def caution(self) -> Caution:
        """The spacing line of this drug."""
        evidence: tuple[Evidence, ...] = (self.use.evidence,)
        return Caution("C5", {"drug": self.drug, "advice": self.advice}, evidence)


class Partner(msgspec.Struct, frozen=True):
    """The magnesium that a drug meets: its product, and the words of the order or statement."""

    product: MagnesiumProduct
    label: str = ""

    def neutralises(self, table: Interactions) -> bool:
        """Whether it neutralises stomach acid: by its salts, its kind or a word of its name."""
        if self.product.subtype in NEUTRALISING_SUBTYPES:
            return True
        if set(self.product.salts) & set(table.neutralising_salts):
            return True
        said = f" {' '.join(words(f'{self.product.name} {self.label}'))} "
        return any(f" {word} " in said for word in table.neutralising_words)


def partner_of(use: MedicationUse) -> Partner:
    """The magnesium of an order or statement."""
    return Partner(use.drug.magnesium or MagnesiumProduct(), use.label)


def interacting(
    uses: Iterable[MedicationUse],
    partner: Partner,
    table: Interactions,
    kidney_class: KidneyClass,
) -> list[Interacting]:
    """The uses that interact with a magnesium product, the most serious first, each drug once."""
    found: dict[tuple[str, str], Interacting] = {}
    for use in uses:
        for item in _items(use, partner, table, kidney_class):
            found.setdefault((item.drug.lower(), item.advice), item)
    return sorted(found.values(), key=lambda i: INDICATORS.index(i.indicator))


def _items(
    use: MedicationUse,
    partner: Partner,
    table: Interactions,
    kidney_class: KidneyClass,
) -> Iterator[Interacting]:
    rows = [
        row for row in table.interactions if _applies_to(use, row, partner, table, kidney_class)
    ]
    covered: set[str] = set()
    if partner.neutralises(table):
        # The advice for a combination is about antacid-type magnesium and replaces that for each
        # drug.
        for row in rows:
            for both in row.per_combination:
                if set(both.ingredients) <= set(use.drug.ingredients):
                    covered.update(both.ingredients)
                    name = " + ".join(both.ingredients)
                    yield Interacting(use, name, both.advice, row.indicator)
    for row in rows:
        yield from _of_row(use, row, partner, table, covered)


def rows_of(use: MedicationUse, table: Interactions) -> list[Interaction]:
    """The rows for a drug, whatever the magnesium product and the kidney class."""
    return [row for row in table.interactions if _is_about(use, row)]


def _is_about(use: MedicationUse, row: Interaction) -> bool:
    return use.of(row.valueset.removeprefix("med_")) and use.route in row.routes


def _applies_to(
    use: MedicationUse,
    row: Interaction,
    partner: Partner,
    table: Interactions,
    kidney_class: KidneyClass,
) -> bool:
    """Whether a class of drugs applies to a use, this magnesium and this kidney class."""
    if not _is_about(use, row):
        return False
    if row.kidney_classes and kidney_class not in row.kidney_classes:
        return False
    return row.salts == "any" or partner.neutralises(table)


def _of_row(
    use: MedicationUse,
    row: Interaction,
    partner: Partner,
    table: Interactions,
    covered: set[str],
) -> Iterator[Interacting]:
    """The drugs of one class in a use, each with its own advice."""
    bound = bool(row.kidney_classes)
    known = [drug for drug in row.per_drug if drug.ingredient in use.drug.ingredients]
    for drug in known:
        if drug.ingredient not in covered and _interacts(drug, partner):
            indicator = _indicator(drug, row, partner, table)
            named = bool(drug.subtypes)
            yield Interacting(use, drug.ingredient, drug.advice, indicator, named, bound)
    if not known:
        label = use.drug.ingredients[0] if len(use.drug.ingredients) == 1 else use.label
        yield Interacting(use, label, row.advice, row.indicator, kidney_bound=bound)


def _interacts(drug: DrugAdvice, partner: Partner) -> bool:
    if not drug.interacts:
        return False
    if drug.subtypes and partner.product.subtype not in drug.subtypes:
        return False
    salts = partner.product.salts
    # An unknown salt may be the one that interacts.
    return not (drug.salts and salts and not set(drug.salts) & set(salts))


def _indicator(drug: DrugAdvice, row: Interaction, partner: Partner, table: Interactions) -> str:
    salts = partner.product.salts
    weak = drug.strong_salts and salts and not set(drug.strong_salts) & set(salts)
    if weak and not partner.neutralises(table):
        return drug.otherwise
    return drug.indicator or row.indicator
