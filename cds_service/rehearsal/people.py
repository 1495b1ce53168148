"""Who the patients of an export are, for the denominators and the subgroups of the report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import msgspec

from cds_service.chart import dates

BANDS: Final = ((0, 17), (18, 39), (40, 64), (65, 79), (80, 200))
NOT_RECORDED: Final = "not recorded"
DIMENSIONS: Final = ("sex", "age", "race", "ethnicity", "language")
_RACE = "us-core-race"
_ETHNICITY = "us-core-ethnicity"


class Person(msgspec.Struct, array_like=True):
    """One patient, without a name. `key` stands for the id."""

    key: str
    sex: str = ""
    born: str = ""
    race: str = ""
    ethnicity: str = ""
    language: str = ""

    def groups(self, day: date) -> Iterator[tuple[str, str]]:
        """The subgroups the person belongs to, as (dimension, group)."""
        yield "sex", self.sex or NOT_RECORDED
        yield "age", _band(self.born, day)
        for dimension in DIMENSIONS[2:]:
            yield dimension, getattr(self, dimension) or NOT_RECORDED


class _Patient(msgspec.Struct):
    gender: Any = None
    birthDate: Any = None
    extension: Any = None
    communication: Any = None


_PATIENT = msgspec.json.Decoder(_Patient)


def person_of(line: bytes, key: str) -> Person:
    """The person of a Patient resource; what cannot be read counts as not recorded."""
    try:
        read = _PATIENT.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Person(key)
    return Person(
        key,
        _text(read.gender),
        _text(read.birthDate),
        _of_extension(read.extension, _RACE),
        _of_extension(read.extension, _ETHNICITY),
        _language(read.communication),
    )


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _of_extension(extensions: Any, name: str) -> str:
    """The text of a US Core extension, else the category that it names."""
    for extension in _objects(extensions):
        if not _text(extension.get("url")).endswith(name):
            continue
        parts = list(_objects(extension.get("extension")))
        texts = [_text(p.get("valueString")) for p in parts if p.get("url") == "text"]
        names = [
            _text(coding.get("display"))
            for p in parts
            for coding in _objects([p.get("valueCoding")])
            if p.get("url") == "ombCategory"
        ]
        return next(filter(None, (*names, *texts)), "")
    return ""


def _language(communication: Any) -> str:
    """The preferred language, else the first one."""
    spoken = sorted(_objects(communication), key=lambda one: one.get("preferred") is not True)
    for one in spoken:
        for language in _objects([one.get("language")]):
            codes = [_text(c.get("code")) for c in _objects(language.get("coding"))]
            return next(filter(None, (*codes, _text(language.get("text")))), "")
    return ""


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield one


def _band(born: str, day: date) -> str:
    when = dates.parse(born)
    if when is None or when.first_day > day:
        return NOT_RECORDED
    age = dates.years_between(when.first_day, day)
    return next((f"{low}-{high}" for low, high in BANDS[:-1] if low <= age <= high), "80 and over")
