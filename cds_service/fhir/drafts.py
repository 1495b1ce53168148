"""The draft orders in a hook's context, read in the same way as the chart.

Clients send `draftOrders` in many forms: no `Bundle.type`, entries with `fullUrl` only, bare
resources. None of these is an error. An entry that is not a readable resource stays in the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from cds_service import reasons
from cds_service.fhir import wire
from cds_service.fhir.reading import Shape, Unread

_ORDER: Shape[wire.DraftOrder] = Shape(wire.DraftOrder)
_INGREDIENTS: Shape[list[wire.Ingredient]] = Shape(list[wire.Ingredient])
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class DraftEntry(NamedTuple):
    """An entry of `draftOrders`: the resource as it was sent, and its readable part.

    Without a resource, `order` is `None` and `resource` is empty. `unread` lists the elements that
    could not be read.
    """

    full_url: str
    resource: Mapping[str, Any]
    order: wire.DraftOrder | None
    unread: tuple[Unread, ...]

    @property
    def kind(self) -> str:
        """The resource type, or "" if missing."""
        return (self.order.resourceType if self.order is not None else None) or ""


DRAFT_ORDERS = "draftOrders"
"""The member of the context that contains the orders, in most hooks."""


def draft_entries(context: Mapping[str, Any], member: str = DRAFT_ORDERS) -> Iterator[DraftEntry]:
    """The entries of the orders in a context, in their order."""
    bundle = context.get(member)
    rows = bundle.get("entry") if isinstance(bundle, Mapping) else bundle
    for row in rows if isinstance(rows, list) else ():
        yield _entry(row if isinstance(row, Mapping) else {})


def _entry(row: Mapping[str, Any]) -> DraftEntry:
    resource = row.get("resource", row if "resourceType" in row else None)
    full_url = row.get("fullUrl")
    odd = (Unread("fullUrl", reasons.NOT_A_STRING),) if not isinstance(full_url, str | None) else ()
    named = full_url if isinstance(full_url, str) else ""
    if not isinstance(resource, Mapping):
        return DraftEntry(named, {}, None, odd)
    try:
        text = _ENCODER.encode(resource)
    except RecursionError:
        return DraftEntry(named, {}, None, odd)
    order, unread = _ORDER.read(text)
    return DraftEntry(named, resource, order, (*unread, *odd))


def medication_references(context: Mapping[str, Any], member: str = DRAFT_ORDERS) -> Iterator[str]:
    """The references of the draft orders to Medications, except contained ones.

    Medications among them may also refer to their ingredients. A malformed draft order has no
    references.
    """
    for entry in draft_entries(context, member):
        order = entry.order
        if order is None:
            continue
        named = [order.medicationReference] if order.medicationCodeableConcept is None else []
        if entry.kind == "Medication":
            ingredients, _ = _INGREDIENTS.read(order.ingredient)
            named += [i.itemReference for i in ingredients or ()]
        for reference in named:
            target = reference.reference if reference is not None else None
            if target and not target.startswith("#"):
                yield target


def medications_sent(context: Mapping[str, Any], member: str = DRAFT_ORDERS) -> Iterator[str]:
    """The ids of the Medications among the draft orders."""
    for entry in draft_entries(context, member):
        if entry.order is not None and entry.kind == "Medication" and entry.order.id:
            yield entry.order.id
