"""A hook call out of a Bundle of one patient, as if an EHR had run the prefetch templates on it.

For trying charts that are at hand as files (collection, transaction, searchset, document). Resources
are passed on as the bytes they are, with their fullUrl, so that urn:uuid references still lead there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from cds_service.chart.subject import bare_id
from cds_service.fetching.forms import Token, is_another, plain_tokens
from cds_service.fhir.prefetch import KINDS
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import Service
from cds_service.knowledge.terminology import Terminology

_USER = "Practitioner/command-line"
# The template asks for active orders. One whose status is not of these may be active.
_NOT_ACTIVE = frozenset(
    {"on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft"}
)
_ORDERS = frozenset({"MedicationRequest", "ServiceRequest"})


class BundleError(Exception):
    """The file holds no chart of one patient. One line that says why."""


class _Head(msgspec.Struct):
    """What tells where a resource belongs; whether it is well formed is seen later."""

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
    def id(self) -> str:
        """The logical id; where the resource has none, the one in its full URL."""
        own = self.head.id if self.head else None
        return own if isinstance(own, str) and own else bare_id(self.full_url)


_BUNDLE = msgspec.json.Decoder(_Bundle)
_ENTRY = msgspec.json.Decoder(_Entry)
_HEAD = msgspec.json.Decoder(_Head)


def request_from_bundle(bundle: bytes, service: Service, terminology: Terminology) -> bytes:
    """The body of a hook call; raises `BundleError`. Draft orders in the Bundle are drafts here too."""
    items = list(_items(bundle))
    patients = [item for item in items if item.type == "Patient"]
    if len(patients) != 1:
        raise BundleError(f"holds {len(patients) or 'no'} Patient resources; it must be one chart")
    patient = patients[0]
    codes = {key: plain_tokens(tokens) for key, tokens in service.codes.items()}
    prefetch = {
        key: _searchset(item for item in items if _answers(item, key, codes.get(key), terminology))
        for key in KINDS
        if key != "patient"
    }
    drafts = _drafts(items)
    orders: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
    orders |= {"entry": [draft.raw for draft in drafts]} if drafts else {}
    selected = [f"{draft.type}/{draft.id}" for draft in drafts]
    context = HOOKS[service.hook].context(_USER, patient.id or "unknown", orders, selected)
    return msgspec.json.encode(
        {
            "hook": service.hook,
            "hookInstance": "command-line",
            "context": context,
            "prefetch": {"patient": _ENTRY.decode(patient.raw).resource, **prefetch},
        }
    )


def _items(bundle: bytes) -> Iterator[_Item]:
    try:
        entries = _BUNDLE.decode(bundle).entry or []
    except (msgspec.DecodeError, RecursionError):
        raise BundleError("is not a readable Bundle") from None
    for raw in entries:
        try:
            entry = _ENTRY.decode(raw)
            if not memoryview(entry.resource):
                continue  # a transaction may hold requests without a resource
            full_url = entry.fullUrl if isinstance(entry.fullUrl, str) else ""
            yield _Item(raw, full_url, _HEAD.decode(entry.resource))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _Item(raw, "", None)


def _answers(
    item: _Item, key: str, codes: frozenset[Token] | None, terminology: Terminology
) -> bool:
    """Whether this entry may answer the template of a key: a server would return it, or nobody knows."""
    if not item.type:
        return True  # it could be anything: whoever reads the key shall know that it is there
    if item.type not in KINDS[key].resource_types or item.head is None:
        return False
    if item.type == "MedicationRequest":
        status = item.head.status
        return not isinstance(status, str) or status not in _NOT_ACTIVE
    return codes is None or not is_another(_codings(item.head.code, terminology), codes)


def _codings(code: Any, terminology: Terminology) -> Iterator[Token]:
    codings = code.get("coding") if isinstance(code, Mapping) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping):
            system, value = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(value, str):
                yield terminology.canonical(system) or system, value


def _searchset(found: Iterator[_Item]) -> dict[str, Any]:
    entries = [item.raw for item in found]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    return bundle | ({"entry": entries} if entries else {})


def _drafts(items: list[_Item]) -> list[_Item]:
    return [
        item
        for item in items
        if item.type in _ORDERS and item.head is not None and item.head.status == "draft"
    ]
