"""Changes of a call that must not change its answer, or must not make it more confident."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..support.fhir import ORDER_MEMBERS
from ..support.places import Place, below, value_at
from .calls import Body
from .elements import is_of_orders

# ---------------------------------------------------------- ids, extensions, siblings

_NOTHING_SAID = {"url": "https://example.org/nothing-said", "valueString": "added by a test"}
_ADDED_ID = "added-by-a-test"
_NO_EXTENSION = frozenset({"Bundle", "Binary", "Parameters"})
_NO_SIBLING = frozenset({"resourceType", "div", "id", "url"})


def with_extras(value: Any) -> Any:
    """A copy in which every element has an id, an extension, and a sibling where it is primitive.

    Ids of resources stay as they are: they are names, and nothing but a name may change them.
    """
    if isinstance(value, list):
        return [with_extras(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {
        name: item if name == "extension" else with_extras(item) for name, item in value.items()
    }
    kind = value.get("resourceType")
    if kind not in _NO_EXTENSION:
        result["extension"] = [*value.get("extension", []), _NOTHING_SAID]
    if kind is None:
        result.setdefault("id", _ADDED_ID)
    for name, item in value.items():
        sibling = _sibling(item)
        if sibling is not None and name not in _NO_SIBLING and not name.startswith("_"):
            result.setdefault(f"_{name}", sibling)
    return result


def _sibling(item: Any) -> Any:
    """What stands beside a primitive, under its name with an underscore."""
    if isinstance(item, str | bool | int | float):
        return {"id": _ADDED_ID, "extension": [_NOTHING_SAID]}
    if isinstance(item, list) and item and all(isinstance(each, str) for each in item):
        return [None] * (len(item) - 1) + [{"id": _ADDED_ID}]
    return None


def without_extras(value: Any) -> Any:
    """A copy without what `with_extras` added: for orders that come back in an update."""
    if isinstance(value, list):
        return [without_extras(item) for item in value if item != _NOTHING_SAID]
    if not isinstance(value, dict):
        return value
    return {
        name: without_extras(item)
        for name, item in value.items()
        if not name.startswith("_")
        and (name, item) != ("id", _ADDED_ID)
        and (name, item) != ("extension", [_NOTHING_SAID])
    }


# -------------------------------------------------------------------------- data of a call


def changed_data(body: Body, change: Callable[[Any], Any]) -> Body:
    """A copy of a call whose prefetch values and draft orders went through a change."""
    result = copy.copy(body)
    if body.get("prefetch"):
        result["prefetch"] = {key: change(value) for key, value in body["prefetch"].items()}
    context = body.get("context") or {}
    for name in ORDER_MEMBERS:
        if name in context:
            result["context"] = {**context, name: change(context[name])}
    return result


def each_string(value: Any, change: Callable[[str], str]) -> Any:
    """A copy in which every string went through a change."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_string(item, change) for item in value]
    if isinstance(value, dict):
        return {name: each_string(item, change) for name, item in value.items()}
    return value


# ---------------------------------------------------------------------------------- dates

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")
PRECISIONS = {"year": 4, "month": 7, "day": 10}


def is_date(value: Any) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def with_dates_cut(value: Any, precision: str) -> Any:
    """A copy in which every full date holds no more than its year, its month or its day."""
    length = PRECISIONS[precision]
    return each_string(value, lambda text: text[:length] if is_date(text) else text)


def dates_of(body: Body) -> Iterator[Place]:
    """Where the dates of the data stand."""
    for place in below(body):
        of_data = place[:1] == ("prefetch",) or is_of_orders(place)
        if of_data and is_date(value_at(body, place)):
            yield place


# -------------------------------------------------------------------------------- systems

_OIDS = {
    "http://www.nlm.nih.gov/research/umls/rxnorm": "2.16.840.1.113883.6.88",
    "http://snomed.info/sct": "2.16.840.1.113883.6.96",
    "http://loinc.org": "2.16.840.1.113883.6.1",
    "http://hl7.org/fhir/sid/icd-10-cm": "2.16.840.1.113883.6.90",
    "http://hl7.org/fhir/sid/icd-10": "2.16.840.1.113883.6.3",
    "http://hl7.org/fhir/sid/icd-9-cm": "2.16.840.1.113883.6.103",
    "http://www.whocc.no/atc": "2.16.840.1.113883.6.73",
    "http://unitsofmeasure.org": "2.16.840.1.113883.6.8",
}
_EDITIONS = {
    "http://snomed.info/sct": (
        "http://snomed.info/sct/900000000000207008",
        "http://snomed.info/sct/731000124108/version/20250301",
    ),
}


