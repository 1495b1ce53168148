"""A read-only FHIR R4 server over charts: capability statement, read, search and prefetch.

Pure: a query is a list of (name, value) pairs of a URL, and the result is a Bundle. One table
defines the search parameters and the capability statement. As in FHIR, values separated by commas
mean "or", and a repeated parameter means "and". An unknown parameter is ignored (and missing in the
self link), unless the client wants strict handling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import msgspec

Resource: TypeAlias = dict[str, Any]
Query: TypeAlias = Sequence[tuple[str, str]]
# From the first moment to the one after the last: "2026-10" is a month long.
Span: TypeAlias = tuple[datetime, datetime]

PAGE: Final = 1000
_DATE: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?P<time>T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?"
)
_SLOT: Final = re.compile(r"\{\{context\.(\w+)\}\}")
_TO_THE_MINUTE: Final = re.compile(r"[^T]+T\d\d:\d\d(?!:)")
_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)


class NotFoundError(LookupError):
    """The type or resource does not exist."""


class BadQueryError(ValueError):
    """A search that cannot be run. The text names the parameter and the reason, without its value."""


# ------------------------------------------------------- looking into resources


def _codings(path: str) -> Callable[[Resource], Iterator[tuple[str, str]]]:
    """The (system, code) pairs of a CodeableConcept, a list of them, a Coding, Identifier or code."""

    def pairs(value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, str):
            yield "", value
        elif isinstance(value, list):
            for item in value:
                yield from pairs(item)
        elif isinstance(value, dict) and "coding" in value:
            yield from pairs(value["coding"])
        elif isinstance(value, dict):
            yield value.get("system", ""), value.get("code") or value.get("value", "")

    return lambda resource: pairs(resource.get(path))


def _reference(path: str) -> Callable[[Resource], Iterator[str]]:
    def references(resource: Resource) -> Iterator[str]:
        found = resource.get(path, {}).get("reference")
        if found:
            yield found

    return references


def _spans(*paths: str) -> Callable[[Resource], Iterator[Span]]:
    """The times in elements of these names: dateTime, instant, date or Period."""

    def spans(resource: Resource) -> Iterator[Span]:
        for path in paths:
            value = resource.get(path)
            if isinstance(value, str):
                yield span(value)
            elif isinstance(value, dict):
                yield _period(value)

    return spans


def _period(period: Resource) -> Span:
    earliest = datetime.min.replace(tzinfo=UTC)
    latest = datetime.max.replace(tzinfo=UTC)
    start = span(period["start"])[0] if "start" in period else earliest
    return start, span(period["end"])[1] if "end" in period else latest


def _names(resource: Resource) -> Iterator[str]:
    for name in resource.get("name", []):
        yield from (name[part] for part in ("text", "family") if part in name)
        yield from name.get("given", [])


def span(text: str) -> Span:
    """The time that a FHIR date, dateTime or instant covers. Raises ValueError if it is invalid."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a FHIR date")
    year, month, day = (int(match[part] or 1) for part in ("year", "month", "day"))
    start = datetime(year, month, day, tzinfo=UTC)
    if match["time"]:
        moment = datetime.fromisoformat(text)
        start = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return start, start + (_MINUTE if _TO_THE_MINUTE.match(text) else _SECOND)
    if match["day"]:
        return start, start + timedelta(days=1)
    if match["month"]:
        return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return start, datetime(year + 1, 1, 1, tzinfo=UTC)


# ------------------------------------------------------------------- matching


def _same_token(wanted: str, found: tuple[str, str]) -> bool:
    system, bar, code = wanted.rpartition("|")
    if not bar:
        return code == found[1]
    return (system == found[0]) and code in ("", found[1])


def _same_reference(wanted: str, found: str) -> bool:
    """ "1", "Patient/1" and "https://ehr.example/fhir/Patient/1" name the same patient."""
    return found.rpartition("/")[2] == wanted.rpartition("/")[2] and (
        "/" not in wanted or wanted.endswith("/" + found) or wanted == found
    )


def _begins(wanted: str, found: str) -> bool:
    return found.casefold().startswith(wanted.casefold())


