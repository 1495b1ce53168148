"""What a client asks for in one call: fewer suggestions, never fewer safety cards.

The form is that of Da Vinci CRD 2.2 (hl7.org/fhir/us/davinci-crd, "Controlling hook configuration"):
`davinci-crd.configuration-options` in discovery, and `davinci-crd.configuration` in the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

OFFERED: Final = "davinci-crd.configuration-options"
CHOSEN: Final = "davinci-crd.configuration"
MAX_CARDS: Final = "max-cards"
KIND_BY_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {"guideline": "suggestion", "off-guideline": "information"}
)
"""The kind of card that each boolean option switches off. The codes are card types of CRD."""


class Options(msgspec.Struct, frozen=True):
    """What a call asks for.

    `not_wanted` are kinds of cards. `max_cards` is the number of cards up to which suggestions and
    information cards are returned; `None` is the service's own limit.
    """

    not_wanted: frozenset[str] = frozenset()
    max_cards: int | None = None


NO_OPTIONS: Final = Options()


class _Extension(msgspec.Struct):
    chosen: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name=CHOSEN)


_EXTENSION: Final = msgspec.json.Decoder(_Extension)
_CONFIGURATION: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUE: Final = msgspec.json.Decoder(bool | int)


def read_options(extension: msgspec.Raw) -> Options:
    """The options in the `extension` of a call, as JSON. What is unknown or malformed is ignored."""
    try:
        chosen = _CONFIGURATION.decode(_EXTENSION.decode(extension).chosen)
    except (msgspec.DecodeError, RecursionError):
        return NO_OPTIONS
    most = _value(chosen, MAX_CARDS)
    is_number = isinstance(most, int) and not isinstance(most, bool) and most >= 0
    return Options(
        not_wanted=frozenset(
            k for code, k in KIND_BY_CODE.items() if _value(chosen, code) is False
        ),
        max_cards=most if is_number else None,
    )


def _value(chosen: Mapping[str, msgspec.Raw], code: str) -> bool | int | None:
    """The value of an option; `None` if it is missing or malformed."""
    try:
        value: bool | int | None = _VALUE.decode(chosen[code]) if code in chosen else None
    except msgspec.DecodeError:
        return None
    return value


def offered_options(max_cards: int) -> list[dict[str, Any]]:
    """The options as discovery lists them. `max_cards` is the service's own limit."""
    return [
        {
            "code": "guideline",
            "type": "boolean",
            "name": "Suggestions",
            "description": (
                "Cards that suggest magnesium for migraine prevention, or tests before it."
                " Safety cards are returned in any case."
            ),
            "default": True,
        },
        {
            "code": "off-guideline",
            "type": "boolean",
            "name": "Advice against magnesium",
            "description": (
                "Information cards that advise against magnesium that is neither taken nor ordered."
                " Safety cards are returned in any case."
            ),
            "default": True,
        },
        {
            "code": MAX_CARDS,
            "type": "integer",
            "name": "Maximum cards",
            "description": (
                "The number of cards up to which suggestions and information cards are returned."
                " Safety cards come first and are returned in any case."
            ),
            "default": max_cards,
        },
    ]
