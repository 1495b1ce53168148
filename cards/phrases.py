"""Fill templates of the knowledge. A phrase without its value is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from cds_service.knowledge.loader import Knowledge
from cds_service.reasons import PLACES, Reason, Said, Value, all_of, several

_PLACE = re.compile(r"\{(\w+)\}", re.ASCII)
Values = Mapping[str, str]


def as_is(value: str) -> str:
    """For values that are the service's own words."""
    return value


@lru_cache(maxsize=1024)
def places(template: str) -> tuple[str, ...]:
    """The names of the places of a template. Templates are the knowledge's own, so they are few."""
    return tuple(_PLACE.findall(template))


def filled(template: str, values: Values, make_safe: Callable[[str], str] = as_is) -> str:
    """The template with filled placeholders, or "" if one has no value."""
    names = places(template)
    if not names:
        return template
    if not all(values.get(name) for name in names):
        return ""
    return _PLACE.sub(lambda place: make_safe(values[place[1]]), template)


def filled_lines(text: str, values: Values, make_safe: Callable[[str], str]) -> list[str]:
    """The lines of a text whose places all have a value, each beginning with a capital."""
    lines = (filled(line, values, make_safe) for line in text.split("\n"))
    return [capital(line) for line in lines if line]


def capital(text: str) -> str:
    """The text with its first letter as a capital; "eGFR" keeps its own."""
    return text if text.startswith("eGFR") else text[:1].upper() + text[1:]


class Phrases:
    """The wording of one knowledge by id."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._texts = knowledge.wording.texts
        self._reasons = knowledge.wording.reasons
        self.language = knowledge.wording.language
        """The language of the wording, as BCP 47 names it."""

    def __getitem__(self, phrase_id: str) -> str:
        return self._texts[phrase_id]

    def first_of(self, *phrase_ids: str) -> str:
        """The first of these phrases that exists, or ""."""
        return next((self._texts[i] for i in phrase_ids if i in self._texts), "")

    def fill(self, phrase_id: str, **values: str) -> str:
        """A phrase with filled placeholders, or "" if one has no value. The values must be safe already."""
        return filled(self._texts[phrase_id], values)

    def words(self, said: Said | None) -> str:
        """A reason in words. Words of the chart and codes are returned as they are."""
        if not isinstance(said, Reason):
            return said or ""
        sentence = self._reasons[said.code]
        if not said.values:
            return sentence
        places = zip(PLACES[said.code], said.values, strict=True)
        values = {name: self._value(value, said.code) for name, value in places}
        return _PLACE.sub(lambda place: values[place[1]], sentence)

    def _value(self, value: Value, code: str) -> str:
        if not isinstance(value, tuple):
            return str(value) if isinstance(value, int) else self.words(value)
        items = [self.words(item) for item in value]
        if code == all_of.code:
            return self.join(items)
        return self["list.semicolon" if code == several.code else "list.comma"].join(items)

    def label(self, kind: str, name: str) -> str:
        """The phrase for a name, or the name itself in words."""
        return self._texts.get(f"{kind}.{name}") or name.replace("_", " ")

    def join(self, items: Sequence[str]) -> str:
        """ "a, b and c"."""
        if len(items) < 2:
            return "".join(items)
        return self["list.and"].join((self["list.comma"].join(items[:-1]), items[-1]))


def non_empty(lines: Iterable[str]) -> list[str]:
    """The lines that are not empty."""
    return [line for line in lines if line]
