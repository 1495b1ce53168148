"""Numbers in texts that repeat a parameter, found by their unit or by neighbouring words.

"within 365 days" repeats a parameter of 365 days and would not change with it. Therefore a text
names the parameter: "within {egfr.normal_valid_days} days". A number counts only with a unit, or
with words that show what it is (an eGFR, an age): "stage 4" and "RF5" repeat nothing. A number in
words does not count either, unless it counts cards, drugs, cycles or doses: "within two years" is a
way of speaking.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from cds_service.knowledge.parameters import Parameter

ALLOWED = Path(__file__).parent / "numbers_allowed.json"
"""Texts in which a number only happens to equal a parameter, each with the reason."""
_TEXT_MEMBERS = frozenset(
    {
        *("title", "why", "text", "summary", "in_words", "note", "note_specific", "reason"),
        *("label", "card", "advice", "timing", "use", "texts", "purpose", "does_not", "times"),
    }
)
"""Members of the knowledge files that people read. Names of codes and citations are not ours."""
_READ_NOT_SAID = re.compile(r"(?:dosage|dosage_words|drug_text|safety_words)\.json|rxnorm/.*")
"""Files whose texts are searched in charts. Their numbers are part of the searched text."""
_EGFR = "mL/min/{1.73_m2}"
_UNITS: Mapping[str, tuple[str, ...]] = {
    r"-?days?": ("d",),
    r"-?weeks?": ("wk",),
    r"-?months?": ("mo",),
    r"-?years?": ("a",),
    r"-?hours?|h": ("h",),
    r"mg/d[Ll]": ("mg/dL",),
    r"mg(?:/day| a day)?": ("mg", "mg/d"),
    r"mmol/[Ll]": ("mmol/L",),
    r"%|percent": ("%",),
    r"mL/min": (_EGFR,),
    r"characters?": ("{character}",),
    r"cards|drugs|cycles": ("1",),
    r"times daily|doses a day": ("/d",),
}
_PATTERNS = {unit: re.compile(unit) for unit in _UNITS}
_SENTENCE_END = re.compile(r"[.;\n] ?")
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = re.compile(
    rf"(?<![\w.,{{/-])(?:(?P<low>\d+(?:\.\d+)?)(?:-| to ))?"
    rf"(?P<number>\d{{1,3}}(?:,\d{{3}})+|\d+(?:\.\d+)?|\b(?:{'|'.join(_WORDS)})\b)(?![\w{{]|\.\d|/\d|-(?!(?:hour|day|week|month|year)))"
    rf"(?:[- ]?(?P<unit>{'|'.join(_UNITS)})(?![\w/]))?",
    re.ASCII,
)
_AGE_BEFORE = re.compile(r"\b(?:under|over|age|aged)(?: of)? $", re.IGNORECASE)
_AGE_AFTER = re.compile(r" (?:or|and) (?:over|older|under)\b")
_LIMIT_BEFORE = re.compile(r"\b(?:eGFR|of|below|above|from|than|least|to|or)[ :]+$")


class Repeated(NamedTuple):
    """A number of a text and the parameters that it repeats."""

    text: str
    number: str
    parameters: tuple[str, ...]


def repeated(text: str, parameters: Iterable[Parameter]) -> Iterator[Repeated]:
    """The numbers of a text that equal a parameter of their unit."""
    rows = [row for row in parameters if not isinstance(row.value, bool)]
    for match in _NUMBER.finditer(text):
        units = _units_of(match, text)
        for written in filter(None, (match["low"], match["number"])):
            value = _value(written)
            same = tuple(r.id for r in rows if r.value == value and r.unit in units)
            if same:
                yield Repeated(text, written, same)


def _value(written: str) -> Decimal:
    if written in _WORDS:
        return Decimal(_WORDS.index(written) + 1)
    return Decimal(written.replace(",", ""))


def _units_of(match: re.Match[str], text: str) -> tuple[str, ...]:
    """The units that a number may have, by the word after it, otherwise by neighbouring words."""
    if match["number"] in _WORDS:
        counted = ("cards|drugs|cycles", "times daily|doses a day")
        return next((_UNITS[p] for p in counted if _PATTERNS[p].fullmatch(match["unit"] or "")), ())
    if match["unit"]:
        return next(u for p, u in _UNITS.items() if _PATTERNS[p].fullmatch(match["unit"]))
    before, after = text[: match.start()], text[match.end() :]
    if _AGE_AFTER.match(after) or (_AGE_BEFORE.search(before) and "eGFR" not in before):
        return ("a",)
    sentence = _SENTENCE_END.split(before)[-1]
    if "eGFR" in sentence and _LIMIT_BEFORE.search(before):
        return (_EGFR,)
    return ()


# ------------------------------------------------------------------------ places of texts


def texts_of(content: Any, member: str = "") -> Iterator[str]:
    """The texts of a knowledge file that people read."""
    if isinstance(content, str):
        if member in _TEXT_MEMBERS:
            yield content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from texts_of(value, member if member in ("texts", "times") else name)
    elif isinstance(content, list):
        for value in content:
            yield from texts_of(value, member)


def in_files(folder: Path, parameters: Iterable[Parameter]) -> Iterator[str]:
    """Each number of the knowledge files that repeats a parameter, in words."""
    rows = tuple(parameters)
    allowed = _allowed()
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        if _READ_NOT_SAID.fullmatch(name):
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        for text in texts_of(content):
            for found in repeated(text, rows):
                if text not in allowed:
                    yield f"{name}: {_said(found)}"


def _allowed() -> frozenset[str]:
    return frozenset(row["text"] for row in json.loads(ALLOWED.read_text(encoding="utf-8")))


def numbers_in_code(modules: Mapping[Path, ast.Module]) -> Iterator[tuple[str, str]]:
    """Each string of the code that contains a number, with its place, except docstrings."""
    allowed = _allowed()
    for path, module in modules.items():
        docstrings = set(_docstrings(module))
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told = id(node) in docstrings or node.value in allowed
                if not told and _NUMBER.search(node.value):
                    yield f"{path.name}:{node.lineno}", node.value


def in_code(texts: Iterable[tuple[str, str]], parameters: Iterable[Parameter]) -> Iterator[str]:
    """Each number in a sentence of the code that repeats a parameter, in words."""
    rows = tuple(parameters)
    for place, text in texts:
        for found in repeated(text, rows):
            yield f"{place}: {_said(found)}"


def _docstrings(module: ast.Module) -> Iterator[int]:
    """The strings that are statements of their own."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)


def _said(found: Repeated) -> str:
    return f"{found.number} repeats {' or '.join(found.parameters)}: {_short(found.text)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:97]}...")
