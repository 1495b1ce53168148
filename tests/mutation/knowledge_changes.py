"""Every small wrong change of the knowledge files: a number nudged, a code lost, an outcome swapped.

A change is told by its kind, its file and the place in words that stay the same as rows come and go
("parameters.json egfr.severe_below.value: 30 to 31"), so that a list of survivors stays true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "cds_service" / "knowledge" / "data"
SYSTEMS = {
    "http://snomed.info/sct": "SNOMED CT",
    "http://loinc.org": "LOINC",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://www.whocc.no/atc": "ATC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD-10-PCS",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "http://www.ama-assn.org/go/cpt": "CPT",
    "https://fhir.hl7.org.uk/Id/opcs-4": "OPCS-4",
}
SINGLE_CODE = "code, one of many"
SINGLE_PRODUCT = "product, one of many"
MAY_SURVIVE = frozenset({SINGLE_CODE, SINGLE_PRODUCT})
"""One code among many of its class: told apart, because no test names every code."""

PRODUCTS = "rxnorm/products.json"
INGREDIENTS = "rxnorm/ingredients.json"
MAGNESIUM = "rxnorm/magnesium.json"
LISTS_OF_WORDS = frozenset({"rxnorm/brand_names.json", "dosage_words.json"})
"""Hundreds of rows of one kind, that `tests/unit/test_import_clinical.py` compares with their source."""
TABLES_OF_DRUGS = frozenset({PRODUCTS, INGREDIENTS, MAGNESIUM})

Content = Any
Edit = Callable[[Content], None]


@dataclass(frozen=True)
class Change:
    """One wrong change. `touches` are the codes and names whose readers are asked first."""

    kind: str
    file: str
    place: str
    edit: Edit
    touches: tuple[Hashable, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} | {self.file} | {self.place}"


@dataclass(frozen=True)
class Spot:
    """A value in a file: where it stands, and the member of the row that it belongs to."""

    value: Any
    path: tuple[str | int, ...]
    words: tuple[str, ...]
    member: str

    @property
    def place(self) -> str:
        return ".".join(self.words)

    @property
    def in_list(self) -> bool:
        return isinstance(self.path[-1], int)


def read(name: str, data: Path = DATA) -> Content:
    return json.loads((data / name).read_text(encoding="utf-8"))


def files(data: Path = DATA) -> list[str]:
    return sorted(p.relative_to(data).as_posix() for p in data.rglob("*.json"))


def every_change(data: Path = DATA) -> Iterator[Change]:
    """All changes of all files, in the order of the files."""
    for name in files(data):
        content = read(name, data)
        if name in LISTS_OF_WORDS:
            continue
        if name in TABLES_OF_DRUGS:
            yield from _DRUG_TABLES[name](name, content)
        else:
            yield from _of_rows(name, content)
        if name.startswith("valuesets/"):
            yield from _of_codes(name, content)


# ------------------------------------------------------------------------------------ walking

_NAMED_BY = (
    ("id",), ("hook", "trigger"), ("card", "class"), ("card",), ("class", "age"), ("class", "window"),
    ("ingredient",), ("subtype",), ("prefix",), ("sequence",), ("code",), ("rxcui",), ("kind",),
)  # fmt: skip
_NOT_WALKED = frozenset({"codes", "$schema"})


def _name(row: Any, position: int | str) -> str:
    if isinstance(row, dict):
        for names in _NAMED_BY:
            if all(isinstance(row.get(n), str | int) for n in names):
                return "/".join(str(row[n]) for n in names)
    if isinstance(row, str):
        return repr(row if len(row) < 40 else f"{row[:37]}...")
    if isinstance(row, list) and row:
        return repr(row[0])
    return str(position)


def _spots(
    value: Any, path: tuple[str | int, ...] = (), said: tuple[str, ...] = (), member: str = ""
) -> Iterator[Spot]:
    if path:
        yield Spot(value, path, said, member)
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _NOT_WALKED:
                yield from _spots(inner, (*path, key), (*said, key), key)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _spots(inner, (*path, at), (*said, _name(inner, at)), member)


def _parent(content: Content, path: Iterable[str | int]) -> tuple[Any, Any]:
    *above, last = path
    for step in above:
        content = content[step]
    return content, last


def removed(path: tuple[str | int, ...]) -> Edit:
    def edit(content: Content) -> None:
        parent, last = _parent(content, path)
        del parent[last]

    return edit


def replaced(path: tuple[str | int, ...], value: Any) -> Edit:
    def edit(content: Content) -> None:
        parent, last = _parent(content, path)
        parent[last] = value

    return edit


# ---------------------------------------------------------------------------- files with rows

_UNCHANGED = frozenset({"version", "id", "released", "revised", "purpose"})
_CITATIONS = frozenset(
    {"source", "sources", "references", "citation", "checked", "doi", "pmid", "requirement"}
)
_EXCLUSIONS = frozenset({"excluded", "exclude", "unless", "not_magnesium"})
_ROUTES = frozenset({"routes", "route_codes"})
_WORDINGS = frozenset(
    {
        *("text", "summary", "advice", "note", "note_specific", "title", "label", "display", "why"),
        *("use", "texts", "labels", "does_not"),
    }
)
_OUTCOMES = frozenset(
    {
        *("indicator", "class", "card", "cards", "low_severe", "plan", "kind", "salts", "window"),
        *("perimenstrual_plan", "valueset", "hook", "trigger", "age", "subtype", "atc_subtypes"),
        *("aliases", "style", "code", "rxcui", "system", "url", "offers", "labs", "period_unit"),
        *("unit", "units", "ingredient"),
    }
)
_PLACE = re.compile(r"\{\w+\}")
_NUMBER = re.compile(r"(?<![\w.{])\d+(?:\.\d+)?(?![\w}])")


def _of_rows(name: str, content: Content) -> Iterator[Change]:
    spots = [s for s in _spots(content) if s.member not in _UNCHANGED]
    others = _others(spots)
    for spot in spots:
        for kind, what, edit in _of_spot(spot, others):
            yield Change(kind, name, f"{spot.place}{what}", edit, _touched(name, spot))


def _touched(name: str, spot: Spot) -> tuple[Hashable, ...]:
    found = [p for p in spot.path if isinstance(p, str)]
    if name == "wording.json":
        return (("text", found[-1]),)
    if name.startswith("valuesets/med_") and isinstance(spot.value, str):
        return (("drug", spot.value),)
    return ()


def _others(spots: Iterable[Spot]) -> Mapping[str, list[str]]:
    """The texts that stand under one member of a file: what may be swapped for what."""
    found: dict[str, list[str]] = {}
    for spot in spots:
        if isinstance(spot.value, str):
            found.setdefault(spot.member if spot.in_list else _kind_of_member(spot), []).append(
                spot.value
            )
    return {member: sorted(set(values)) for member, values in found.items()}


def _kind_of_member(spot: Spot) -> str:
    """Keys of a table of texts are no members: the table is (`texts`, `cards`, `aliases`)."""
    above = [str(p) for p in spot.path[:-1] if isinstance(p, str)]
    tables = _OUTCOMES | _WORDINGS | _ROUTES | {"sources"}
    return next((m for m in reversed(above) if m in tables), spot.member)


Made = Iterator[tuple[str, str, Edit]]


def _of_spot(spot: Spot, others: Mapping[str, list[str]]) -> Made:
    value = spot.value
    member = spot.member if spot.in_list else _kind_of_member(spot)
    if isinstance(value, bool):
        yield "flag turned", f": {value} to {not value}", replaced(spot.path, not value)
    elif isinstance(value, int | float):
        for other in nudged(value):
            yield "number nudged", f": {value} to {other}", replaced(spot.path, other)
        if spot.member.startswith(("hours_", "duration_")):
            yield "number dropped", "", removed(spot.path)
    elif isinstance(value, str):
        yield from _of_text(spot, member, others.get(member, []))
    elif isinstance(value, list | dict) and spot.in_list:
        kind = "prefix removed" if "prefix" in value else "row removed"
        yield kind, "", removed(spot.path)


def _of_text(spot: Spot, member: str, others: list[str]) -> Made:
    if member == "status":
        yield "status changed", ": to active", replaced(spot.path, "active")
    elif member in _CITATIONS:
        yield "citation dropped", "", removed(spot.path)
    elif member in _EXCLUSIONS:
        yield "exclusion removed", "", removed(spot.path)
    elif member in _ROUTES:
        yield "route removed", "", removed(spot.path)
        yield from _swapped("route swapped", spot, ["oral", "injectable", "local", "nasal"], 2)
    elif member in _WORDINGS and not (member == "text" and spot.in_list):
        yield from _of_wording(spot, others)
    else:
        if spot.in_list or member != spot.member:
            yield "row removed", "", removed(spot.path)
        if member in _OUTCOMES:
            yield from _swapped("outcome swapped", spot, others, 2)


def _of_wording(spot: Spot, others: list[str]) -> Made:
    value = spot.value
    if not value:
        return
    yield from _swapped("wording swapped", spot, [o for o in others if o], 1)
    for place in dict.fromkeys(_PLACE.findall(value)):
        yield "placeholder removed", f": {place}", replaced(spot.path, value.replace(place, ""))
    for found in _NUMBER.finditer(value):
        number = Decimal(found[0])
        for step in (1, -1):
            other = number + step * Decimal((0, (1,), int(number.as_tuple().exponent)))
            text = f"{value[: found.start()]}{other}{value[found.end() :]}"
            yield "number in a wording", f": {found[0]} to {other}", replaced(spot.path, text)
    if spot.in_list:
        yield "row removed", "", removed(spot.path)


def _swapped(kind: str, spot: Spot, others: list[str], most: int) -> Made:
    """The next ones of its kind, round in a circle, so that one run makes what another made."""
    at = others.index(spot.value) if spot.value in others else 0
    circle = [o for o in (*others[at + 1 :], *others[:at]) if o != spot.value]
    for other in circle[:most]:
        shown = other if len(other) < 40 else f"{other[:37]}..."
        yield kind, f": to {shown!r}", replaced(spot.path, other)


def nudged(value: float) -> list[int | float]:
    """Up and down by one in the last digit that was written."""
    if isinstance(value, int) or value == int(value):
        return [int(value) + 1, int(value) - 1]
    written = Decimal(str(value))
    step = Decimal((0, (1,), int(written.as_tuple().exponent)))
    return [float(written + step), float(written - step)]


# ------------------------------------------------------------------------- codes of value sets

_PLAIN = frozenset({"system", "code", "display", "sources"})
_ORDINAL = frozenset({"preference"})
_BY_THEMSELVES = {"LOINC": "laboratory code removed", "ATC": "ATC code removed"}


def _of_codes(name: str, content: Content) -> Iterator[Change]:
    codes = content["codes"]
    for system in dict.fromkeys(c["system"] for c in codes):
        mine = [c for c in codes if c["system"] == system]
        yield _without("codes of a system removed", name, SYSTEMS[system], mine)
        classes = _classes(mine)
        for said, members in classes.items():
            where = f"{SYSTEMS[system]} {said}"
            if len(classes) > 1:
                yield _without("codes of a class removed", name, where, members)
            yield _changed("citation dropped", name, f"{where} sources", members, "sources", [])
            yield from _attributes(name, where, members, codes)
        if SYSTEMS[system] == "LOINC":
            for code in mine:
                yield from _attributes(name, f"LOINC {code['code']}", [code], codes, ordinal=True)
    for code in codes:
        system = SYSTEMS[code["system"]]
        kind = _BY_THEMSELVES.get(system, SINGLE_CODE)
        yield _without(kind, name, f"{system} {code['code']}", [code])


def _classes(codes: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for code in codes:
        said = ", ".join(
            f"{k}={code[k]}" for k in sorted(code) if k not in _PLAIN and k not in _ORDINAL
        )
        found.setdefault(said or "(plain)", []).append(code)
    return found


def _keys(codes: Iterable[Any]) -> set[tuple[str, str]]:
    return {(c["system"], c["code"]) for c in codes}


def _without(kind: str, name: str, where: str, codes: list[Any]) -> Change:
    keys = _keys(codes)

    def edit(content: Content) -> None:
        content["codes"] = [c for c in content["codes"] if (c["system"], c["code"]) not in keys]
        _tidied(content)

    return Change(kind, name, where, edit, tuple(("code", *key) for key in sorted(keys)))


def _tidied(content: Content) -> None:
    """Without the sources on which nothing rests any more, as one would leave it who meant it."""
    if content["id"].startswith("med_"):
        return
    kept = sorted({place for code in content["codes"] for place in code["sources"]})
    content["sources"] = [content["sources"][place] for place in kept]
    content["codes"] = [
        {**code, "sources": [kept.index(place) for place in code["sources"]]}
        for code in content["codes"]
    ]


def _changed(kind: str, name: str, where: str, codes: list[Any], member: str, to: Any) -> Change:
    keys = _keys(codes)

    def edit(content: Content) -> None:
        for code in content["codes"]:
            if (code["system"], code["code"]) in keys:
                code[member] = to

    touches = tuple(("code", *key) for key in sorted(keys))
    return Change(kind, name, where, edit, touches)


def _attributes(
    name: str, where: str, codes: list[Any], every: list[Any], ordinal: bool = False
) -> Iterator[Change]:
    """What a class of codes says of itself, changed to what another class says."""
    wanted = {k for c in codes for k in c} - _PLAIN
    wanted = wanted & _ORDINAL if ordinal else wanted - _ORDINAL
    for member in sorted(wanted):
        value = codes[0][member]
        for other in _other_values(value, [c[member] for c in every if member in c]):
            what = f"{where}: {member} to {other}"
            yield _changed("attribute of codes changed", name, what, codes, member, other)


def _other_values(value: Any, seen: list[Any]) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value else [value + 1]
    if isinstance(value, list):
        return [[]]
    other = sorted({s for s in seen if s != value})
    return [other[0] if other else ""]


# ------------------------------------------------------------------------------ drug products


def _of_products(name: str, content: Content) -> Iterator[Change]:
    """RxNorm products by class and route; `sources` is a bare list of where the table is from."""
    groups: dict[tuple[str, str], list[str]] = {}
    for code, (_, _, _, classes, route) in content["products"].items():
        for class_id in classes:
            groups.setdefault((class_id, route), []).append(code)
    for (class_id, route), codes in sorted(groups.items()):
        where, touches = f"{class_id}, {route}", tuple(("rxnorm", c) for c in codes)
        yield Change("products of a class removed", name, where, _lost(codes), touches)
        what = f"{where}: class"
        yield Change("class of products dropped", name, what, _unclassed(codes, class_id), touches)
        other = "oral" if route != "oral" else "local"
        what = f"{where}: route to {other}"
        yield Change("route swapped", name, what, _rerouted(codes, other), touches)
    for code, row in content["products"].items():
        yield Change(SINGLE_PRODUCT, name, f"{code} {row[0]}", _lost([code]), (("rxnorm", code),))
    for key in content["sources"]:
        yield Change("citation dropped", name, f"sources.{key}", removed(("sources", key)))
    yield Change("status changed", name, "status: to active", replaced(("status",), "active"))


def _lost(codes: list[str]) -> Edit:
    def edit(content: Content) -> None:
        for code in codes:
            del content["products"][code]

    return edit


def _unclassed(codes: list[str], class_id: str) -> Edit:
    def edit(content: Content) -> None:
        for code in codes:
            content["products"][code][3].remove(class_id)

    return edit


def _rerouted(codes: list[str], route: str) -> Edit:
    def edit(content: Content) -> None:
        for code in codes:
            content["products"][code][4] = route

    return edit


def _of_ingredients(name: str, content: Content) -> Iterator[Change]:
    for code, (said, classes) in content.items():
        touches = (("rxnorm", code),)
        yield Change("row removed", name, f"{code} {said}", removed((code,)), touches)
        for at, class_id in enumerate(classes):
            edit = removed((code, 1, at))
            yield Change(
                "class of products dropped", name, f"{code} {said}: {class_id}", edit, touches
            )


_STRENGTHS = ("strength_mg", "elemental_mg", "elemental_max_mg")
_LIQUID_STRENGTHS = ("strength_mg_per_ml", "elemental_mg_per_ml")
_TENTHS = ((11, "up"), (9, "down"))


def _of_magnesium(name: str, content: Content) -> Iterator[Change]:
    """Strengths are nudged by a tenth: less is below what a label promises."""
    yield Change("status changed", name, "status: to active", replaced(("status",), "active"))
    for salt, share in content["fractions"].items():
        yield Change("row removed", name, f"fractions.{salt}", removed(("fractions", salt)))
        if share is not None:
            for other in nudged(share):
                edit = replaced(("fractions", salt), other)
                yield Change("number nudged", name, f"fractions.{salt}: to {other}", edit)
    groups: dict[tuple[str, str], list[str]] = {}
    for code, row in content["products"].items():
        groups.setdefault((row["subtype"], row.get("elemental_basis", "")), []).append(code)
        yield from _of_strengths(name, code, row)
    for (subtype, basis), codes in sorted(groups.items()):
        yield from _of_kind(name, f"{subtype}, basis {basis or 'none'}", codes, subtype, basis)


def _of_strengths(name: str, code: str, row: Mapping[str, Any]) -> Iterator[Change]:
    touches = (("rxnorm", code),)
    kind = "strength nudged"
    if row["subtype"] != "supplement":
        kind = "strength nudged, of what is never counted"
    for member in (*_STRENGTHS, *_LIQUID_STRENGTHS):
        if not row.get(member):
            continue  # nothing, and less than a hundredth of a milligram
        for tenths, way in _TENTHS:
            edit = replaced(("products", code, member), row[member] * tenths / 10)
            place = f"{code} {row['name']}: {member} {way}"
            yield Change(kind, name, place, edit, touches)


def _of_kind(name: str, where: str, codes: list[str], subtype: str, basis: str) -> Iterator[Change]:
    touches = tuple(("rxnorm", code) for code in codes)
    yield Change("products of a class removed", name, where, _lost(codes), touches)
    other = "supplement" if subtype != "supplement" else "antacid"
    edit = _told(codes, "subtype", other)
    yield Change("outcome swapped", name, f"{where}: subtype to {other}", edit, touches)
    if basis:
        other = "ambiguous" if basis == "salt" else "salt"
        edit = _told(codes, "elemental_basis", other)
        yield Change("outcome swapped", name, f"{where}: basis to {other}", edit, touches)


def _told(codes: list[str], member: str, value: str) -> Edit:
    def edit(content: Content) -> None:
        for code in codes:
            content["products"][code][member] = value

    return edit


_DRUG_TABLES: Mapping[str, Callable[[str, Content], Iterator[Change]]] = {
    PRODUCTS: _of_products,
    INGREDIENTS: _of_ingredients,
    MAGNESIUM: _of_magnesium,
}
