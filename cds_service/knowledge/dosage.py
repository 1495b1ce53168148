"""Words of dosages: units, frequencies and amounts in a text (`dosage.json`, sig words).

A text is converted to lower case without accents before it is read. A phrase with a number also
defines phrases with other numbers: "3 times daily" gives "# times daily". The longest phrase at a
position counts, so that "twice weekly" is never read as "twice". A text is read in one pass,
whatever its length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from cds_service.knowledge.amounts import Amounts, number_of
from cds_service.knowledge.model import DosageWord, DosageWords

LONGEST_TEXT = 4000
"""The maximum number of characters of a dosage text. Longer texts are not read."""

_MOST_OFTEN = 24
"""The maximum number of times per day. "400 daily" is an amount, not a frequency."""
_MOST_UNITS = 20
"""The maximum number of tablets in a scheme "1-0-1" or before "daily". A higher number is a year or
a strength.
"""
_DAY_SECONDS = 86400
_SLOT = "#"
_HYPHEN = "-"
_UMLAUTS = (("ae", "a"), ("oe", "o"), ("ue", "u"))
_SIGNS = str.maketrans({"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "ß": "ss", "–": "-", "—": "-"})
_MIXED = re.compile(
    r"(?<![\d.,/-])(\d{1,2})(?: ?[&+] ?| (?:and|und|et) | ?- ?)(\d/[1-9])(?![\d/-])", re.ASCII
)
"""One and a half: "1 and 1/2", "1 & 1/2", "1-1/2". Not the last part of a scheme "1-0-1/2"."""
_ABBREVIATION = re.compile(r"(?<![a-z0-9])[a-z]\.(?:[a-z0-9]\.)*[a-z0-9]?(?![a-z0-9])", re.ASCII)
_TOKEN = re.compile(
    r"\d{1,2} \d/[1-9]|\d+/\d+|\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:[.,]\d+)?|[a-z]+|[/-]", re.ASCII
)


class UnitWords(msgspec.Struct, frozen=True):
    """Words for a unit of time in "3 times a week"."""

    unit: str
    words: tuple[str, ...]


class DayPart(msgspec.Struct, frozen=True):
    """A part of the day at which a dose is taken, and the words for it."""

    part: str
    words: tuple[str, ...]


class SigWord(msgspec.Struct, frozen=True):
    """A phrase that we define: `frequency` times in `period` `period_unit`s."""

    text: str
    group: str
    frequency: int
    period: int
    period_unit: str


class DosageTables(msgspec.Struct, frozen=True):
    """`dosage.json`: words that are not among the imported sig words.

    `units` maps spellings of EHRs to "mg", "g", "ml", "mmol", "meq" or "unit" (tablet, capsule
    ...). `event_times` maps codes of FHIR's EventTiming to a part of the day. `meal_times` does the
    same for codes before, at or after a meal. `counts` are words for a number of times ("twice": "2
    times"). `bare` are phrases with a number of times but no period. `before_meals` are phrases
    that mean all three meals if nothing else is stated. `not_read` are imported words with another
    common meaning. `then` are words that begin the next step of a course. `clock_words` come before
    a time ("at 8"), and `hour_words` after it ("8 pm").
    """

    version: str
    status: str
    source: str
    seconds_per_unit: dict[str, Decimal]
    units: dict[str, str]
    ml_per_unit: dict[str, Decimal]
    fraction_words: dict[str, Decimal]
    number_words: dict[str, int]
    counts: dict[str, str]
    range_words: tuple[str, ...]
    and_words: tuple[str, ...]
    times_words: tuple[str, ...]
    count_endings: tuple[str, ...]
    per_words: tuple[str, ...]
    unit_words: tuple[UnitWords, ...]
    after_units: tuple[str, ...]
    bare: tuple[str, ...]
    before_meals: tuple[str, ...]
    not_read: tuple[str, ...]
    then: tuple[str, ...]
    clock_words: tuple[str, ...]
    hour_words: tuple[str, ...]
    day_parts: tuple[DayPart, ...]
    event_times: dict[str, str]
    meal_times: dict[str, str]
    timing_codes: dict[str, str]
    words: tuple[SigWord, ...]
    elemental: tuple[str, ...]


class Sig(NamedTuple):
    """The meaning of the words of a dosage.

    `times` is the number of times per day. `units` is a number of tablets without a unit ("2
    nightly"), and `unclear` is true if several such numbers differ. `scheme` is the number of
    tablets per day in a scheme ("1-0-1": 2). `parts` are the named parts of the day, each of which
    may have its own amount. `single` is true if the text is about one dose ("now") and has no
    frequency. `says_dose` is true if the text contains a number or a frequency.
    """

    times: Decimal | None = None
    parts: tuple[str, ...] = ()
    units: Decimal | None = None
    unclear: bool = False
    scheme: Decimal | None = None
    as_needed: bool = False
    single: bool = False
    says_dose: bool = False

    @property
    def by_parts(self) -> bool:
        """Whether `times` counts parts of the day."""
        return len(self.parts) > 1


class _Number(NamedTuple):
    """A number in a text, or the two ends of a range. `word` means that it was written as a word."""

    low: Decimal
    high: Decimal
    word: bool = False


_Token = str | _Number


class _Phrase(NamedTuple):
    """The meaning of a phrase. `slot` is the meaning of its number: "frequency", "period" or ""."""

    kind: str
    frequency: int = 1
    period: int = 1
    seconds: Decimal = Decimal(_DAY_SECONDS)
    slot: str = ""
    part: str = ""

    def times(self, number: _Number | None) -> Decimal | None:
        """Times per day, or `None` if the number is not possible in the phrase."""
        frequency, period = Decimal(self.frequency), Decimal(self.period)
        if number is not None and self.slot == "frequency":
            frequency = number.high
        if number is not None and self.slot == "period":
            period = number.low
        if not period or frequency > _MOST_OFTEN:
            return None
        return frequency * _DAY_SECONDS / (period * self.seconds)


class _Match(NamedTuple):
    phrase: _Phrase
    times: Decimal
    start: int
    end: int


_KINDS = {
    "weekly": "long",
    "monthly": "long",
    "other_day": "long",
    "hourly": "daily",
    "times_daily": "daily",
    "once_daily": "daily",
}
"""Groups of the sig words by their effect. A daily frequency takes precedence over "long" periods."""


class Dosing:
    """The words of dosages, indexed once."""

    def __init__(self, tables: DosageTables, words: DosageWords) -> None:
        self.tables = tables
        self.amounts = Amounts(
            tables.units,
            tables.ml_per_unit,
            {**{w: Decimal(n) for w, n in tables.number_words.items()}, **tables.fraction_words},
            tables.range_words,
            tables.and_words,
            tables.elemental,
        )
        self._hours = [[word] for word in tables.hour_words]
        self._phrases: dict[tuple[str, ...], _Phrase] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}
        self._schemes = [
            re.compile(p.regex, re.ASCII) for p in words.patterns if "scheme" in p.name
        ]
        self._joined = re.compile(rf"[;&+]|,(?!\d)|\b(?:{'|'.join(tables.and_words)})\b", re.ASCII)
        self._then = re.compile(rf"\b(?:{'|'.join(tables.then)})\b", re.ASCII)
        for row in tables.day_parts:
            for text in row.words:
                self._learn(text.split(), _Phrase("part", part=row.part))
        self._learn_counts()
        for own in tables.words:
            self._learn_word(own, self._tokens(plain_text(own.text)))
        not_read = {self._folded(text) for text in (*words.ambiguous, *tables.not_read)}
        for word in words.words:
            tokens = self._tokens(plain_text(word.text))
            if tuple(map(_key, tokens)) not in not_read:
                self._learn_word(word, tokens)
        as_needed = [form for form, phrase in self._phrases.items() if phrase.kind == "as_needed"]
        phrases = "|".join("[^a-z0-9]+".join(map(re.escape, form)) for form in as_needed)
        self._as_needed = re.compile(rf"(?<![a-z0-9])(?:{phrases})(?![a-z0-9])", re.ASCII)

    # -- units -------------------------------------------------------------------------------

    def unit(self, *written: str | None) -> str | None:
        """The unit for a code or text. The result is "annotation" for an unknown UCUM annotation."""
        annotated = False
        for text in written:
            plain = plain_text(text or "").removesuffix("(s)").strip()
            annotation = plain[:1] == "{" and plain[-1:] == "}"
            inside = plain[1:-1].removesuffix("(s)").strip() if annotation else plain
            if inside in self.tables.units:
                return self.tables.units[inside]
            annotated = annotated or annotation
        return "annotation" if annotated else None

    def days(self, *written: str | None) -> Decimal | None:
        """The days in a unit of time, given by its UCUM code or in English."""
        for text in written:
            unit = plain_text(text or "").removesuffix("(s)")
            seconds = self.tables.seconds_per_unit.get(unit)
            if seconds is not None:
                return seconds / _DAY_SECONDS
        return None

    # -- texts -------------------------------------------------------------------------------

    def read(self, text: str) -> Sig:
        """The meaning of a dosage text in the form that `plain_text` returns."""
        if len(text) > LONGEST_TEXT:
            return Sig(says_dose=True)
        tokens = self._tokens(text)
        matches = list(self._matches(tokens))
        scheme = self._scheme(text)
        units = self._units(tokens, matches)
        times = self._times(tokens, matches) if scheme is None else scheme[1]
        return Sig(
            times=times,
            parts=tuple(m.phrase.part for m in matches if m.phrase.kind == "part"),
            units=next(iter(units)) if len(units) == 1 else None,
            unclear=len(units) > 1,
            scheme=None if scheme is None else scheme[0],
            as_needed=any(m.phrase.kind == "as_needed" for m in matches),
            single=times is None and any(m.phrase.kind == "once" for m in matches),
            says_dose=any(isinstance(t, _Number) for t in tokens)
            or any(m.phrase.kind in _OFTEN for m in matches),
        )

    def steps(self, text: str) -> list[str]:
        """The steps of a course: "1 daily for a week, then 2 daily" has two."""
        return self._then.split(text)

    def portions(self, text: str) -> list[str]:
        """The parts that are joined by "and" or a comma: "1 in the morning, 2 at night" has two."""
        return [portion for portion in self._joined.split(text) if portion.strip()]

    def is_as_needed(self, text: str) -> bool:
        """Whether a text states use as needed. The rest of such a text is not read."""
        folded = _fold_umlauts(_without_dots(plain_text(text[:LONGEST_TEXT])))
        return self._as_needed.search(folded) is not None

    def code(self, code: str) -> Decimal | None:
        """The frequency of a timing code, in times per day."""
        known = self.tables.timing_codes.get(code.strip().upper(), code)
        return self.read(plain_text(known)).times

    def _times(self, tokens: Sequence[_Token], matches: Sequence[_Match]) -> Decimal | None:
        """Times per day. The largest of several, because it is compared with a limit."""
        if any(self._follows_a_count(tokens, m) for m in matches):
            return None
        found = {kind: [m for m in matches if m.phrase.kind == kind] for kind in _OFTEN}
        counted = max((m.times for m in found["bare"]), default=Decimal(0))
        counted = max(counted, Decimal(self._parts_of_day(tokens, found["part"])))
        if found["daily"]:
            return max(counted, *(m.times for m in found["daily"]))
        if found["long"]:
            return max(m.times for m in found["long"]) * max(counted, Decimal(1))
        single = any(m.phrase.kind == "once" for m in matches)
        if counted or single:
            return counted or None
        return max((m.times for m in matches if m.phrase.kind == "before_meals"), default=None)

    def _follows_a_count(self, tokens: Sequence[_Token], match: _Match) -> bool:
        """Whether it ends a number of times that is not read: "several times a day", "achtmal täglich"."""
        before = tokens[match.start - 1] if match.start > 0 else ""
        if match.phrase.kind not in ("daily", "long") or not isinstance(before, str):
            return False
        return before in self.tables.times_words or before.endswith(self.tables.count_endings)

    def _parts_of_day(self, tokens: Sequence[_Token], parts: Sequence[_Match]) -> int:
        """The number of named parts of the day. "In the evening before bed" is one."""
        places = {m.phrase.part: m.start for m in parts}
        if "evening" in places and "night" in places:
            start, end = sorted((places["evening"], places["night"]))
            if not any(token in self.tables.and_words for token in tokens[start:end]):
                del places["night"]
        return len(places)

    def _units(self, tokens: Sequence[_Token], matches: Sequence[_Match]) -> set[Decimal]:
        """Numbers of tablets without a unit: "2 nightly", "take 2 by mouth", "3 x 1"."""
        inside = {at for m in matches for at in range(m.start, m.end)}
        before = {m.start - 1 for m in matches if m.phrase.kind in _OFTEN}
        after = {m.end for m in matches if m.phrase.kind in ("bare", "part")}
        # "8 pm" is an hour; "2 am Tag" is none.
        hours = {m.start - 1 for m in matches if tokens[m.start : m.end] in self._hours}
        found = set()
        for at, token in enumerate(tokens):
            if not isinstance(token, _Number) or at in inside or not 0 < token.high <= _MOST_UNITS:
                continue
            if at in hours or (at and tokens[at - 1] in self.tables.clock_words):
                continue
            last = at + 1 == len(tokens)
            if (
                at in before
                or (last and at in after)
                or (not last and tokens[at + 1] in self.tables.after_units)
            ):
                found.add(token.high)
        return found

    def _scheme(self, text: str) -> tuple[Decimal, Decimal] | None:
        """Tablets per day and the number of intakes in "1-0-1". The largest of several schemes."""
        found = [
            [number_of(part) for part in match.groups()]
            for pattern in self._schemes
            for match in pattern.finditer(text)
        ]
        read = [parts for parts in found if max(parts) <= _MOST_UNITS]
        largest = max(read, key=sum, default=None)
        if largest is None:
            return None
        return sum(largest, Decimal(0)), Decimal(sum(1 for part in largest if part))

    # -- tokens ------------------------------------------------------------------------------

    def _tokens(self, text: str) -> list[_Token]:
        """Words, numbers and "/". The two ends of a range are one number."""
        return [token for token in self._with_ranges(text) if token != _HYPHEN]

    def _with_ranges(self, text: str) -> Iterator[_Token]:
        waiting: list[_Token] = []
        for token in self._without_repeats(text):
            waiting.append(token)
            if len(waiting) < 3:
                continue
            joined = self._range(*waiting)
            if joined is None:
                yield waiting.pop(0)
            else:
                waiting = [joined]
        yield from waiting

    def _range(self, low: _Token, between: _Token, high: _Token) -> _Number | None:
        if isinstance(low, str) or isinstance(high, str) or low.high >= high.low:
            return None
        return _Number(low.low, high.high) if between in self.tables.range_words else None

    def _without_repeats(self, text: str) -> Iterator[_Token]:
        """Remove the second number in "2 (two)" and "two (2)"."""
        before: _Token = ""
        for token in self._words(text):
            repeats = (
                isinstance(token, _Number)
                and isinstance(before, _Number)
                and before[:2] == token[:2]
                and before.word != token.word
            )
            before = token
            if not repeats:
                yield token

    def _words(self, text: str) -> Iterator[_Token]:
        for written in _TOKEN.findall(_without_dots(text)):
            if written[0].isdigit():
                yield _Number(number_of(written), number_of(written))
                continue
            folded = _fold_umlauts(written)
            for word in self.tables.counts.get(folded, folded).split():
                number = Decimal(word) if word.isdigit() else None
                if number is not None:
                    yield _Number(number, number)
                elif word in self.tables.number_words:
                    named = Decimal(self.tables.number_words[word])
                    yield _Number(named, named, word=True)
                else:
                    yield word

    # -- the index ---------------------------------------------------------------------------

    def _matches(self, tokens: Sequence[_Token]) -> Iterator[_Match]:
        keys = [_key(token) for token in tokens]
        at = 0
        while at < len(tokens):
            match = self._longest(tokens, keys, at)
            if match is None:
                at += 1
            else:
                yield match
                at = match.end

    def _longest(self, tokens: Sequence[_Token], keys: Sequence[str], at: int) -> _Match | None:
        """The longest phrase at a position. A phrase with this exact number comes before one with
        any number.
        """
        openings = (keys[at], _SLOT) if isinstance(tokens[at], _Number) else (keys[at],)
        lengths = {length for opening in openings for length in self._lengths.get(opening, ())}
        for length in sorted(lengths, reverse=True):
            span = tokens[at : at + length]
            if len(span) < length:
                continue
            numbers = [token for token in span if isinstance(token, _Number)]
            for form in (tuple(keys[at : at + length]), tuple(map(_template, span))):
                phrase = self._phrases.get(form)
                times = phrase.times(numbers[0] if numbers else None) if phrase else None
                if phrase is not None and times is not None:
                    return _Match(phrase, times, at, at + length)
        return None

    def _learn_counts(self) -> None:
        """ "# times a week" in every wording."""
        for unit in self.tables.unit_words:
            seconds = self.tables.seconds_per_unit[unit.unit]
            kind = "daily" if unit.unit == "d" else "long"
            phrase = _Phrase(kind, seconds=seconds, slot="frequency")
            for word in unit.words:
                for times in self.tables.times_words:
                    for per in ("", *self.tables.per_words):
                        self._learn(f"{_SLOT} {times} {per} {word}".split(), phrase)

    def _learn_word(self, word: DosageWord | SigWord, tokens: Sequence[_Token]) -> None:
        if word.group == "once_daily" and self._names_a_part(tokens):
            return
        phrase = self._phrase_of(word, " ".join(map(_template, tokens)))
        if phrase is None:
            return
        self._learn([_key(token) for token in tokens], phrase)
        numbers = [token for token in tokens if isinstance(token, _Number)]
        slot = _slot(phrase, numbers)
        if slot:
            self._learn([_template(token) for token in tokens], phrase._replace(slot=slot))

    def _phrase_of(self, word: DosageWord | SigWord, template: str) -> _Phrase | None:
        if word.group == "meal":
            meals = word.text in self.tables.before_meals
            return _Phrase("before_meals", frequency=3) if meals else None
        kind = "bare" if template in self.tables.bare else _KINDS.get(word.group, word.group)
        seconds = self.tables.seconds_per_unit[word.period_unit or "d"]
        return _Phrase(kind, word.frequency or 1, word.period or 1, seconds)

    def _names_a_part(self, tokens: Sequence[_Token]) -> bool:
        """Whether it names a time of day. Such words are counted by the parts of the day that they name."""
        return any(match.phrase.kind == "part" for match in self._matches(tokens))

    def _learn(self, keys: Iterable[str], phrase: _Phrase) -> None:
        form = tuple(keys)
        self._phrases.setdefault(form, phrase)
        self._lengths[form[0]] = tuple({*self._lengths.get(form[0], ()), len(form)})

    def _folded(self, text: str) -> tuple[str, ...]:
        return tuple(map(_key, self._tokens(plain_text(text))))


_OFTEN = ("daily", "long", "bare", "part")
"""Kinds of phrases that state a frequency."""


def _slot(phrase: _Phrase, numbers: Sequence[_Number]) -> str:
    """The meaning of the only number of a phrase, if it is clear."""
    if len(numbers) != 1 or numbers[0].low < 2:
        return ""
    if phrase.frequency == 1 and numbers[0].low == phrase.period:
        return "period"
    return "frequency" if phrase.period == 1 and numbers[0].high == phrase.frequency else ""


def _key(token: _Token) -> str:
    if isinstance(token, str):
        return token
    return f"{token.low}" if token.low == token.high else f"{token.low}-{token.high}"


def _template(token: _Token) -> str:
    if isinstance(token, str):
        return token
    return _SLOT if token.low == token.low.to_integral_value() else _key(token)


def _without_dots(text: str) -> str:
    """Spell "b.i.d." as "bid": without dots between single letters."""
    return _ABBREVIATION.sub(lambda match: f"{match[0].replace('.', '')} ", text)


def _fold_umlauts(text: str) -> str:
    """Spell "taeglich" as "taglich", in texts and in phrases."""
    for umlaut, plain in _UMLAUTS:
        text = text.replace(umlaut, plain)
    return text


def plain_text(text: str) -> str:
    """Lower case, without accents, with single plain spaces. Digits and signs are kept."""
    lower = text.lower()
    if not lower.isascii():
        decomposed = unicodedata.normalize("NFD", lower.translate(_SIGNS))
        lower = "".join(c for c in decomposed if not unicodedata.combining(c))
    plain = " ".join(lower.split())
    return _MIXED.sub(r"\1 \2", plain) if "/" in plain else plain
