"""Reasons in the words of the wording catalogue, for tests that ask what a reason says."""

from __future__ import annotations

from typing import Any

import msgspec

from cards.phrases import Phrases
from cds_service.reasons import Reason

from .decisions import knowledge


def in_words(found: Any) -> Any:
    """The same with each reason in it as a card or `/explain` would show it; "" for no reason."""
    if found is None or isinstance(found, Reason):
        return Phrases(knowledge()).words(found)
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return type(found)(*map(_inside, found))
    if isinstance(found, tuple | list):
        return type(found)(map(_inside, found))
    if isinstance(found, dict):
        return {name: _inside(value) for name, value in found.items()}
    if isinstance(found, msgspec.Struct):
        values = {name: _inside(getattr(found, name)) for name in found.__struct_fields__}
        return type(found)(**values)
    return found


def _inside(value: Any) -> Any:
    return None if value is None else in_words(value)
