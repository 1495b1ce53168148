"""The synthetic patients: what each one shows, the chart, and hook calls about it.

One JSON file for each patient in `patients/`, named after its id:

    {"id", "name", "story",
     "shows":  [{"service", "draft", "expect": [card ids], "why"}],
     "drafts": {draft id: {"title", "selections", "orders": [FHIR resources]}},
     "bundle": a collection Bundle}

`shows` says which cards a call gives; a test fires every row. Dates are relative to the day of the
call (see `relative_dates`). Whatever is handed out is a fresh copy, which the caller may change.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import uuid4

import msgspec

from cds_service.hooks.hook import Hook
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of
from cds_service.sandbox.relative_dates import resolve_all

Resource: TypeAlias = dict[str, Any]
# For a prefetch key, the (system, code) pairs that its search asks for.
Codes: TypeAlias = Mapping[str, Collection[tuple[str, str]]]

_USER: Final = "Practitioner/sandbox-clinician"
_SERVER: Final = "https://ehr.example/fhir"


class UnknownPatientError(LookupError):
    """No synthetic patient has this id."""


class UnknownServiceError(LookupError):
    """No service has this id."""


class UnknownDraftError(LookupError):
    """The patient has no such draft orders, or the hook takes none."""


class Show(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call and the cards that answer it."""

    service: str
    draft: str | None
    expect: tuple[str, ...]
    why: str


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Orders being written: those in `selections` are the ones just picked."""

    title: str
    selections: tuple[str, ...]
    orders: msgspec.Raw


class SyntheticPatient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, with the FHIR resources left as they are written."""

    id: str
    name: str
    story: str
    shows: tuple[Show, ...]
    drafts: Mapping[str, Draft]
    bundle: msgspec.Raw


@cache
def load_all() -> Mapping[str, SyntheticPatient]:
    """Every synthetic patient by id, in the order of the ids."""
    paths = (files(__package__) / "patients").iterdir()
    texts = (path.read_bytes() for path in paths if path.name.endswith(".json"))
    patients = (msgspec.json.decode(text, type=SyntheticPatient) for text in texts)
    return MappingProxyType({p.id: p for p in sorted(patients, key=lambda p: p.id)})


def patient(pid: str) -> SyntheticPatient:
    """One synthetic patient; UnknownPatientError when there is none of this id."""
    try:
        return load_all()[pid]
    except KeyError:
        raise UnknownPatientError(f"there is no synthetic patient {pid!r}") from None


def bundle_of(pid: str, today: date) -> Resource:
    """The whole chart as a collection Bundle, dated for `today`."""
    bundle: Resource = resolve_all(msgspec.json.decode(patient(pid).bundle), today)
    return bundle


class _Search(msgspec.Struct, frozen=True):
    """How a FHIR server answers one prefetch template."""

    type: str
    count: int | None = None
    active: bool = False


_SEARCHES: Final[Mapping[str, _Search]] = MappingProxyType(
    {
        "conditions": _Search("Condition"),
        "medicationRequests": _Search("MedicationRequest", active=True),
        "medicationStatements": _Search("MedicationStatement"),
        "allergies": _Search("AllergyIntolerance"),
        "kidneyLabs": _Search("Observation", count=100),
        "magnesiumLabs": _Search("Observation", count=20),
        "pregnancyStatus": _Search("Observation", count=5),
        "kidneyProcedures": _Search("Procedure"),
    }
)


def prefetch_of(pid: str, today: date, codes: Codes | None = None) -> Resource:
    """Every prefetch key, answered as a FHIR server would answer its template, newest first.

    `codes` gives the codes that the template of a key asks for; a key without is not narrowed.
    """
    chart = [entry["resource"] for entry in bundle_of(pid, today)["entry"]]
    person = next(resource for resource in chart if resource["resourceType"] == "Patient")
    return {"patient": person} | {
        key: _searchset(search, chart, (codes or {}).get(key)) for key, search in _SEARCHES.items()
    }


