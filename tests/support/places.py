"""Places in a JSON value: all of them, what stands at one, and a copy with another value there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Place = tuple[str | int, ...]
"""Member names and numbers in lists, from the outside in."""


def value_at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def below(value: Any, place: Place = ()) -> Iterator[Place]:
    """The place of a value and of everything in it."""
    yield place
    if isinstance(value, dict):
        for name, item in value.items():
            yield from below(item, (*place, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from below(item, (*place, number))


def replaced(value: Any, place: Place, new: Any) -> Any:
    """A copy with another value at a place, or a new member there. The rest is shared, not copied."""
    if not place:
        return new
    step, *rest = place
    result = value.copy()
    result[step] = replaced(value[step], tuple(rest), new) if rest else new
    return result
