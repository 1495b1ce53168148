"""The draft orders of a call: which are meant, what each is for, and what they change in the chart.

Clients send `draftOrders` in many shapes: no `Bundle.type`, entries with `fullUrl` only, bare
resources, drafts without any id, selections by `Type/id` or bare id. None of that is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Gap
from cds_service.chart.medications import MedicationUse
from cds_service.chart.subject import bare_id
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, WASTING
from cds_service.reasoning.decision import OrderRef
from cds_service.reasoning.findings import subtype_of

ENDING = frozenset({"stopped", "cancelled", "entered-in-error", "completed", "on-hold"})
SILENCING = frozenset({"supplement", "antacid", "laxative", "laxative-antacid", "bowel-prep"})
PANELS = frozenset({"24320-4", "51990-0", "24321-2"})
"""LOINC panels that include creatinine, potassium and calcium."""


class Draft(msgspec.Struct, frozen=True):
    """A draft order. `use` is `None` for orders that no rule knows.

    `unidentified` says why nobody can tell what it orders; it could be anything, magnesium too.
    """

    ref: OrderRef
    ids: frozenset[str]
    kind: str
    use: MedicationUse | None
    ending: bool
    selected: bool
    unidentified: str = ""

    def is_magnesium(self) -> bool:
        """Whether it orders an oral product with magnesium."""
        use = self.use
        return use is not None and MAGNESIUM in use.drug.classes and use.oral


class Drafts(msgspec.Struct, frozen=True):
    """All draft orders of a call."""

    orders: tuple[Draft, ...] = ()

    @property
    def selected(self) -> tuple[Draft, ...]:
        """The orders that the call is about."""
        return tuple(d for d in self.orders if d.selected and not d.ending)

    @property
    def new(self) -> tuple[Draft, ...]:
        """The orders that start or change something."""
        return tuple(d for d in self.orders if not d.ending)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not known of the orders that start or change something."""
        whys = dict.fromkeys(d.unidentified for d in self.new if d.unidentified)
        return (Gap("draftOrders", "; ".join(whys)),) if whys else ()

    @property
    def silences_suggestions(self) -> bool:
        """Whether magnesium is already being ordered (SPEC 6.2, 11.7)."""
        return any(
            d.is_magnesium() and d.use is not None and subtype_of(d.use) in SILENCING
            for d in self.new
        )


def read_drafts(chart: Chart, context: Mapping[str, Any], all_selected: bool) -> Drafts:
    """The draft orders in a hook's context; with `all_selected` (order-sign) each one is meant."""
    entries = list(_entries(context.get("draftOrders")))
    chart.add_medications([r for _, r in entries if r.get("resourceType") == "Medication"])
    found = [
        _draft(chart, full_url, resource)
        for full_url, resource in entries
        if resource.get("resourceType") != "Medication"
    ]
    if all_selected:
        return Drafts(tuple(msgspec.structs.replace(d, selected=True) for d in found))
    wanted = {bare_id(s) for s in context.get("selections") or () if isinstance(s, str)}
    if not any(d.ids & wanted for d in found):
        # Who sends no id on a new draft cannot name it in the selections: those are meant.
        return Drafts(tuple(msgspec.structs.replace(d, selected=not d.ids) for d in found))
    return Drafts(tuple(msgspec.structs.replace(d, selected=bool(d.ids & wanted)) for d in found))


def _entries(bundle: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    rows = bundle.get("entry") if isinstance(bundle, Mapping) else bundle
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping):
            continue
        resource = row.get("resource", row if "resourceType" in row else None)
        if isinstance(resource, Mapping):
            full_url = row.get("fullUrl")
            yield full_url if isinstance(full_url, str) else "", resource


def _draft(chart: Chart, full_url: str, resource: Mapping[str, Any]) -> Draft:
    kind = resource.get("resourceType")
    kind = kind if isinstance(kind, str) else ""
    own = resource.get("id")
    ids = {i for i in (own, bare_id(full_url) if full_url else None) if isinstance(i, str) and i}
    known = own if isinstance(own, str) and own else next(iter(ids), "")
    reference = f"{kind}/{known}" if known and kind else ""
    use, unidentified = None, ""
    if kind == "MedicationRequest":
        use = chart.draft(resource, reference or "MedicationRequest (draft)")
        unidentified = chart.unidentified(resource) if use is None else ""
    return Draft(
        ref=OrderRef(reference, use.label if use else "", dict(resource)),
        ids=frozenset(ids),
        kind=kind,
        use=use,
        ending=_text(resource.get("status")) in ENDING or resource.get("doNotPerform") is True,
        selected=False,
        unidentified=unidentified,
    )