def _searchset(
    search: _Search, chart: list[Resource], codes: Collection[tuple[str, str]] | None
) -> Resource:
    found = [
        resource
        for resource in chart
        if resource["resourceType"] == search.type
        and (not search.active or resource.get("status") == "active")
        and (codes is None or not _tokens(resource).isdisjoint(codes))
    ]
    page = sorted(found, key=_when, reverse=True)[: search.count]
    wanted = {r.get("medicationReference", {}).get("reference") for r in page}
    included = [r for r in chart if _reference(r) in wanted and r["resourceType"] == "Medication"]
    entries = [_entry(r, "match") for r in page] + [_entry(r, "include") for r in included]
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    # FHIR has no empty lists: a search without a match is a Bundle without entries.
    return bundle | {"entry": entries} if entries else bundle


def _entry(resource: Resource, mode: str) -> Resource:
    return _named(resource) | {"search": {"mode": mode}}


def _named(resource: Resource) -> Resource:
    """An entry of a Bundle, with the address of its resource."""
    return {"fullUrl": f"{_SERVER}/{_reference(resource)}", "resource": resource}


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _tokens(resource: Resource) -> set[tuple[str, str]]:
    """What the search parameter `code` of a resource can be matched with."""
    codings = resource.get("code", {}).get("coding", [])
    return {(coding.get("system", ""), coding.get("code", "")) for coding in codings}


def _when(resource: Resource) -> datetime:
    """The date by which a server sorts a resource; an undated one counts as the oldest."""
    text = next(_dates(resource), "0001")
    padded = text + "0001-01-01"[len(text) :]
    moment = datetime.fromisoformat(padded)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _dates(resource: Resource) -> Iterator[str]:
    for name in ("effective", "performed"):
        if f"{name}DateTime" in resource:
            yield resource[f"{name}DateTime"]
        period = resource.get(f"{name}Period", {})
        yield from (period[edge] for edge in ("start", "end") if edge in period)
    for name in ("authoredOn", "recordedDate", "dateAsserted", "issued"):
        if name in resource:
            yield resource[name]


def hook_request(
    pid: str,
    service_id: str,
    today: date,
    draft_id: str | None = None,
    codes: Codes | None = None,
) -> Resource:
    """A complete request body, ready to post to the service.

    An order hook without `draft_id` takes the first draft that the patient shows there.
    """
    hook = hook_of(service_id)
    prefetch = prefetch_of(pid, today, codes)
    bundle, selections = _orders(patient(pid), hook, service_id, today, draft_id)
    return {
        "hook": hook.name,
        "hookInstance": str(uuid4()),
        "context": hook.context(_USER, prefetch["patient"]["id"], bundle, selections),
        "prefetch": prefetch,
    }


def hook_of(service_id: str) -> Hook:
    """The hook of a service; UnknownServiceError when no service has this id."""
    for hook in HOOKS.values():
        if service_id == id_of(hook):
            return hook
    raise UnknownServiceError(f"there is no service {service_id!r}")


def _orders(
    person: SyntheticPatient, hook: Hook, service_id: str, today: date, draft_id: str | None
) -> tuple[Resource, list[str]]:
    """The orders of a call as a Bundle, and the references of those that were just picked."""
    if hook.orders is None:
        if draft_id is not None:
            raise UnknownDraftError(f"{hook.name} takes no draft orders")
        return {}, []
    draft = _draft(person, service_id, draft_id)
    orders = resolve_all(msgspec.json.decode(draft.orders), today)
    entries = [_named(order) for order in orders]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return bundle, list(draft.selections)


def _draft(person: SyntheticPatient, service_id: str, draft_id: str | None) -> Draft:
    if draft_id is None:
        shown = (show.draft for show in person.shows if show.service == service_id)
        draft_id = next((d for d in shown if d is not None), next(iter(person.drafts), None))
    if draft_id is None:
        raise UnknownDraftError(f"the synthetic patient {person.id!r} has no draft orders")
    try:
        return person.drafts[draft_id]
    except KeyError:
        raise UnknownDraftError(
            f"the synthetic patient {person.id!r} has no draft orders {draft_id!r}"
        ) from None
