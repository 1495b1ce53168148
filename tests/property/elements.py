"""The elements of a hook call: where they stand, of what kind they are, and one of them at random."""

from __future__ import annotations

from random import Random
from typing import Any

from ..support.fhir import ORDER_MEMBERS
from ..support.places import Place, below, value_at
from .calls import Body


def seeded(*parts: object) -> Random:
    """The same choices for the same parts, in every run."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - nothing here is secret


def is_of_orders(place: Place) -> bool:
    """Whether a place is in the orders of the context."""
    return place[:1] == ("context",) and len(place) > 1 and place[1] in ORDER_MEMBERS


def key_of(place: Place) -> str | None:
    """The key that names what is damaged here: a prefetch key, `draftOrders`, or None for the envelope."""
    if is_of_orders(place):
        return "draftOrders"
    return str(place[1]) if place[0] == "prefetch" and len(place) > 1 else None


def element_of(body: Body, place: Place) -> str:
    """The kind of an element: its resource type and the names that lead to it, without places in lists."""
    names: list[str] = []
    value: Any = body
    for step in place:
        value = value[step]
        if isinstance(step, str):
            names.append(step)
        if isinstance(value, dict) and isinstance(value.get("resourceType"), str):
            names = [value["resourceType"]]
    return ".".join(names)


def containers_of(body: Body) -> list[Place]:
    """What a damaged element is looked for in: every prefetch value, and the draft orders more often."""
    prefetch = body.get("prefetch")
    found: list[Place] = [("prefetch", key) for key in prefetch or {}]
    for name in ORDER_MEMBERS:
        if name in body.get("context", {}):
            found += [("context", name)] * max(1, len(found) // 3)
    return found


def some_place(body: Body, random: Random) -> Place:
    """An element, so chosen that small resources are damaged as often as large ones."""
    containers = containers_of(body)
    if not containers or random.random() < 0.05:
        return _in_envelope(body, random)
    container = random.choice(containers)
    value = value_at(body, container)
    entries = value.get("entry") if isinstance(value, dict) else None
    if isinstance(entries, list) and entries and random.random() < 0.9:
        entry = (*container, "entry", random.randrange(len(entries)))
        return random.choice(list(below(value_at(body, entry), entry)))
    if isinstance(entries, list):
        others = {name: item for name, item in value.items() if name != "entry"}
        return random.choice([*below(others, container), (*container, "entry")])
    return random.choice(list(below(value, container)))


def _in_envelope(body: Body, random: Random) -> Place:
    """A member of the envelope or of the context, not of the data."""
    context = body.get("context")
    places = [(name,) for name in body]
    for name, item in context.items() if isinstance(context, dict) else ():
        if name not in ORDER_MEMBERS:
            places += list(below(item, ("context", name)))
    return random.choice(places)
