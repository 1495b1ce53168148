"""A magnesium order in its session: its dose, and its sum with other magnesium (SPEC 4.3, 11.6,
12.4 M-14).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from cds_service.chart.chart import Chart
from cds_service.chart.dosage import DailyDose
from cds_service.chart.medications import MedicationUse
from cds_service.chart.subject import bare_id
from cds_service.reasoning import medicines
from cds_service.reasoning.medicines import subtype_of
from cds_service.reasoning.orders import Draft, Drafts, replaced


class MagnesiumOrder:
    """A draft order of an oral magnesium product, in its session."""

    def __init__(self, draft: Draft, use: MedicationUse, chart: Chart, drafts: Drafts) -> None:
        self.draft = draft
        self.use = use
        self.chart = chart
        self.drafts = drafts
        self.subtype = subtype_of(use)
        self.knowledge = chart.knowledge
        self.parameters = self.knowledge.parameters
        self.dose = medicines.dose_of(chart, use)
        self.gone = replaced(drafts) | self._refilled()

    def _refilled(self) -> frozenset[str]:
        """References of the current orders that a refill stands for."""
        if not self.draft.refill:
            return frozenset()
        return frozenset(u.reference for u in self.renews)

    @cached_property
    def renews(self) -> list[MedicationUse]:
        """The current orders that this one orders again."""
        return renewed(self.draft, self.use, medicines.oral_magnesium(self.chart))

    @cached_property
    def drafted(self) -> list[Draft]:
        """The other supplement orders of the session. Of two selected ones, the later names the
        earlier, so that a pair is named once.
        """
        supplements = [
            d for d in self.drafts.starting if d.use is not None and is_supplement(d.use)
        ]
        before = supplements[: supplements.index(self.draft)] if self.draft in supplements else []
        others = [d for d in supplements if d is not self.draft]
        return [d for d in others if d in before or not d.selected]

    @cached_property
    def _counted(self) -> list[tuple[Draft, MedicationUse]]:
        others = ((d, d.use) for d in self.drafted if d.use is not None)
        return [(self.draft, self.use), *others]

    @cached_property
    def _taken(self) -> list[MedicationUse]:
        """Scheduled current supplements, except those that a draft order changes or stops."""
        changed = {d.ref.reference for d in self.drafts.orders if d.ref.reference}
        return [u for u in medicines.supplements(self.chart) if u.reference not in changed]

    @cached_property
    def duplicated(self) -> list[MedicationUse]:
        """Supplements of which this order is a duplicate, except those that it renews.

        A refill repeats an order that was signed in addition to them (SPEC 6.8).
        """
        if self.draft.refill:
            return []
        again = {u.reference for one in self._counted for u in renewed(*one, self._taken)}
        taken = [u for u in self._taken if u.reference not in again]
        return [*taken, *(d.use for d in self.drafted if d.use is not None)]

    @cached_property
    def added_to(self) -> list[MedicationUse]:
        """Supplements to which the dose of this order adds.

        A renewal replaces one order, the one it names or the newest of the same product.
        """
        left = list(self._taken)
        current = {u.reference for u in medicines.supplements(self.chart)}
        for draft, ordered in self._counted:
            if draft.refill and draft.ref.reference in current:
                continue  # it is the current order itself, which does not count beside itself
            for use in renewed(draft, ordered, left)[:1]:
                left.remove(use)
        return [*left, *(d.use for d in self.drafted if d.use is not None)]

    @property
    def is_dose_unread(self) -> bool:
        """Whether the order states a dose that cannot be read (SPEC 12.2 N-6)."""
        return self.dose.mg is None and (bool(self.dose.said) or self.use.dosages is None)

    def doses_of(self, uses: Iterable[MedicationUse]) -> list[DailyDose]:
        """The daily elemental dose of this order, then those of others."""
        return [self.dose, *(medicines.dose_of(self.chart, u) for u in uses)]


def renewed(
    draft: Draft, use: MedicationUse, taken: Sequence[MedicationUse]
) -> list[MedicationUse]:
    """The current orders that a draft orders again, the one it names first (SPEC 12.4 M-14).

    The same ingredient and `priorPrescription`, or the same product code; of a refill the same
    ingredient, as it always repeats an order.
    """
    prior = _prior(draft)
    named = [u for u in taken if prior and u.reference == prior and same_drug(u, use)]
    again = [u for u in taken if u.product_codes & use.product_codes]
    again += [u for u in taken if draft.refill and same_drug(u, use)]
    return list({u.reference: u for u in (*named, *again)}.values())


def same_drug(one: MedicationUse, other: MedicationUse) -> bool:
    """Whether two orders are of the same ingredients, as far as these are known."""
    ingredients = set(one.drug.ingredients)
    return bool(ingredients) and ingredients == set(other.drug.ingredients)


def _prior(draft: Draft) -> str:
    prior = draft.order.priorPrescription
    return f"MedicationRequest/{bare_id(prior.reference)}" if prior and prior.reference else ""


def is_supplement(use: MedicationUse) -> bool:
    """Whether it is a magnesium supplement by mouth."""
    return use.oral and subtype_of(use) == "supplement"