_COMPARE: Final[Mapping[str, Callable[[Span, Span], bool]]] = MappingProxyType(
    {
        "eq": lambda want, have: want[0] <= have[0] and have[1] <= want[1],
        "ne": lambda want, have: not (want[0] <= have[0] and have[1] <= want[1]),
        "gt": lambda want, have: have[1] > want[1],
        "lt": lambda want, have: have[0] < want[0],
        "ge": lambda want, have: have[1] > want[0],
        "le": lambda want, have: have[0] < want[1],
        "sa": lambda want, have: have[0] >= want[1],
        "eb": lambda want, have: have[1] <= want[0],
        "ap": lambda want, have: have[0] < want[1] and want[0] < have[1],
    }
)


def _compares(wanted: str, found: Span) -> bool:
    prefix, asked = _asked(wanted)
    return _COMPARE[prefix](asked, found)


@lru_cache(maxsize=64)
def _asked(wanted: str) -> tuple[str, Span]:
    prefix = wanted[:2] if wanted[:2] in _COMPARE else ""
    try:
        return prefix or "eq", span(wanted.removeprefix(prefix))
    except ValueError:
        raise BadQueryError("is not a FHIR date with or without a prefix") from None


class Param(msgspec.Struct, frozen=True):
    """A search parameter: its FHIR type, the elements that it uses, and how they are matched."""

    kind: str
    values: Callable[[Resource], Iterable[Any]]
    matches: Callable[[str, Any], bool]


def _token(path: str) -> Param:
    return Param("token", _codings(path), _same_token)


def _date(*paths: str) -> Param:
    return Param("date", _spans(*paths), _compares)


def _refers(path: str) -> Param:
    return Param("reference", _reference(path), _same_reference)


_ID: Final = _token("id")
_SUBJECT: Final = {"patient": _refers("subject"), "subject": _refers("subject")}
_NAME: Final = Param("string", _names, _begins)
_TYPES: Final[Mapping[str, Mapping[str, Param]]] = MappingProxyType(
    {
        "AllergyIntolerance": {
            "patient": _refers("patient"),
            "clinical-status": _token("clinicalStatus"),
            "verification-status": _token("verificationStatus"),
            "category": _token("category"),
            "code": _token("code"),
            "date": _date("recordedDate"),
        },
        "Condition": {
            **_SUBJECT,
            "clinical-status": _token("clinicalStatus"),
            "verification-status": _token("verificationStatus"),
            "category": _token("category"),
            "code": _token("code"),
            "onset-date": _date("onsetDateTime", "onsetPeriod"),
            "recorded-date": _date("recordedDate"),
        },
        "Encounter": {
            **_SUBJECT,
            "status": _token("status"),
            "class": _token("class"),
            "type": _token("type"),
            "date": _date("period"),
        },
        "Immunization": {
            "patient": _refers("patient"),
            "status": _token("status"),
            "vaccine-code": _token("vaccineCode"),
            "date": _date("occurrenceDateTime"),
        },
        "Medication": {"code": _token("code"), "status": _token("status")},
        "MedicationRequest": {
            **_SUBJECT,
            "status": _token("status"),
            "intent": _token("intent"),
            "category": _token("category"),
            "code": _token("medicationCodeableConcept"),
            "medication": _refers("medicationReference"),
            "authoredon": _date("authoredOn"),
        },
        "MedicationStatement": {
            **_SUBJECT,
            "status": _token("status"),
            "category": _token("category"),
            "code": _token("medicationCodeableConcept"),
            "medication": _refers("medicationReference"),
            "effective": _date("effectiveDateTime", "effectivePeriod"),
        },
        "Observation": {
            **_SUBJECT,
            "status": _token("status"),
            "category": _token("category"),
            "code": _token("code"),
            "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
        },
        "Patient": {
            "identifier": _token("identifier"),
            "gender": _token("gender"),
            "birthdate": _date("birthDate"),
            "name": _NAME,
            "family": _NAME,
            "given": _NAME,
        },
        "Procedure": {
            **_SUBJECT,
            "status": _token("status"),
            "category": _token("category"),
            "code": _token("code"),
            "date": _date("performedDateTime", "performedPeriod"),
        },
    }
)
# Resources that may be included for this type: the referenced medication, and the patient.
_INCLUDES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "MedicationRequest": {"medication": "medicationReference", "subject": "subject"},
        "MedicationStatement": {"medication": "medicationReference", "subject": "subject"},
        "Condition": {"subject": "subject"},
        "Observation": {"subject": "subject"},
        "Procedure": {"subject": "subject"},
        "AllergyIntolerance": {"patient": "patient"},
    }
)
# Parameters for the form of the response, and those that are always satisfied.
_CONTROLS: Final = frozenset({"_count", "_offset", "_sort", "_include", "_format", "_pretty"})