def _in_capitals(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.upper()}{separator}{host.upper()}{slash}{path}"


SYSTEM_SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "a version": lambda uri: f"{uri}|2026-03",
    "a slash at the end": lambda uri: f"{uri}/",
    "https": lambda uri: uri.replace("http://", "https://", 1),
    "www. or without": lambda uri: (
        uri.replace("://www.", "://", 1) if "://www." in uri else uri.replace("://", "://www.", 1)
    ),
    "capitals in scheme and host": _in_capitals,
    "an OID as a URN": lambda uri: f"urn:oid:{_OIDS[uri]}" if uri in _OIDS else uri,
    "a bare OID": lambda uri: _OIDS.get(uri, uri),
    "an edition": lambda uri: _EDITIONS.get(uri, (uri,))[0],
    "an edition and its version": lambda uri: _EDITIONS.get(uri, (uri,))[-1],
    "all of it": lambda uri: f"{_in_capitals(uri).replace('HTTP', 'HTTPS', 1)}/|2026-03",
}
"""SPEC 12.1 U-7: ways to write the URI of a code system."""


def with_systems(value: Any, spelling: Callable[[str], str]) -> Any:
    """A copy in which every code system is written in another way, but for made-up ones."""
    if isinstance(value, list):
        return [with_systems(item, spelling) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: spelling(item)
        if name == "system" and _is_known(item)
        else with_systems(item, spelling)
        for name, item in value.items()
    }


def _is_known(system: Any) -> bool:
    """A card may quote a system that nobody reads."""
    return isinstance(system, str) and system.startswith("http://") and "example" not in system


def systems_back(answer: Any, body: Body, spelling: Callable[[str], str]) -> Any:
    """What the answer echoes of the systems, as the call wrote them."""
    written = {item for item in _systems(body) if _is_known(item)}
    usual = {spelling(system): system for system in written}
    return each_string(answer, lambda text: usual.get(text, text))


def _systems(value: Any) -> Iterator[Any]:
    for place in below(value):
        if place[-1:] == ("system",):
            yield value_at(value, place)


# ---------------------------------------------------------------------------------- units

EGFR_UNITS = (
    "mL/min/{1.73_m2}",
    "mL/min/1.73m2",
    "mL/min/1.73 m2",
    "mL/min/1.73_m2",
    "ml/min/1.73m2",
    "mL/min/1,73 m²",
    "ml/min/1,73m²",
    "mL/min/1.73\u00a0m2",
    "mL/min/1.73 m^2",
    "mL/min/1.73m*2",
    "mL/min/1.73 qm",
    "mL/min/1.73 sqm",
    "mL/min/1.73 sq m",
    "mL/min per 1.73 m2",
    "mL per min per 1.73 m2",
    "mL/min/{1.73 m2}",
    "mL/min/[1.73_m2]",
    "mL/min/1.73m2 (calc)",
    "mL/min/1.73m2 (CKD-EPI)",
    "ML/MIN/1.73M2",
)
MG_DL_UNITS = ("mg/dL", "mg/dl", "MG/DL", "mg%", "mg/100 mL", "mg/100ml", "mg / dL")
UNIT_SPELLINGS = (EGFR_UNITS, MG_DL_UNITS)
"""SPEC 12.2 N-1: units that are the same."""

TABLETS = (
    *("{tbl}", "{pill}", "{tab}", "{tablet}", "{tablets}", "{each}", "{EA}", "{unit}", "{dose}"),
    *("tablet", "tablets", "tab", "tabs", "tab(s)", "tablet(s)", "{tab(s)}", "{Pill}"),
)
MILLIGRAMS = ("mg", "milligram", "milligrams", "milligram(s)", "mgs", "MG")
"""SPEC 12.2 N-6a: units of a dose that are the same."""


def with_units(value: Any, same: tuple[str, ...], written: str, *, as_code: bool) -> Any:
    """A copy in which every quantity in one of the units is in another spelling of it."""
    if isinstance(value, list):
        return [with_units(item, same, written, as_code=as_code) for item in value]
    if not isinstance(value, dict):
        return value
    if "value" in value and (value.get("code") in same or value.get("unit") in same):
        kept = {n: v for n, v in value.items() if n not in ("unit", "code", "system")}
        coded = {"code": written, "system": "http://unitsofmeasure.org"} if as_code else {}
        return {**kept, "unit": written, **coded}
    return {name: with_units(item, same, written, as_code=as_code) for name, item in value.items()}