def replaced(drafts: Drafts) -> frozenset[str]:
    """References of current orders that a draft stops, changes or replaces."""
    gone: set[str] = set()
    for draft in drafts.orders:
        if draft.ref.reference:
            gone.add(draft.ref.reference)
        prior = draft.ref.resource.get("priorPrescription")
        if isinstance(prior, Mapping) and isinstance(prior.get("reference"), str):
            gone.add(f"MedicationRequest/{bare_id(prior['reference'])}")
    return frozenset(gone)


def trigger_of(draft: Draft, chart: Chart) -> str:
    """What a selected order triggers: "diuretic", "preventive", "acute" or "" (SPEC 6.2, 11.8, 11.9)."""
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
    """ "migraine", "other", or "" where the order gives no reason: by code, reference or text."""
    resource = draft.ref.resource
    codes = [c for c in _list(resource.get("reasonCode")) if isinstance(c, Mapping)]
    references = [r for r in _list(resource.get("reasonReference")) if isinstance(r, Mapping)]
    said = [c for c in codes if c.get("coding") or c.get("text")]
    if not said and not references:
        return ""
    if any(_concept_is_migraine(c, chart) for c in said):
        return "migraine"
    if any(_reference_is_migraine(r, resource, chart) for r in references):
        return "migraine"
    return "other"


def _concept_is_migraine(concept: Mapping[str, Any], chart: Chart) -> bool:
    codings = [c for c in _list(concept.get("coding")) if isinstance(c, Mapping)]
    for coding in codings:
        system, code = coding.get("system"), coding.get("code")
        if isinstance(system, str) and isinstance(code, str):
            hits = chart.knowledge.terminology.hits(system, code)
            if any(h.set_id == "migraine" and h.entry.qualifies for h in hits):
                return True
    texts = [concept.get("text"), *(c.get("display") for c in codings)]
    return any(_says_migraine(t) for t in texts)


def _says_migraine(text: Any) -> bool:
    return isinstance(text, str) and "migraine" in text.lower()


def _reference_is_migraine(
    reference: Mapping[str, Any], order: Mapping[str, Any], chart: Chart
) -> bool:
    target = reference.get("reference")
    if isinstance(target, str):
        for inside in _list(order.get("contained")):
            if isinstance(inside, Mapping) and target.removeprefix("#") == inside.get("id"):
                code = inside.get("code")
                return isinstance(code, Mapping) and _concept_is_migraine(code, chart)
        wanted = bare_id(target)
        for problem in chart.problems.found:
            evidence = problem.evidence.get("migraine")
            if evidence is not None and bare_id(evidence.resource) == wanted:
                return True
    return _says_migraine(reference.get("display"))


def ordered_labs(drafts: Drafts, chart: Chart) -> frozenset[str]:
    """The tests among the drafts: a card does not offer them again."""
    requests = [draft for draft in drafts.new if draft.kind == "ServiceRequest"]
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
        codes, text = _lab_codes(draft.ref.resource)
        for lab, code in singles.items():
            in_panel = lab != "lab_magnesium" and bool(codes & PANELS)
            named = lab.removeprefix("lab_") in text and not codes
            if in_panel or named or codes & (own.get(lab, set()) | {code}):
                found.add(lab)
    return frozenset(found)


def _lab_codes(resource: Mapping[str, Any]) -> tuple[set[str], str]:
    concept = resource.get("code")
    if not isinstance(concept, Mapping):
        return set(), ""
    codings = [c for c in _list(concept.get("coding")) if isinstance(c, Mapping)]
    codes = {c["code"] for c in codings if isinstance(c.get("code"), str)}
    text = concept.get("text")
    return codes, text.lower() if isinstance(text, str) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
