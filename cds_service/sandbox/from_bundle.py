"""A hook call out of a Bundle of one patient, as if an EHR had run the prefetch templates on it.

For charts in files (collection, transaction, searchset, document) and charts that were changed on
the sandbox page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Raw

from cds_service.chart.subject import bare_id
from cds_service.fetching.forms import Token, is_another, plain_tokens
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import Service
from cds_service.knowledge.terminology import Terminology
from cds_service.sandbox.fhir_server import ChartServer, Param, Query, Resource

_COMMAND_LINE = "Practitioner/command-line"
# A status that is not one of these ("unknown", or not a code of FHIR) may mean any of them.
_KNOWN = frozenset(
    {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft"}
)
_PAGING = frozenset({"_count", "_sort"})
_ORDERS = frozenset({"MedicationRequest", "ServiceRequest"})


class BundleError(Exception):
    """The file does not contain the chart of one patient. One line with the reason."""


class _Head(msgspec.Struct):
    """The elements that show where a resource belongs. Their validity is checked later."""

    resourceType: Any = None  # noqa: N815
    id: Any = None
    status: Any = None
    code: Any = None


class _Entry(msgspec.Struct):
    resource: Raw = Raw()
    fullUrl: Any = None  # noqa: N815


class _Bundle(msgspec.Struct):
    entry: list[Raw] | None = None


class _Item(msgspec.Struct):
    """An entry of the Bundle with its head; without one if it cannot be read."""

    raw: Raw
    full_url: str
    head: _Head | None

    @property
    def type(self) -> str:
        kind = self.head.resourceType if self.head else None
        return kind if isinstance(kind, str) else ""

    @property
    def status(self) -> Any:
        return self.head.status if self.head else None

    @property
    def code(self) -> Any:
        return self.head.code if self.head else None

    @property
    def id(self) -> str:
        """The logical id. If the resource has none, the one in its full URL."""
        own = self.head.id if self.head else None
        return own if isinstance(own, str) and own else bare_id(self.full_url)


_ENCODER = msgspec.json.Encoder(decimal_format="number")
_BUNDLE = msgspec.json.Decoder(_Bundle)
_ENTRY = msgspec.json.Decoder(_Entry)
_HEAD = msgspec.json.Decoder(_Head)


def request_from_bundle(
    bundle: bytes,
    service: Service,
    terminology: Terminology,
    user: str = _COMMAND_LINE,
    orders: Orders | None = None,
) -> bytes:
    """The body of a hook call. Raises `BundleError`.

    `orders` are those of the call. Without them, the draft orders in the Bundle are used.
    """
    chart = _Chart(bundle, terminology)
    hook, given = HOOKS[service.hook], orders if orders is not None else chart.drafts()
    context = hook.context(user, chart.patient_id, given.bundle, given.selected, chart.encounter_id)
    prefetch = chart.prefetch(service.prefetch, context, base_url="")
    return _ENCODER.encode(
        {
            "hook": service.hook,
            "hookInstance": str(uuid4()),
            "context": context,
            "prefetch": prefetch,
        }
    )


class Orders(msgspec.Struct, frozen=True):
    """The orders of a call as a Bundle, and the references of those that are selected."""

    bundle: Mapping[str, Any]
    selected: list[str]


class _Chart(ChartServer):
    """The search of the sandbox FHIR server over the chart of one patient.

    No possible match is lost: a resource that cannot be read, or whose code or status is unclear,
    matches every search that might mean it. Parameters for the form of the response are not
    applied: everything found is passed on in its order and with its original bytes.
    """

    def __init__(self, bundle: bytes, terminology: Terminology) -> None:
        self._items = list(_items(bundle))
        self._terminology = terminology
        patients = [item for item in self._items if item.type == "Patient"]
        if len(patients) != 1:
            text = f"holds {len(patients) or 'no'} Patient resources; it must be one chart"
            raise BundleError(text)
        self._patient = patients[0]
        self.patient_id = self._patient.id or "unknown"
        encounters = (item.id for item in self._items if item.type == "Encounter")
        self.encounter_id = next(filter(None, encounters), "unknown")
        # By position, because two resources may have the same id, or none.
        super().__init__(
            {"resourceType": item.type, "id": position, "status": item.status, "code": item.code}
            for position, item in enumerate(self._items)
        )

    def drafts(self) -> Orders:
        """The draft orders in the Bundle, all of them selected."""
        found = [i for i in self._items if i.type in _ORDERS and i.status == "draft"]
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
        bundle |= {"entry": [item.raw for item in found]} if found else {}
        return Orders(bundle, [f"{item.type}/{item.id}" for item in found])

    def read(self, resource_type: str, resource_id: str) -> Any:
        """The patient, whatever the id is, because the Bundle is one chart."""
        if resource_type != "Patient":
            return super().read(resource_type, resource_id)
        return _ENTRY.decode(self._patient.raw).resource

    def search(
        self, resource_type: str, query: Query, base_url: str, *, strict: bool = False
    ) -> Resource:
        """All possible matches."""
        whole = [(name, value) for name, value in query if name not in _PAGING]
        answer = super().search(resource_type, whole, base_url, strict=strict)
        unreadable = [item.raw for item in self._items if not item.type]
        del answer["total"]  # it would count what is included, and not what cannot be read
        entries = [*answer.get("entry", ()), *unreadable]
        return answer | ({"entry": entries} if entries else {})

    def matches(self, name: str, _param: Param, wanted: Sequence[str], resource: Resource) -> bool:
        """Whether a resource may have a wanted value. All resources of the chart are the patient's."""
        if name == "patient":
            return True
        if name == "status":
            return not _is_another_status(resource["status"], wanted)
        if name == "code":
            tokens = (want.rpartition("|") for want in wanted)
            codes = plain_tokens((system, code) for system, _, code in tokens)
            return not is_another(_codings(resource["code"], self._terminology), codes)
        return True

    def included(self, _page: Iterable[Resource], used: Query) -> list[Resource]:
        """Every Medication, because a MedicationStatement may refer to it too."""
        wanted = any(name == "_include" for name, _ in used)
        return list(self.of_type("Medication")) if wanted else []

    def entry(self, resource: Resource, _mode: str, _base_url: str) -> Any:
        """The original entry with its fullUrl, so that references by urn:uuid still work."""
        return self._items[resource["id"]].raw


def _items(bundle: bytes) -> Iterator[_Item]:
    try:
        entries = _BUNDLE.decode(bundle).entry or []
    except (msgspec.DecodeError, RecursionError):
        raise BundleError("is not a readable Bundle") from None
    for raw in entries:
        try:
            entry = _ENTRY.decode(raw)
            if not memoryview(entry.resource):
                continue  # a transaction may contain requests without a resource
            full_url = entry.fullUrl if isinstance(entry.fullUrl, str) else ""
            yield _Item(raw, full_url, _HEAD.decode(entry.resource))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _Item(raw, "", None)


def _is_another_status(status: Any, wanted: Sequence[str]) -> bool:
    """Whether a status is certainly none of the wanted ones."""
    return isinstance(status, str) and status not in wanted and status in _KNOWN


def _codings(code: Any, terminology: Terminology) -> Iterator[Token]:
    codings = code.get("coding") if isinstance(code, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping):
            system, value = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(value, str):
                yield terminology.canonical(system) or system, value
