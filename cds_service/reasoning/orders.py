"""The draft orders of a call: the selected ones, their purpose, and their changes to the chart.

Clients send `draftOrders` in many forms: no `Bundle.type`, entries with `fullUrl` only, bare
resources, draft orders without an id, selections by `Type/id` or bare id. None of these is an
error. An entry that is not a readable order is an unidentified order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cds_service import reasons
from cds_service.chart.chart import DRAFTS, Chart
from cds_service.chart.evidence import Gap
from cds_service.chart.medications import MedicationUse
from cds_service.chart.subject import bare_id
from cds_service.fhir.drafts import DRAFT_ORDERS, DraftEntry, draft_entries
from cds_service.fhir.reading import Shape
from cds_service.fhir.types import NOT_AN_ORDER_OF_DRUGS
from cds_service.fhir.wire import CodeableConcept, Contained, DraftOrder, Reference
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, WASTING
from cds_service.reasoning.decision import OrderRef
from cds_service.reasoning.medicines import subtype_of
from cds_service.reasons import Reason

ENDING = frozenset({"stopped", "cancelled", "entered-in-error", "completed", "on-hold"})
SILENCING = frozenset({"supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep"})
PANELS = frozenset({"24320-4", "51990-0", "24321-2"})
"""LOINC panels that include creatinine, potassium and calcium."""
_MEDICATION_MEMBERS = frozenset({"medicationCodeableConcept", "medicationReference"})
_MISSED = ("status", "intent", "subject")
"""Elements that FHIR requires of an order in addition to its medication. Draft orders often lack
them, so they are only listed.
"""
_CODES = {
    "status": frozenset(
        "active on-hold cancelled completed entered-in-error stopped draft unknown".split()  # noqa: SIM905
    ),
    "intent": frozenset(
        """
        proposal plan order original-order reflex-order filler-order instance-order option
        """.split()  # noqa: SIM905
    ),
}
"""The codes of FHIR. An order with another one counts as an order; the code is only listed."""
_CONTAINED: Shape[list[Contained]] = Shape(list[Contained])
_CONCEPT: Shape[CodeableConcept] = Shape(CodeableConcept)


class Draft(msgspec.Struct, frozen=True):
    """A draft order. `use` is `None` for orders that no rule covers.

    `order` is its readable part. `unidentified` is the reason if its drug, or one of its ingredients,
    cannot be identified. It may be anything, including magnesium. `refill`: it is to be filled once more.
    """

    ref: OrderRef
    order: DraftOrder
    ids: frozenset[str]
    kind: str
    use: MedicationUse | None
    ending: bool
    selected: bool
    unidentified: Reason | None = None
    refill: bool = False

    def is_magnesium(self) -> bool:
        """Whether it orders an oral product with magnesium."""
        use = self.use
        return use is not None and MAGNESIUM in use.drug.classes and use.oral


class Drafts(msgspec.Struct, frozen=True):
    """All draft orders of a call.

    `gaps` are the unknown data of those that start or change something.
    """

    orders: tuple[Draft, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def selected(self) -> tuple[Draft, ...]:
        """The orders that the call is about."""
        return tuple(d for d in self.orders if d.selected and not d.ending)

    @property
    def starting(self) -> tuple[Draft, ...]:
        """The orders that start or change something."""
        return tuple(d for d in self.orders if not d.ending)

    @property
    def silences_suggestions(self) -> bool:
        """Whether magnesium is already being ordered (SPEC 6.2, 11.7)."""
        return any(
            d.is_magnesium() and d.use is not None and subtype_of(d.use) in SILENCING
            for d in self.starting
        )


def read_drafts(
    chart: Chart,
    context: Mapping[str, Any],
    all_selected: bool,
    member: str = DRAFT_ORDERS,
    *,
    refills: bool = False,
) -> Drafts:
    """The orders in this member of a hook's context; with `all_selected` each one is meant.

    With `refills` they are orders to be filled once more, whatever their status says.
    """
    entries = list(draft_entries(context, member))
    chart.add_drafts(entries)
    _record_beside(chart, entries)
    found = [
        _draft(chart, entry, position, refills)
        for position, entry in enumerate(entries)
        if entry.kind not in BESIDE
    ]
    gaps = chart.gaps(DRAFTS)
    if all_selected:
        return Drafts(tuple(msgspec.structs.replace(d, selected=True) for d in found), gaps)
    wanted = {bare_id(s) for s in context.get("selections") or () if isinstance(s, str)}
    named = frozenset().union(*(d.ids for d in found)) & wanted
    # A client that sends a new order without an id cannot select it, so such orders are selected. A
    # selected but missing order may be an unreadable entry.
    return Drafts(
        tuple(
            msgspec.structs.replace(d, selected=_is_meant(d, named, bool(wanted - named)))
            for d in found
        ),
        gaps,
    )


BESIDE = frozenset({"Medication", "Condition"})
"""Resources among the draft orders that are not orders but are referenced by orders."""


def _is_meant(draft: Draft, named: frozenset[str], missing: bool) -> bool:
    if draft.ids:
        return bool(draft.ids & named)
    return not named or (missing and draft.unidentified == reasons.NO_ORDER)


def _draft(chart: Chart, entry: DraftEntry, position: int, refill: bool) -> Draft:
    order, kind = entry.order or DraftOrder(), entry.kind
    own = order.id or ""
    ids = {i for i in (own, bare_id(entry.full_url) if entry.full_url else "") if i}
    known = own or next(iter(ids), "")
    reference = f"{kind}/{known}" if known and kind else ""
    name = reference or f"{kind or 'entry'} (draft)"
    use: MedicationUse | None = None
    unidentified: Reason | None = None
    if kind == "MedicationRequest":
        use = chart.draft(order, name)
        unidentified = _unidentified(chart, entry, order)
    elif kind not in NOT_AN_ORDER_OF_DRUGS:
        name, unidentified = f"entry {position}", reasons.NO_ORDER
    draft = Draft(
        ref=OrderRef(reference, use.label if use else "", dict(entry.resource), refill),
        order=order,
        ids=frozenset(ids),
        kind=kind,
        use=use,
        ending=(order.status in ENDING and not refill) or order.doNotPerform is True,
        selected=False,
        unidentified=unidentified,
        refill=refill,
    )
    _record(chart, draft, entry, name)
    return draft


def _unidentified(chart: Chart, entry: DraftEntry, order: DraftOrder) -> Reason | None:
    """The reason why the drug of an order cannot be identified, or `None` if it can or is not chosen yet."""
    members = {name for name in entry.resource if name.startswith("medication")}
    lost = any(part.element.startswith("medication") for part in entry.unread)
    if (lost or members - _MEDICATION_MEMBERS) and not chart.is_named(order):
        return reasons.OTHER_FORM
    return chart.unidentified(order)


def _record(chart: Chart, draft: Draft, entry: DraftEntry, name: str) -> None:
    """List the unreadable parts of a draft order. Facts do not depend on orders of other things."""
    reader = chart.reader(DRAFTS)
    matters = draft.kind == "MedicationRequest" and not draft.ending
    record = reader.record_unreadable if matters else reader.record_unsupported
    lost = {part.element for part in entry.unread}
    for part in entry.unread:
        record(name, part.element, part.why)
    if draft.unidentified is not None:
        (reader.record_unsupported if draft.ending else reader.record_unreadable)(
            name, "", draft.unidentified
        )
    elif matters:
        for element in _MISSED:
            said = getattr(draft.order, element)
            if said is None and element not in lost:
                reader.record_unsupported(name, element, reasons.IS_MISSING)
            elif said is not None and said not in _CODES.get(element, (said,)):
                reader.record_unsupported(name, element, reasons.NO_FHIR_CODE)
        if draft.use is None and not chart.is_named(draft.order):
            reader.record_unreadable(name, "", reasons.NO_MEDICATION)


def _record_beside(chart: Chart, entries: Iterable[DraftEntry]) -> None:
    """List the unreadable parts of resources that orders refer to."""
    for entry in entries:
        if entry.kind in BESIDE and entry.order is not None:
            named = f"{entry.kind}/{entry.order.id}" if entry.order.id else entry.full_url
            for part in entry.unread:
                chart.reader(DRAFTS).record_unreadable(
                    named or f"{entry.kind} (draft)", part.element, part.why
                )


def replaced(drafts: Drafts) -> frozenset[str]:
    """References of current orders that a draft stops, changes or replaces."""
    gone: set[str] = set()
    for draft in drafts.orders:
        if draft.ref.reference:
            gone.add(draft.ref.reference)
        prior = draft.order.priorPrescription
        if prior is not None and prior.reference:
            gone.add(f"MedicationRequest/{bare_id(prior.reference)}")
    return frozenset(gone)


def trigger_of(draft: Draft, chart: Chart) -> str:
    """The trigger of a selected order: "diuretic", "preventive", "acute" or "" (SPEC 6.2, 11.8, 11.9)."""
    use = draft.use
    if use is None:
        return ""
    if any(use.of(c) for c in WASTING):
        return "diuretic" if use.oral and not use.of(COMBINATION) else ""
    about_migraine = reason_of(draft, chart) in ("migraine", "")
    systemic = use.route != "local"
    acute = use.of("migraine_acute") and systemic
    specific = use.of("migraine_preventive_specific") and use.route != "inhaled"
    nonspecific = use.of("migraine_preventive_nonspecific") and use.oral
    if not about_migraine:
        return ""
    if (specific or nonspecific) and not (acute and not use.regular):
        return "preventive"
    return "acute" if acute else ""


def reason_of(draft: Draft, chart: Chart) -> str:
    """ "migraine", "other", or "" if the order has no reason: by code, reference or text."""
    codes = [c for c in draft.order.reasonCode or () if c.coding or c.text]
    references = draft.order.reasonReference or []
    if not codes and not references:
        return ""
    if any(_is_migraine(c, chart) for c in codes):
        return "migraine"
    if any(_reference_is_migraine(r, draft, chart) for r in references):
        return "migraine"
    return "other"


def _is_migraine(concept: CodeableConcept, chart: Chart) -> bool:
    codings = concept.coding or ()
    for coding in codings:
        hits = chart.knowledge.terminology.hits(coding.system, coding.code)
        if any(h.set_id == "migraine" and h.entry.qualifies for h in hits):
            return True
    return any(_says_migraine(text) for text in (concept.text, *(c.display for c in codings)))


def _says_migraine(text: str | None) -> bool:
    return text is not None and "migraine" in text.lower()


def _reference_is_migraine(reference: Reference, draft: Draft, chart: Chart) -> bool:
    target = reference.reference
    if target:
        code = _contained(target, draft, chart) or chart.condition_code(target)
        if code is not None and _is_migraine(code, chart):
            return True
    return _says_migraine(reference.display)


def _contained(target: str, draft: Draft, chart: Chart) -> CodeableConcept | None:
    """The code of a resource inside the order."""
    reader = chart.reader(DRAFTS)
    inside = reader.read(_CONTAINED, draft.order.contained, draft.ref.reference, "contained") or []
    for resource in inside:
        if resource.id and resource.id.removeprefix("#") == target.removeprefix("#"):
            return reader.read(_CONCEPT, resource.code, draft.ref.reference, "contained.code")
    return None


def ordered_labs(drafts: Drafts, chart: Chart) -> frozenset[str]:
    """The tests among the drafts: a card does not offer them again."""
    requests = [draft for draft in drafts.starting if draft.kind == "ServiceRequest"]
    if not requests:
        return frozenset()
    sets = chart.knowledge.sets
    own = {
        "lab_creatinine": {c.code for s in ("lab_creatinine", "lab_egfr") for c in sets[s].codes},
        "lab_magnesium": {c.code for c in sets["lab_magnesium"].codes if c.use},
    }
    singles = {lab.id: lab.code for lab in chart.knowledge.plans.labs}
    found: set[str] = set()
    for draft in requests:
        concept = draft.order.code or CodeableConcept()
        codes = {c.code for c in concept.coding or () if c.code}
        text = (concept.text or "").lower()
        for lab, code in singles.items():
            in_panel = lab != "lab_magnesium" and bool(codes & PANELS)
            named = lab.removeprefix("lab_") in text and not codes
            if in_panel or named or codes & (own.get(lab, set()) | {code}):
                found.add(lab)
    return frozenset(found)
