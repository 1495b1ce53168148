"""The synthetic patients: what each one shows, the chart, and hook calls about it.

One JSON file for each patient in `patients/`, named after its id:

    {"id", "name", "story",
     "shows":  [{"service", "draft", "expect": [card ids], "why"}],
     "drafts": {draft id: {"title", "selections", "orders": [FHIR resources]}},
     "bundle": a collection Bundle}

`shows` lists the cards of a call, and a test runs every row. Dates are relative to the day of the
call (see `relative_dates`). All returned objects are copies that the caller may change.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from uuid import uuid4

import msgspec

from cds_service.hooks.hook import Hook
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import id_of, templates_of
from cds_service.sandbox.fhir_server import ChartServer
from cds_service.sandbox.relative_dates import resolve_all

Resource: TypeAlias = dict[str, Any]
Templates: TypeAlias = Mapping[str, str]
UNNARROWED: Final[Templates] = templates_of({})
"""The prefetch templates without codes, as for a server that does not search by code."""

USER: Final = "Practitioner/sandbox-clinician"
_SERVER: Final = "https://ehr.example/fhir"


class UnknownPatientError(LookupError):
    """No synthetic patient has this id."""


class UnknownServiceError(LookupError):
    """No service has this id."""


class UnknownDraftError(LookupError):
    """The patient has no such draft orders, or the hook has no orders."""


class ExpectedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call and its expected cards."""

    service: str
    draft: str | None
    expect: tuple[str, ...]
    why: str


class DraftSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Orders being written: those in `selections` are the ones just picked."""

    title: str
    selections: tuple[str, ...]
    orders: msgspec.Raw


class SyntheticPatient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, with the FHIR resources left as they are written."""

    id: str
    name: str
    story: str
    shows: tuple[ExpectedCall, ...]
    drafts: Mapping[str, DraftSet]
    bundle: msgspec.Raw


@cache
def load_all() -> Mapping[str, SyntheticPatient]:
    """Every synthetic patient by id, in the order of the ids."""
    paths = (files(__package__) / "patients").iterdir()
    texts = (path.read_bytes() for path in paths if path.name.endswith(".json"))
    patients = (msgspec.json.decode(text, type=SyntheticPatient) for text in texts)
    return MappingProxyType({p.id: p for p in sorted(patients, key=lambda p: p.id)})


def patient(pid: str) -> SyntheticPatient:
    """One synthetic patient. Raises UnknownPatientError if the id does not exist."""
    try:
        return load_all()[pid]
    except KeyError:
        raise UnknownPatientError(f"there is no synthetic patient {pid!r}") from None


def bundle_of(pid: str, today: date) -> Resource:
    """The whole chart as a collection Bundle, dated for `today`."""
    bundle: Resource = resolve_all(msgspec.json.decode(patient(pid).bundle), today)
    return bundle


def prefetch_of(pid: str, today: date, templates: Templates = UNNARROWED) -> Resource:
    """Every prefetch key, as a FHIR server with this chart would return it."""
    server = ChartServer(entry["resource"] for entry in bundle_of(pid, today)["entry"])
    return server.prefetch(templates, {"patientId": _id_in(pid, "Patient")}, _SERVER)


@cache
def _id_in(pid: str, resource_type: str) -> str:
    """The id of the first resource of a type in the chart."""
    entries = msgspec.json.decode(patient(pid).bundle)["entry"]
    resources = (entry["resource"] for entry in entries)
    return next(str(r["id"]) for r in resources if r["resourceType"] == resource_type)


@lru_cache(maxsize=2)
def server_of(today: date) -> ChartServer:
    """One server with every chart, dated for this day."""
    return ChartServer(
        entry["resource"] for pid in load_all() for entry in bundle_of(pid, today)["entry"]
    )


def hook_request(
    pid: str,
    service_id: str,
    today: date,
    draft_id: str | None = None,
    templates: Templates = UNNARROWED,
) -> Resource:
    """A complete request body, ready to post to the service.

    An order hook without `draft_id` takes the first draft that the patient shows there.
    """
    hook = hook_of(service_id)
    prefetch = prefetch_of(pid, today, templates)
    bundle, selections = _orders(patient(pid), hook, service_id, today, draft_id)
    return {
        "hook": hook.name,
        "hookInstance": str(uuid4()),
        "context": hook.context(
            USER, _id_in(pid, "Patient"), bundle, selections, _id_in(pid, "Encounter")
        ),
        "prefetch": prefetch,
    }


def _named(resource: Resource) -> Resource:
    """An entry of a Bundle, with the address of its resource."""
    reference = f"{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": f"{_SERVER}/{reference}", "resource": resource}


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


def _draft(person: SyntheticPatient, service_id: str, draft_id: str | None) -> DraftSet:
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