# --------------------------------------------------------------------- server


class ChartServer:
    """Resources of a FHIR server. They are never changed."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_type: dict[str, dict[str, Resource]] = {name: {} for name in _TYPES}
        for resource in resources:
            self._by_type.setdefault(resource["resourceType"], {})[resource["id"]] = resource

    def of_type(self, resource_type: str) -> Iterable[Resource]:
        """Every resource of a type."""
        return self._by_type.get(resource_type, {}).values()

    def read(self, resource_type: str, resource_id: str) -> Any:
        """One resource. Raises NotFoundError if it does not exist."""
        try:
            return self._by_type[resource_type][resource_id]
        except KeyError:
            raise NotFoundError from None

    def prefetch(
        self, templates: Mapping[str, str], context: Mapping[str, Any], base_url: str
    ) -> Resource:
        """The values of prefetch templates, by key. `null` for a resource that does not exist."""
        return {key: self._answer(_filled(t, context), base_url) for key, t in templates.items()}

    def _answer(self, target: str, base_url: str) -> Any:
        path, is_search, text = target.partition("?")
        if not is_search:
            try:
                return self.read(*path.split("/", 1))
            except NotFoundError:
                return None
        pairs = (part.partition("=") for part in text.split("&"))
        answer = self.search(path, [(name, value) for name, _, value in pairs], base_url)
        links = [link for link in answer.pop("link") if link["relation"] == "next"]
        return answer | ({"link": links} if links else {})

    def search(
        self, resource_type: str, query: Query, base_url: str, *, strict: bool = False
    ) -> Resource:
        """A page of results, as a searchset Bundle."""
        if resource_type not in _TYPES:
            raise NotFoundError
        used = [pair for pair in query if pair[1] and _is_known(resource_type, pair[0])]
        if strict and len(used) < sum(1 for _, value in query if value):
            raise BadQueryError("A search parameter is not supported here.")
        found = self._sorted(resource_type, self._matching(resource_type, used), used)
        count = _number(used, "_count", PAGE)
        offset = _number(used, "_offset", 0)
        page = found[offset : offset + count]
        entries = [self.entry(r, "match", base_url) for r in page]
        entries += [self.entry(r, "include", base_url) for r in self.included(page, used)]
        answer: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": _links(f"{base_url}/{resource_type}", used, offset, count, len(found)),
        }
        # FHIR has no empty lists: a search without a match is a Bundle without entries.
        return answer | {"entry": entries} if entries else answer

    def _matching(self, resource_type: str, used: Query) -> list[Resource]:
        found = list(self._by_type[resource_type].values())
        for name, value in used:
            if name in _CONTROLS:
                continue
            param = _param(resource_type, name)
            wanted = value.split(",")
            if param.kind == "date":
                _require_dates(name, wanted)
            found = [r for r in found if self.matches(name, param, wanted, r)]
        return found

    def _sorted(self, resource_type: str, found: list[Resource], used: Query) -> list[Resource]:
        keys = [key for name, value in used if name == "_sort" for key in value.split(",")]
        # The last key first: sorting is stable, so the first key decides in the end.
        for key in reversed(keys):
            name = key.removeprefix("-")
            if name != "_id" and name not in _TYPES[resource_type]:
                continue
            found = sorted(found, key=_sort_key(resource_type, name), reverse=key.startswith("-"))
        return found

    def matches(self, _name: str, param: Param, wanted: Sequence[str], resource: Resource) -> bool:
        """Whether a resource has one of the wanted values of a search parameter."""
        return any(
            param.matches(want, value) for value in param.values(resource) for want in wanted
        )

    def entry(self, resource: Resource, mode: str, base_url: str) -> Any:
        """The entry of a resource in a Bundle."""
        full_url = f"{base_url}/{resource['resourceType']}/{resource['id']}"
        return {"fullUrl": full_url, "resource": resource, "search": {"mode": mode}}

    def included(self, page: Iterable[Resource], used: Query) -> list[Resource]:
        """The included resources of a page, as far as the query requests them."""
        wanted = [value.split(":") for name, value in used if name == "_include"]
        included: dict[str, Resource] = {}
        for resource in page:
            for path in _include_paths(resource["resourceType"], wanted):
                reference = resource.get(path, {}).get("reference", "")
                kind, _, resource_id = reference.rpartition("/")
                found = self._by_type.get(kind, {}).get(resource_id)
                if found is not None:
                    included.setdefault(reference, found)
        return list(included.values())


def _filled(template: str, context: Mapping[str, Any]) -> str:
    """A prefetch template with the values of the context in it."""
    return _SLOT.sub(lambda slot: str(context[slot[1]]), template)


def _is_known(resource_type: str, name: str) -> bool:
    plain, colon, _ = name.partition(":")
    known = plain in _CONTROLS or plain == "_id" or plain in _TYPES[resource_type]
    if not colon:
        return known
    if known and plain not in _CONTROLS and name not in {"patient:Patient", "subject:Patient"}:
        # Ignoring a modifier would change the meaning of the search.
        raise BadQueryError("A modifier of a search parameter is not supported here.")
    return known and plain not in _CONTROLS


def _param(resource_type: str, name: str) -> Param:
    plain = name.partition(":")[0]
    return _ID if plain == "_id" else _TYPES[resource_type][plain]


def _require_dates(name: str, wanted: Iterable[str]) -> None:
    """Also if no resource has a date to compare with."""
    for text in wanted:
        try:
            _asked(text)
        except BadQueryError as error:
            raise BadQueryError(f"The search parameter {name} {error}.") from None


def _sort_key(resource_type: str, name: str) -> Callable[[Resource], Any]:
    """A missing value counts as the oldest or the first."""
    param = _param(resource_type, name)
    if param.kind == "date":
        oldest = datetime.min.replace(tzinfo=UTC)
        return lambda r: min((s[0] for s in param.values(r)), default=oldest)
    return lambda r: min((str(value) for value in param.values(r)), default="")


def _include_paths(resource_type: str, wanted: Iterable[list[str]]) -> Iterator[str]:
    known = _INCLUDES.get(resource_type, {})
    for source, *rest in wanted:
        name = "subject" if rest[:1] == ["patient"] and "subject" in known else "".join(rest[:1])
        if source == resource_type and name == "*":
            yield from known.values()
        elif source == resource_type and name in known:
            yield known[name]


def _number(used: Query, name: str, default: int) -> int:
    text = next((value for key, value in used if key == name), None)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadQueryError(f"The search parameter {name} is not a whole number.")
    return min(int(text[:9]), 10**6 if name == "_offset" else PAGE)


def _links(url: str, used: Query, offset: int, count: int, total: int) -> list[Resource]:
    def link(relation: str, start: int) -> Resource:
        kept = [pair for pair in used if pair[0] != "_offset"]
        pairs = kept + ([("_offset", str(start))] if start else [])
        return {"relation": relation, "url": f"{url}?{urlencode(pairs)}" if pairs else url}

    links = [link("self", offset)]
    if count and offset + count < total:
        links.append(link("next", offset + count))
    if count and offset:
        links.append(link("previous", max(0, offset - count)))
    return links


# ------------------------------------------------------------------- metadata


def capabilities(today: date, base_url: str) -> Resource:
    """The capability statement, made from the table of search parameters."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": today.isoformat(),
        "kind": "instance",
        "implementation": {
            "description": "Synthetic patients of the magnesium and migraine sandbox, read-only",
            "url": base_url,
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Invented people only. Nothing can be written; no login is needed.",
                "security": {"cors": True},
                "resource": [_capability(name) for name in _TYPES],
            }
        ],
    }


def _capability(name: str) -> Resource:
    params = [("_id", _ID.kind), *((p, param.kind) for p, param in _TYPES[name].items())]
    described: Resource = {
        "type": name,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [{"name": p, "type": kind} for p, kind in params],
    }
    includes = [f"{name}:{include}" for include in _INCLUDES.get(name, {})]
    return described | {"searchInclude": includes} if includes else described
