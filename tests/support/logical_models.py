"""HL7's logical models of CDS Hooks as a table of members, and a check of JSON against them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).parents[1] / "http" / "recorded" / "hl7-models" / "models.csv"
_TYPES = {"object": dict, "map": dict, "boolean": bool, "integer": int}
_HOLDING = {"Resource": "resourceType", "Coding": "code"}
"""Types of FHIR, and a member that each of them has."""
_FORMS = {
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "id": re.compile(r"[A-Za-z0-9\-.]{1,64}"),
    "code": re.compile(r"\S+( \S+)*"),
    "url": re.compile(r"\S+"),
    "uri": re.compile(r"\S+"),
    "instant": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}


class Member(NamedTuple):
    """A member of an object of a model. `codes` are the required ones, if the binding is required."""

    path: str
    least: int
    many: bool
    kind: str
    codes: frozenset[str]


@cache
def members(model: str) -> Mapping[str, tuple[Member, ...]]:
    """The members of a model, by the path of the object that holds them."""
    found: dict[str, list[Member]] = {}
    with TABLE.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["model"] == model:
                parent = row["path"].rpartition(".")[0]
                codes = frozenset(row["codes"].split())
                many = row["max"] == "*"
                found.setdefault(parent, []).append(
                    Member(row["path"], int(row["min"]), many, row["type"], codes)
                )
    return {parent: tuple(listed) for parent, listed in found.items()}


def violations(model: str, value: Any, path: str = "") -> Iterator[str]:
    """What a JSON object has that its model does not allow, or lacks that it requires."""
    if not isinstance(value, dict):
        yield f"{path or model}: not an object"
        return
    allowed = {member.path.rpartition(".")[2]: member for member in members(model)[path]}
    for name in value.keys() - allowed.keys() - {"extension"}:
        yield f"{path}.{name}: not in the model"
    for name, member in allowed.items():
        if name not in value:
            if member.least:
                yield f"{member.path}: missing"
        elif member.many and member.kind != "map":
            if not isinstance(value[name], list):
                yield f"{member.path}: not a list"
                continue
            for item in value[name]:
                yield from _of_member(model, member, item)
        else:
            yield from _of_member(model, member, value[name])


def _of_member(model: str, member: Member, value: Any) -> Iterator[str]:
    if member.kind in ("object", "map") and member.path in members(model):
        yield from violations(model, value, member.path)
    elif not _is_of_kind(member.kind, value):
        yield f"{member.path}: not of type {member.kind}"
    elif member.codes and value not in member.codes:
        yield f"{member.path}: {value} is not one of its codes"


def _is_of_kind(kind: str, value: Any) -> bool:
    if kind in _TYPES:
        return type(value) is _TYPES[kind]
    if kind in _HOLDING:
        return isinstance(value, dict) and _HOLDING[kind] in value
    if kind == "Bundle":
        return isinstance(value, dict) and value.get("resourceType") == kind
    form = _FORMS.get(kind)
    return isinstance(value, str) and bool(form.fullmatch(value) if form else value)


def broken_rules(response: Mapping[str, Any]) -> Iterator[str]:
    """The invariants of the response: cds-resp-1 to cds-resp-7."""
    for card in response["cards"]:
        offered = card.get("suggestions", [])
        behaviour = card.get("selectionBehavior")
        actions = [action for each in offered for action in each.get("actions", [])]
        best = sum(each.get("isRecommended") is True for each in offered)
        rules = {
            "cds-resp-1": behaviour != "at-most-one" or best <= 1,
            "cds-resp-2": all(
                a["type"] != "delete" or ("resourceId" in a and "resource" not in a)
                for a in actions
            ),
            "cds-resp-3": all(
                link["type"] == "smart" or "appContext" not in link
                for link in card.get("links", [])
            ),
            "cds-resp-4": all("display" in reason for reason in card.get("overrideReasons", [])),
            "cds-resp-5": all("description" in action for action in actions),
            "cds-resp-6": not offered or behaviour is not None,
            "cds-resp-7": all(
                each.get("actionSelectionBehavior", "all") in ("all", "any", "at-most-one")
                for each in offered
            ),
        }
        yield from (name for name, holds in rules.items() if not holds)
