"""What is wrong with a site file: its form by the JSON Schema, then its meaning by the knowledge.

No valid file withholds, delays or softens a critical card, a hazard card, an order check or
`mg-low-severe`, or loosens a limit; only the dated `mode` before go-live withholds everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from cds_service.knowledge.loader import Knowledge, KnowledgeError, load
from cds_service.knowledge.parameters import Parameter
from cds_service.site.document import Document, Fault, Path, printable, read_document
from cds_service.site.formulary import formulary_faults, formulary_notes, products_of
from cds_service.site.model import Hooks, Mode, SilentMode, SiteFile

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

SILENT_DAYS = 190
"""A silent mode ends within about six months: it withholds critical cards too, so it may not be
forgotten."""


INDICATORS = ("info", "warning", "critical")
NOT_BUILT = ("language", "countries", "codes")


class Checked(msgspec.Struct, frozen=True):
    """A file without faults, or its faults in the order of its lines.

    `knowledge` has the values of the file in place of the defaults, and its products in the plans.
    `notes` are one line each on what is valid and may not be meant.
    """

    site: SiteFile | None
    content: Any
    faults: tuple[Fault, ...]
    knowledge: Knowledge
    notes: tuple[str, ...] = ()


def check(text: bytes, knowledge: Knowledge, hooks: Hooks, today: date) -> Checked:
    """Checks a file whole. `today` (UTC) is compared with the dates in it."""
    document, faults = read_document(text)
    faults += list(_form(document)) if not faults else []
    if faults:
        return Checked(None, document.content, tuple(sorted(faults)), knowledge)
    site = msgspec.convert(document.content, SiteFile, strict=False)
    faults = [fault for rule in _RULES for fault in rule(document, site, knowledge, hooks, today)]
    if not faults and (site.parameters or site.formulary):
        changes = {name: _exact(value) for name, value in site.parameters.items()}
        try:
            knowledge = load(changes=changes, products=products_of(site))
        except KnowledgeError as error:
            # The values contradict each other, or a plan that they cut.
            faults = [document.fault(("parameters",), str(error).partition(": ")[2])]
    if faults:
        return Checked(None, document.content, tuple(sorted(faults)), knowledge)
    notes = tuple(formulary_notes(site, knowledge.plans.plans))
    return Checked(site, document.content, (), knowledge, notes)


def _exact(value: Any) -> bool | Decimal:
    return value if isinstance(value, bool) else Decimal(value)


# ---------------------------------------------------------------------- the form


@cache
def _validator() -> Draft202012Validator:
    schema = files("cds_service.knowledge").joinpath("schemas", "site.schema.json")
    from jsonschema import Draft202012Validator  # a fifth of a start, and only files need it

    return Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def _form(document: Document) -> Iterator[Fault]:
    for error in _validator().iter_errors(document.content):
        path: Path = tuple(error.absolute_path)
        rule = "propertyNames" if "propertyNames" in error.absolute_schema_path else error.validator
        phrase = _PHRASES.get(str(rule))
        if phrase is None:
            yield document.fault(path, "does not have the form that the schema asks for")
            continue
        for further, what in phrase(error):
            yield document.fault((*path, *further), what)
    yield from _dates_of(document, document.content, ())


def _dates_of(document: Document, value: Any, path: Path) -> Iterator[Fault]:
    """A date that no calendar has passes the pattern of the schema."""
    for name in ("until", "date"):
        written = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(written, str) and not _is_date(written):
            yield document.fault((*path, name), "must be a date like 2027-01-31")
    for key, item in _parts_of(value):
        yield from _dates_of(document, item, (*path, key))


def _parts_of(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_Found = Iterator[tuple[Path, str]]


def _unknown_keys(error: ValidationError) -> _Found:
    given: Any = error.instance
    schema: Any = error.schema
    known = schema.get("properties", {})
    for key in given:
        if key in known:
            continue
        if key in NOT_BUILT and not error.absolute_path:
            yield (key,), "is planned but not built yet, so it must not be in the file"
        else:
            yield (key,), f"is not a key here; the keys are {', '.join(known)}"


def _missing(error: ValidationError) -> _Found:
    required: Any = error.validator_value
    given: Any = error.instance
    absent = [name for name in required if name not in given]
    yield (), f"needs {' and '.join(absent)}"


def _type(error: ValidationError) -> _Found:
    wanted: Any = error.validator_value
    named = wanted if isinstance(wanted, str) else " or ".join(wanted)
    yield (), f"must be of type {_TYPES.get(named, named)}"


def _listed(error: ValidationError) -> _Found:
    values: Any = error.validator_value
    yield (), f"must be one of {', '.join(values)}, not {printable(str(error.instance))}"


def _limit(word: str) -> Callable[[ValidationError], _Found]:
    def phrase(error: ValidationError) -> _Found:
        yield (), f"must be {word} {error.validator_value}"

    return phrase


_TYPES = {"object": "mapping (key: value)", "array": "list (- item)", "string": "text"}
_PHRASES: Mapping[str, Callable[[ValidationError], _Found]] = {
    "additionalProperties": _unknown_keys,
    "required": _missing,
    "type": _type,
    "enum": _listed,
    "minimum": _limit("at least"),
    "maximum": _limit("at most"),
    "exclusiveMinimum": _limit("more than"),
    "minLength": lambda _: iter([((), "must not be empty")]),
    "maxLength": _limit("at most this many characters:"),
    "minProperties": lambda _: iter([((), "must not be empty")]),
    "maxItems": _limit("a list of at most this many items:"),
    "pattern": lambda _: iter([((), "is not written as this key asks for (docs/site-file.md)")]),
    "propertyNames": lambda error: iter(
        [((), f"has a key that is not an issuer URL: {printable(str(error.instance))}")]
    ),
}


# ------------------------------------------------------------------- the meaning


def _cards(
    document: Document, site: SiteFile, knowledge: Knowledge, _: Hooks, __: date
) -> Iterator[Fault]:
    for name, settings in site.cards.items():
        card = knowledge.cards.get(name)
        if card is None:
            known = ", ".join(knowledge.cards)
            yield document.fault(("cards", name), f"is not a card; the cards are {known}")
            continue
        if settings.mode is not Mode.SHOW and not card.may_be_silenced:
            what = f"{card.kind} cards are always shown: {settings.mode} is not possible"
            yield document.fault(("cards", name, "mode"), what)
        if settings.lockout_days and not card.may_be_silenced:
            what = f"{card.kind} cards are shown each time: they have no lock-out"
            yield document.fault(("cards", name, "lockoutDays"), what)
        lowered = settings.indicator and INDICATORS.index(settings.indicator) < INDICATORS.index(
            card.indicator
        )
        if lowered and card.kind != "suggestion":
            what = f"the indicator {card.indicator} can be raised only; suggestions can be lowered"
            yield document.fault(("cards", name, "indicator"), what)


def _hooks(
    document: Document, site: SiteFile, _: Knowledge, hooks: Hooks, __: date
) -> Iterator[Fault]:
    places: list[tuple[Path, Mapping[str, Any]]] = [(("hooks",), site.hooks)]
    places += [(("clients", iss, "hooks"), c.hooks) for iss, c in site.clients.items()]
    for place, settings in places:
        for name, setting in settings.items():
            if name not in hooks.names:
                what = f"is not a hook; the hooks are {', '.join(hooks.names)}"
                yield document.fault((*place, name), what)
            elif setting.mode is Mode.NEVER and name in hooks.always:
                what = "never is not possible here: orders of magnesium are checked at this hook"
                yield document.fault((*place, name, "mode"), what)


def _silent(
    document: Document, site: SiteFile, _: Knowledge, __: Hooks, today: date
) -> Iterator[Fault]:
    modes: list[tuple[Path, SilentMode | None]] = [(("mode",), site.mode)]
    modes += [(("clients", iss, "mode"), c.mode) for iss, c in site.clients.items()]
    for place, mode in modes:
        if mode is None or not mode.silent:
            continue
        if mode.until is None:
            yield document.fault(place, "needs until: the date on which cards begin to be shown")
        elif (mode.until - today).days > SILENT_DAYS:
            what = f"must be within {SILENT_DAYS} days from today: no critical card is shown before"
            yield document.fault((*place, "until"), what)


def _parameters(
    document: Document, site: SiteFile, knowledge: Knowledge, _: Hooks, __: date
) -> Iterator[Fault]:
    rows = {row.id: row for row in knowledge.parameter_rows}
    changeable = [row.id for row in knowledge.parameter_rows if row.site.may_change]
    for name, value in site.parameters.items():
        row = rows.get(name)
        place = ("parameters", name)
        if row is None:
            what = f"is not a parameter; a site can change {', '.join(changeable)}"
            yield document.fault(place, what)
        elif not row.site.may_change:
            what = f"cannot be changed by a site: {row.site.why}"
            yield document.fault(place, what)
        else:
            what = _unusable(value, row)
            if what:
                yield document.fault(place, what)


def _unusable(value: Any, row: Parameter) -> str:
    """Why a value cannot stand in place of the default, "" if it can."""
    if isinstance(row.value, bool):
        return "" if isinstance(value, bool) else "must be true or false"
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return "must be a number"
    if row.value == int(row.value) and value != int(value):
        return "must be a whole number"
    low, high = sorted((Decimal(row.value), Decimal(row.site.limit)))
    if not low <= value <= high:
        return f"must be from {low:f} to {high:f} {row.unit}: {row.site.why}"
    return ""


def _formulary(
    document: Document, site: SiteFile, knowledge: Knowledge, _: Hooks, __: date
) -> Iterator[Fault]:
    return formulary_faults(document, site, knowledge)


def _approvals(
    document: Document, site: SiteFile, _: Knowledge, __: Hooks, today: date
) -> Iterator[Fault]:
    for number, approval in enumerate(site.approvals):
        if approval.date > today:
            yield document.fault(("approvals", number, "date"), "is in the future")


_RULES = (_cards, _hooks, _silent, _parameters, _formulary, _approvals)
