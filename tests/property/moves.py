"""Resources in other places, and references in other forms, that must not change an answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..support.fhir import orders_in
from .calls import Body

BASE = "https://ehr.example/fhir"
Resource = dict[str, Any]

ORDERS = frozenset({"MedicationRequest", "MedicationStatement"})


def bundles(body: Body) -> Iterator[tuple[str, Resource]]:
    """Every Bundle of a call by its key."""
    for key, value in (body.get("prefetch") or {}).items():
        if isinstance(value, dict) and value.get("resourceType") == "Bundle":
            yield key, value
    drafts = orders_in(body)
    if isinstance(drafts, dict):
        yield "draftOrders", drafts


def resources(bundle: Resource) -> Iterator[Resource]:
    for entry in bundle.get("entry") or []:
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


# ------------------------------------------------------- a medication in a place of its own

REFERENCES: Mapping[str, Callable[[str], str]] = {
    "relative": lambda id: f"Medication/{id}",
    "absolute": lambda id: f"{BASE}/Medication/{id}",
    "versioned": lambda id: f"Medication/{id}/_history/3",
    "absolute and versioned": lambda id: f"{BASE}/Medication/{id}/_history/3",
    "urn": lambda id: f"urn:uuid:7d2b1f0e-5a34-4c1d-9a56-{int(id.rpartition('-')[2]):012d}",
    "contained": lambda id: f"#{id}",
}
PLACES = (
    "the same Bundle",
    "conditions",
    "kidneyLabs",
    "medicationStatements",
    "draftOrders",
    "a key of its own",
)


def can_move(body: Body, place: str) -> bool:
    """Whether the call has such a place."""
    return place in ("the same Bundle", "a key of its own") or place in dict(bundles(body))


def moved(body: Body, place: str, form: str) -> Body:
    """Each medication that stands in its order, as a Medication in some place, with a reference of some form.

    Medications that are resources already move too. Contained ones stay in their order.
    """
    result = copy.deepcopy(body)
    found = _taken_out(result)
    for number, (bundle, order, medication) in enumerate(found):
        id = f"moved-{number}"
        named = {**medication, "id": id}
        reference = REFERENCES[form](id)
        order["medicationReference"] = {"reference": reference}
        if form == "contained":
            order.setdefault("contained", []).append(named)
            continue
        full_url = reference if form == "urn" else f"{BASE}/Medication/{id}"
        entry = {"fullUrl": full_url, "resource": named}
        target = bundle if place == "the same Bundle" else _bundle(result, place)
        if target is not orders_in(result):
            entry["search"] = {"mode": "include"}
        target.setdefault("entry", []).append(entry)
    return result


def _bundle(body: Body, place: str) -> Resource:
    if place == "a key of its own":
        bundle = {"resourceType": "Bundle", "type": "searchset"}
        return body["prefetch"].setdefault("medications", bundle)
    return dict(bundles(body))[place]


def _taken_out(body: Body) -> list[tuple[Resource, Resource, Resource]]:
    """(Bundle, order, Medication) of every order whose medication is known; taken out of its place."""
    sent = dict(_medications(body))
    found, used = [], set()
    for bundle, order in _orders_of(body):
        concept = order.pop("medicationCodeableConcept", None)
        medication = sent.get(str((order.get("medicationReference") or {}).get("reference")))
        if concept is not None:
            found.append((bundle, order, {"resourceType": "Medication", "code": concept}))
        elif medication is not None:
            used.add(id(medication))
            found.append((bundle, order, copy.deepcopy(medication)))
    for _, bundle in bundles(body):
        if "entry" in bundle:
            bundle["entry"] = [e for e in bundle["entry"] if id(e.get("resource")) not in used]
    return found


def _orders_of(body: Body) -> Iterator[tuple[Resource, Resource]]:
    for _, bundle in bundles(body):
        for resource in resources(bundle):
            if resource.get("resourceType") in ORDERS:
                yield bundle, resource


def _medications(body: Body) -> Iterator[tuple[str, Resource]]:
    """The Medications of a call by each name that a reference may use."""
    for _, bundle in bundles(body):
        for entry in bundle.get("entry") or []:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict) and resource.get("resourceType") == "Medication":
                yield f"Medication/{resource.get('id')}", resource
                yield str(entry.get("fullUrl")), resource


# -------------------------------------------------------------- a clinical resource elsewhere

CLINICAL = (
    "conditions",
    "medicationRequests",
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
)


def misplaced_unrequested(body: Body) -> Iterator[tuple[str, str, Body]]:
    """Every call in which one clinical entry stands under another key: from where, to where."""
    there = dict(bundles(body))
    for source in CLINICAL:
        entries = there.get(source, {}).get("entry") or []
        for number, entry in enumerate(entries):
            if (entry.get("resource") or {}).get("resourceType") == "Medication":
                continue
            for target in CLINICAL:
                if target != source and target in (body.get("prefetch") or {}):
                    yield source, target, _strayed(body, source, number, target)


def _strayed(body: Body, source: str, number: int, target: str) -> Body:
    result = copy.deepcopy(body)
    values = result["prefetch"]
    entry = values[source]["entry"].pop(number)
    if not values[source]["entry"]:
        del values[source]["entry"]
    values[source].pop("total", None)
    if values[target] is None:
        values[target] = {"resourceType": "Bundle", "type": "searchset"}
    values[target].setdefault("entry", []).append(entry)
    values[target].pop("total", None)
    return result
