"""Amounts in dosage texts and product names: "1/2 to 1 tablet", "400 mg (241 mg elemental)".

The texts are as `dosage.plain_text` returns them. A number with two possible meanings ("1 000 mg",
"1.000 mg", "10 mg/kg") is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

_NUMBER = r"(?:\d{1,2} )?\d/[1-9]|\d{1,3}(?:,\d{3})+|0\.\d{1,3}|\d{1,5}(?:[.,]\d{1,2})?"
# "1 000 mg" is a thousand, and "2 200 mg tablets" are two tablets, so a number after a number is
# not read. "# 90 tab(s)" is the supplied quantity.
_ALONE = r"(?<!#)(?<!# )(?<![\d.,/])(?<!\b\d )(?<!\b\d\d )(?<!\b\d\d\d )"
_NOT_PER = r"(?! ?/ ?(?:kg|(?:\d{1,3}(?:\.\d)? ?)?ml)\b)"
_STRENGTH = re.compile(rf"{_ALONE}(?P<value>{_NUMBER}) ?mg\b{_NOT_PER}", re.ASCII)
_ANY_STRENGTH = re.compile(r"\d ?mg\b", re.ASCII)
_IN_VOLUME = re.compile(
    rf"{_ALONE}(?P<mg>{_NUMBER}) ?mg ?/ ?(?P<ml>[1-9]\d{{0,2}}(?:\.\d)?)? ?ml\b", re.ASCII
)
_TOTAL = re.compile(rf"{_ALONE}(?P<value>{_NUMBER}) ?(?P<unit>mg|g) total\b", re.ASCII)
_WORD = re.compile(rf"{_NUMBER}|[a-z]+", re.ASCII)
_BETWEEN = frozenset({"of", "magnesium", "mg"})
_MG = 1000
_HALF = "half|halbe|demie?"
_ONE_HALF = Decimal("0.5")


class Amounts:
    """Reads amounts. `units` maps spellings to units, and `words` maps number words to numbers.

    `joiners` are the words between the ends of a range, and `ands` those before a half.
    """

    def __init__(
        self,
        units: Mapping[str, str],
        ml_per_unit: Mapping[str, Decimal],
        words: Mapping[str, Decimal],
        joiners: Iterable[str],
        ands: Iterable[str],
        elemental: Iterable[str],
    ) -> None:
        self._units = units
        self._ml_per_unit = ml_per_unit
        self._words = words
        self._elemental = frozenset(elemental)
        named = "|".join(map(re.escape, words))
        between = "|".join(map(re.escape, joiners))
        written = [word for word in (*units, *ml_per_unit) if word.isalpha()]
        unit = rf"(?:{'|'.join(sorted(written, key=len, reverse=True))})\b"
        # "one and a half tablets", "1 comprime et demi".
        half = rf" (?:{'|'.join(map(re.escape, ands))}) (?:an? |one[ -]|eine )?(?:{_HALF})\b"
        self._amount = re.compile(
            rf"{_ALONE}(?P<value>{_NUMBER}|\b(?:{named})\b)(?P<half>{half})?(?: ?\([a-z0-9 /.-]{{1,12}}\))?"
            rf"(?: ?(?:{between}) ?(?P<upper>{_NUMBER}|\b(?:{named})\b))?"
            rf"(?: (?:of )?an?)? ?(?P<unit>{unit}){_NOT_PER}(?P<rest>{half})?",
            re.ASCII,
        )

    def of(self, text: str) -> dict[str, set[Decimal]]:
        """The amounts in a text, by unit. For a range, the upper end."""
        found: dict[str, set[Decimal]] = {}
        for match in self._amount.finditer(text):
            value, unit = self._number(match["upper"] or match["value"]), match["unit"]
            if match["half"] or match["rest"]:
                value += _ONE_HALF
            if unit in self._ml_per_unit:
                value, unit = value * self._ml_per_unit[unit], "ml"
            found.setdefault(self._units.get(unit, unit), set()).add(value)
        return found

    def total(self, text: str) -> Decimal | None:
        """The mg of all tablets of one intake: "2 tablets (800 mg total)"."""
        found = {
            number_of(m["value"]) * (_MG if m["unit"] == "g" else 1) for m in _TOTAL.finditer(text)
        }
        return found.pop() if len(found) == 1 else None

    def elemental(self, text: str) -> set[Decimal] | None:
        """The mg that a text calls elemental, or `None` if it does not use the word."""
        tokens = _WORD.findall(text)
        places = [at for at, token in enumerate(tokens) if token in self._elemental]
        if not places:
            return None
        found = set()
        for at in places:
            before, after = reversed(tokens[:at][-4:]), iter(tokens[at + 1 : at + 5])
            for near in (before, after):
                number = next((token for token in near if token not in _BETWEEN), "")
                if number[:1].isdigit():
                    found.add(number_of(number))
        return found

    def _number(self, written: str) -> Decimal:
        return self._words[written] if written in self._words else number_of(written)


def strengths(text: str) -> set[Decimal]:
    """The strengths in a text, in mg."""
    return {number_of(m["value"]) for m in _STRENGTH.finditer(text)}


def names_strength(text: str) -> bool:
    """Whether a text contains a strength, even one that cannot be read: "1 000 mg"."""
    return _ANY_STRENGTH.search(text) is not None


def mg_per_ml(text: str) -> Decimal | None:
    """The only strength of a liquid in a text: "400 mg/5 mL"."""
    found = {number_of(m["mg"]) / Decimal(m["ml"] or 1) for m in _IN_VOLUME.finditer(text)}
    return found.pop() if len(found) == 1 else None


def number_of(written: str) -> Decimal:
    """A number in any of these spellings: "2", "1,000", "0.5", "0,5", "1/2", "1 1/2"."""
    *whole, last = written.split()
    above, _, below = last.partition("/")
    parts = _decimal(below) if below else Decimal(1)
    part = _decimal(above) / parts if parts else Decimal(0)
    return part + sum(map(Decimal, whole))


def _decimal(written: str) -> Decimal:
    """Read a comma before one or two digits as a decimal comma, and others as thousands separators."""
    before, comma, after = written.rpartition(",")
    if comma and len(after) in (1, 2) and "," not in before and "." not in written:
        return Decimal(f"{before}.{after}")
    return Decimal(written.replace(",", ""))


__all__ = ["Amounts", "mg_per_ml", "names_strength", "number_of", "strengths"]
