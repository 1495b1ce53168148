"""The forms of a search: the request for a prefetch key, and alternatives to it.

EHRs differ in the searches that they accept. Each key has a list of forms in a fixed order. If a
server refuses one (status 400), the next one is tried. A form changes some parameters of the key's
template. The names of the forms are used in the flag `form=` of the list of servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

Token = tuple[str, str]
"""A code system and one of its codes."""
_Changes = Mapping[str, str | None]

_SCHEME = re.compile(r"^https?://(www\.)?")


class Form(msgspec.Struct, frozen=True):
    """One way to request a key: one search for each member of `changes`, with combined results.

    A change is a parameter with its new value, or with `None` to omit it.
    """

    name: str
    changes: tuple[_Changes, ...]


_TEMPLATE = Form("template", ({},))
# Pages are larger here, because most laboratory results are not the requested ones.
_ANY_RESULT: _Changes = {"code": None, "category": "laboratory", "_count": "100"}
_LABS = (
    _TEMPLATE,
    Form("category", (_ANY_RESULT,)),
    Form("unsorted", ({"_sort": None},)),
    Form("category-unsorted", ({**_ANY_RESULT, "_sort": None},)),
)
FORMS: Mapping[str, tuple[Form, ...]] = MappingProxyType(
    {
        "conditions": (
            _TEMPLATE,
            Form(
                "category", ({"category": "problem-list-item"}, {"category": "encounter-diagnosis"})
            ),
        ),
        "medicationRequests": (
            _TEMPLATE,
            Form("intent", ({"intent": "order,plan"},)),
            # The referenced Medications are then fetched separately.
            Form("no-include", ({"_include": None},)),
            Form("intent-no-include", ({"intent": "order,plan", "_include": None},)),
        ),
        "kidneyLabs": _LABS,
        "magnesiumLabs": _LABS,
        "pregnancyStatus": (_TEMPLATE, Form("unsorted", ({"_sort": None},))),
        "kidneyProcedures": (_TEMPLATE, Form("any-code", ({"code": None},))),
    }
)
"""The forms of each key in the order in which they are tried. Other keys have only the template."""


class Query(msgspec.Struct, frozen=True):
    """One search of a form.

    `count` is the requested page size. `wanted` is the sufficient number of results, if the server
    was asked for the newest first. `codes` contains the codes of the template if this search
    requests more: the results must be filtered here.
    """

    template: str
    count: int | None = None
    wanted: int | None = None
    codes: frozenset[Token] = frozenset()

    @property
    def resource_type(self) -> str:
        """The type of the requested resource."""
        return self.template.partition("?")[0].partition("/")[0]

    @property
    def path(self) -> str:
        """The path with `{id}` in place of an id: `Condition`, `Patient/{id}`."""
        is_read = "/" in self.template.partition("?")[0]
        return f"{self.resource_type}/{{id}}" if is_read else self.resource_type


USUAL = _TEMPLATE.name
"""The first form to try if no other is known or configured."""


def forms_of(key: str, first: str = USUAL) -> tuple[Form, ...]:
    """The forms of a key in the order in which they are tried, beginning with the named one."""
    return tuple(sorted(FORMS.get(key, (_TEMPLATE,)), key=lambda form: form.name != first))


def is_form(text: str) -> bool:
    """Whether this is a key and the name of one of its forms, separated by a colon."""
    key, _, name = text.partition(":")
    return any(form.name == name for form in FORMS.get(key, ()))


def queries(template: str, form: Form) -> tuple[Query, ...]:
    """The searches of a form, made from the template of a key."""
    return tuple(_query(template, changes) for changes in form.changes)


def _query(template: str, changes: _Changes) -> Query:
    path, _, query = template.partition("?")
    asked = [
        (name, value)
        for name, _, value in (part.partition("=") for part in query.split("&"))
        if name
    ]
    kept = [(name, value) for name, value in asked if name not in changes]
    added = [(name, value) for name, value in changes.items() if value is not None]
    parameters = dict(kept + added)
    text = "&".join(f"{name}={value}" for name, value in kept + added)
    return Query(
        f"{path}?{text}" if text else path,
        count=_number(parameters),
        wanted=_number(dict(asked)) if "_sort" in parameters else None,
        codes=frozenset() if "code" in parameters else _tokens(dict(asked).get("code", "")),
    )


def _number(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get("_count", "")
    return int(text) if text.isdecimal() else None


def _tokens(parameter: str) -> frozenset[Token]:
    pairs = (token.rpartition("|") for token in parameter.split(",") if token)
    return plain_tokens((system, code) for system, _, code in pairs)


def plain_tokens(tokens: Iterable[Token]) -> frozenset[Token]:
    """Codes with normalised code systems, for comparison."""
    return frozenset((_plain(system), code) for system, code in tokens)


def is_another(codings: Iterable[Token], wanted: frozenset[Token]) -> bool:
    """Whether these codings certainly mean something other than the wanted codes (plain tokens).

    True only if there is a coding of a wanted code system and none of the codes is wanted. A
    resource without codings, or with codings only of other systems, may have any meaning.
    """
    systems = {system for system, _ in wanted}
    found = plain_tokens(codings)
    return any(system in systems and code for system, code in found) and not found & wanted


def _plain(system: str) -> str:
    """A code system without the differences between spellings: version, slash, scheme, case."""
    bare = system.strip().casefold().partition("|")[0].rstrip("/")
    return _SCHEME.sub("", bare)
