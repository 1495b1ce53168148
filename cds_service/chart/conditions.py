"""Problems: which Conditions count, by value set and by the status test of SPEC 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, names_nothing, why_not_read
from cds_service.chart.reading import Reader, is_there
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.reading import Shape
from cds_service.fhir.wire import (
    CodeableConcept,
    Coding,
    Condition,
    Diagnosis,
    Extension,
    Period,
    Quantity,
    Text,
)
from cds_service.knowledge.terminology import Hit, SetCode, Terminology
from cds_service.knowledge.words import fold
from cds_service.reasons import Reason, Said

ACTIVE = frozenset({"active", "recurrence", "relapse"})
CLINICAL = ACTIVE | {"inactive", "remission", "resolved"}
WRONG = frozenset({"refuted", "entered-in-error"})
TENTATIVE = frozenset({"unconfirmed", "provisional", "differential"})
VERIFICATION = WRONG | TENTATIVE | {"confirmed"}
SAID_TO_BE_UNKNOWN = "unknown"
"""A clinicalStatus of FHIR R5 and a verificationStatus of STU3. They count as missing and unconfirmed."""

RENAL = "renal"
RENAL_SETS = frozenset({"renal_ckd", "renal_aki", "renal_dialysis", "renal_transplant"})
"""If these cannot be read, they may be about kidney function or anything else."""

CERTAINTY: Mapping[str, tuple[str, str]] = {
    "A": ("refuted", ""),
    "V": ("unconfirmed", ""),
    "Z": ("", "resolved"),
    "G": ("confirmed", ""),
}
"""ICD-10-GM, "Diagnosesicherheit": verificationStatus and clinicalStatus (SPEC 12.1 U-11)."""
_CERTAINTY_URL = "diagnosesicherheit"
_ASSERTED_URL = "condition-asserteddate"


class Problem(msgspec.Struct, frozen=True):
    """A Condition whose code belongs to one or more value sets, and the meaning of its status.

    `confirmed` is false for unconfirmed, provisional and differential, and if it may be over.
    `past_event` problems are over (resolved, inactive) but not in error. Some of them count (an old
    infarction). `when` is `dates.undated()` if a date cannot be read.
    """

    hits: dict[str, tuple[SetCode, ...]]
    active: bool
    past_event: bool
    confirmed: bool
    when: dates.When | None
    recorded: dates.When | None
    evidence: dict[str, Evidence]
    reason: Reason | None
    label: str


class UncountedResource(msgspec.Struct, frozen=True):
    """A resource that matched a value set but was not counted, and why."""

    resource: str
    what: Said
    why: Reason


class Problems(msgspec.Struct):
    """All problems of the chart that any rule uses, newest first. `by_set` contains those of each
    value set.

    `unread` are Conditions that may belong to a value set and may be active: their code cannot be
    read but their words name it, or their status cannot be read. They are neither present nor
    absent.
    """

    found: list[Problem] = []
    by_set: dict[str, list[Problem]] = {}
    unread: dict[str, list[Evidence]] = {}
    set_aside: list[UncountedResource] = []
    foreign: int = 0

    def of(self, set_id: str) -> Sequence[Problem]:
        """The problems of a value set, newest first."""
        return self.by_set.get(set_id, ())

    def unread_of(self, set_id: str) -> Sequence[Evidence]:
        """Unread Conditions that may belong to a value set (or to "renal": any about the kidneys)."""
        return self.unread.get(set_id, ())


class _Place(NamedTuple):
    """A Condition being read: its name, and its elements that are not even of their FHIR type."""

    reader: Reader
    name: str
    lost: frozenset[str]

    def date(self, text: str | None, element: str) -> dates.When | None:
        """A date. It is undated if it cannot be read."""
        if text is None:
            return dates.undated() if element in self.lost else None
        return self.reader.date(text, self.name, element) or dates.undated()

    def period(self, raw: Raw, element: str) -> dates.When | None:
        """The time of a period. It is undated if a part of it cannot be read."""
        period, unread = self.reader.read_parts(_PERIOD, raw, self.name, element)
        if unread or period is None:
            return dates.undated() if unread else None
        ends = (
            self.date(period.start, f"{element}.start"),
            self.date(period.end, f"{element}.end"),
        )
        return dates.undated() if dates.undated() in ends else dates.spanning(*ends)

    def extensions(self, raw: Raw, element: str, url_end: str) -> Iterator[Extension]:
        """The extensions whose URL ends so."""
        for extension in self.reader.read(_EXTENSIONS, raw, self.name, element) or ():
            if (extension.url or "").strip().rstrip("/").lower().endswith(url_end):
                yield extension


class _Status(NamedTuple):
    """The meaning of the status elements. `reason` is the reason why the Condition is not active.

    `unclear` is true if it is not known whether the Condition is active or in error.
    """

    verification: str
    reason: Reason | None
    unclear: bool
    confirmed: bool


class _Limits(NamedTuple):
    today: date
    recorded_days: int


_PERIOD: Shape[Period] = Shape(Period)
_EXTENSIONS: Shape[list[Extension]] = Shape(list[Extension])
_CODING: Shape[Coding] = Shape(Coding)
_TEXT: Shape[str] = Shape(Text)
_CONCEPTS: Shape[list[CodeableConcept] | CodeableConcept] = Shape(
    list[CodeableConcept] | CodeableConcept
)
_SAYS_OVER: Mapping[str, Shape[Any]] = {
    "abatementString": _TEXT,
    "abatementAge": Shape(Quantity),
    "abatementRange": Shape(dict[str, Any]),
}
"""Forms of abatement that show an end without a date."""


def read_problems(
    content: Content[Condition],
    terminology: Terminology,
    subject: Subject,
    today: date,
    recorded_days: int,
    *,
    reader: Reader,
    safety_words: Mapping[str, tuple[str, ...]],
) -> Problems:
    """Every Condition of this patient that belongs to a value set, or may belong to one.

    `recorded_days` is the maximum age of recordedDate if clinicalStatus is missing (SPEC 1).
    """
    problems = Problems()
    limits = _Limits(today, recorded_days)
    lost = _lost(content)
    for condition, name in content.resources():
        hits = _hits(condition.code, terminology)
        empty = names_nothing(condition.code)
        if not hits and not empty and _is_read(condition.code, terminology):
            continue  # a diagnosis that no rule knows
        if not subject.is_meant(condition.subject):
            problems.foreign += bool(hits)
            continue
        place = _Place(reader, name, lost.get(name, frozenset()))
        if empty and "code" not in place.lost:
            _note_nameless(condition, place)
        if hits:
            _add(problems, _problem(condition, hits, place, limits), name)
        else:
            _add_unread(problems, condition, place, limits, safety_words)
    problems.found = _newest_first(problems.found)
    for problem in problems.found:
        for set_id in problem.hits:
            problems.by_set.setdefault(set_id, []).append(problem)
    return problems


def _lost(content: Content[Condition]) -> dict[str, frozenset[str]]:
    """By resource, the names of the elements with a part that does not have its FHIR type."""
    found: dict[str, set[str]] = {}
    for resource, element, _ in content.unread:
        found.setdefault(resource, set()).add(element.partition(".")[0].partition("[")[0])
    return {resource: frozenset(elements) for resource, elements in found.items()}


def _hits(code: Diagnosis | None, terminology: Terminology) -> list[tuple[Hit, Coding]]:
    found: list[tuple[Hit, Coding]] = []
    for coding in (code.coding or ()) if code is not None else ():
        found += [(hit, coding) for hit in terminology.hits(coding.system, coding.code)]
    return found


def _is_read(code: Diagnosis | None, terminology: Terminology) -> bool:
    """Whether any of its codings is of a code system that is read."""
    codings = (code.coding or ()) if code is not None else ()
    return any(terminology.reads(c.system, c.code) for c in codings)


def _newest_first(problems: list[Problem]) -> list[Problem]:
    """A fixed order, independent of the order of entries. If one of several is named, it is the latest."""
    shown = {id(problem): next(iter(problem.evidence.values())) for problem in problems}
    by_name = sorted(problems, key=lambda p: shown[id(p)].resource)
    return sorted(by_name, key=lambda p: shown[id(p)].date or "", reverse=True)


def _add(problems: Problems, problem: Problem, name: str) -> None:
    problems.found.append(problem)
    if problem.reason is not None:
        problems.set_aside.append(UncountedResource(name, problem.label, problem.reason))
    if problem.reason == reasons.STATUS_NOT_READABLE:
        for set_id, evidence in problem.evidence.items():
            problems.unread.setdefault(set_id, []).append(evidence)
        for evidence in [e for s, e in problem.evidence.items() if s in RENAL_SETS][:1]:
            problems.unread.setdefault(RENAL, []).append(evidence)


def _note_nameless(condition: Condition, place: _Place) -> None:
    """A Condition that names nothing may be any disease, unless it was never the patient's."""
    is_wrong = code_of(condition.verificationStatus) in WRONG
    record = place.reader.record_unsupported if is_wrong else place.reader.record_unreadable
    record(place.name, "code", why_not_read(condition.code))


def _add_unread(
    problems: Problems,
    condition: Condition,
    place: _Place,
    limits: _Limits,
    safety_words: Mapping[str, tuple[str, ...]],
) -> None:
    """A Condition without a readable code. Its words may name a safety condition (U-7)."""
    code = condition.code or Diagnosis()
    coded = [c for c in code.coding or () if c.code]
    why = why_not_read(condition.code)
    if not names_nothing(condition.code):
        place.reader.record_unsupported(place.name, "code", why)
    if not coded:
        words = code.text or reasons.NO_CODE_NO_TEXT
        text = UncountedResource(place.name, words, reasons.TEXT_NEVER_COUNTS)
        problems.set_aside.append(text)
    named = _sets_named((code.text, *(c.display for c in code.coding or ())), safety_words)
    if not named:
        return
    when, recorded = _when(condition, place)
    status = _status(condition, (), recorded, place, limits)
    if status.reason not in (None, reasons.PERHAPS_ABATED, reasons.STATUS_NOT_READABLE):
        return
    coding = next(iter(coded), Coding())
    evidence = Evidence(
        resource=place.name,
        system=coding.system,
        code=coding.code,
        display=label_of(code, coding) or None,
        date=(when.written or None) if when else None,
        matched="text",
        note=why,
    )
    for set_id in named:
        problems.unread.setdefault(set_id, []).append(evidence)


def _sets_named(
    texts: Iterable[str | None], safety_words: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """The safety sets with a word that begins a word of the texts."""
    folded = fold(" ".join(text for text in texts if text))
    return [s for s, words in safety_words.items() if any(f" {word}" in folded for word in words)]


def _problem(
    condition: Condition, hits: list[tuple[Hit, Coding]], place: _Place, limits: _Limits
) -> Problem:
    when, recorded = _when(condition, place)
    by_set: dict[str, tuple[SetCode, ...]] = {}
    evidence: dict[str, Evidence] = {}
    for hit, coding in hits:
        first = hit.set_id not in by_set
        by_set[hit.set_id] = (*by_set.get(hit.set_id, ()), hit.entry)
        if first or (hit.entry.qualifies and not by_set[hit.set_id][0].qualifies):
            evidence[hit.set_id] = Evidence(
                resource=place.name,
                system=coding.system,
                code=coding.code,
                display=label_of(condition.code, coding) or hit.entry.display,
                date=(when.written or None) if when else None,
                matched=hit.matched,
            )
    status = _status(condition, hits, recorded, place, limits)
    unsure = None if status.confirmed else reasons.has_status(status.verification)
    return Problem(
        hits=by_set,
        active=status.reason in (None, reasons.PERHAPS_ABATED),
        past_event=status.verification not in WRONG,
        confirmed=status.confirmed,
        when=when,
        recorded=recorded,
        evidence=evidence,
        reason=status.reason or unsure,
        label=label_of(condition.code, hits[0][1]) or hits[0][0].entry.display,
    )


def _when(condition: Condition, place: _Place) -> tuple[dates.When | None, dates.When | None]:
    """When it began, and when it was recorded. A date that cannot be read is never another one."""
    recorded = place.date(condition.recordedDate, "recordedDate")
    onset = place.date(condition.onsetDateTime, "onsetDateTime")
    when = onset or place.period(condition.onsetPeriod, "onsetPeriod") or recorded
    if when is None:
        recorded = when = _asserted(condition, place)
    return when, recorded


def _asserted(condition: Condition, place: _Place) -> dates.When | None:
    """The extension that dates a Condition without another date (SPEC 12.1 U-5)."""
    for extension in place.extensions(condition.extension, "extension", _ASSERTED_URL):
        text, unread = place.reader.read_parts(
            _TEXT, extension.valueDateTime, place.name, "extension.valueDateTime"
        )
        return dates.undated() if unread else place.date(text, "extension.valueDateTime")
    return None


def _status(
    condition: Condition,
    hits: Sequence[tuple[Hit, Coding]],
    recorded: dates.When | None,
    place: _Place,
    limits: _Limits,
) -> _Status:
    """SPEC 1, status test 1 to 3. Unreadable data are never a reason to exclude a Condition."""
    verification = code_of(condition.verificationStatus)
    clinical = code_of(condition.clinicalStatus)
    open_question = False
    if not verification and "verificationStatus" not in place.lost:
        certainty = _certainty(condition, hits, place)
        open_question = certainty is None
        verification, ended = certainty or ("", "")
        clinical = ended or clinical
    given = condition.verificationStatus is not None
    told = _has_fhir_code(verification, VERIFICATION, place, "verificationStatus", given=given)
    unverified = open_question or not told
    reason, unclear = _not_active(condition, (verification, clinical), recorded, place, limits)
    if unclear or (unverified and reason in (None, reasons.PERHAPS_ABATED)):
        return _Status(verification, reasons.STATUS_NOT_READABLE, unclear=True, confirmed=False)
    tentative = verification in TENTATIVE or verification == SAID_TO_BE_UNKNOWN
    sure = not unverified and not tentative and reason != reasons.PERHAPS_ABATED
    return _Status(verification, reason, unclear=False, confirmed=sure)


def _has_fhir_code(
    said: str, codes: frozenset[str], place: _Place, element: str, *, given: bool
) -> bool:
    """Whether a status element contains a code of FHIR or is missing."""
    if said in codes or said == SAID_TO_BE_UNKNOWN:
        return True
    if given and element not in place.lost:
        place.reader.record_unreadable(place.name, element, reasons.SAYS_NO_FHIR_CODE)
    return not given and element not in place.lost


def _not_active(
    condition: Condition,
    said: tuple[str, str],
    recorded: dates.When | None,
    place: _Place,
    limits: _Limits,
) -> tuple[Reason | None, bool]:
    """The reason why a Condition is not active, and whether that is unclear."""
    ended = _ended(condition, said, limits.today, place)
    clinical = said[1]
    if ended not in (None, reasons.PERHAPS_ABATED) or clinical in ACTIVE:
        return ended, False
    given = condition.clinicalStatus is not None
    if not _has_fhir_code(clinical, CLINICAL, place, "clinicalStatus", given=given):
        return reasons.STATUS_NOT_READABLE, True
    listed = _is_problem_list_item(condition, place)
    if listed == "yes" or dates.within(recorded, limits.recorded_days, limits.today):
        return ended, False
    perhaps_recent = dates.maybe_within(recorded, limits.recorded_days, limits.today)
    if perhaps_recent and recorded != dates.undated():
        place.reader.record_unreadable(place.name, "clinicalStatus", reasons.IS_MISSING)
    if listed == "perhaps" or perhaps_recent:
        return reasons.STATUS_NOT_READABLE, True
    return reasons.NOT_LISTED_NOR_RECENT, False


def _ended(
    condition: Condition, said: tuple[str, str], today: date, place: _Place
) -> Reason | None:
    """The reason why a Condition is in error or over."""
    verification, clinical = said
    if verification in WRONG:
        return reasons.has_status(verification)
    if clinical in CLINICAL - ACTIVE:
        return reasons.has_status(clinical)
    return _ABATED.get(_abated(condition, today, place))


_ABATED: Mapping[str, Reason] = {"yes": reasons.HAS_ABATED, "perhaps": reasons.PERHAPS_ABATED}


def _certainty(
    condition: Condition, hits: Sequence[tuple[Hit, Coding]], place: _Place
) -> tuple[str, str] | None:
    """Verification and clinical status from the German certainty, or `None` if it cannot be read."""
    code = condition.code or Diagnosis()
    codings = {id(coding): coding for _, coding in hits}.values() or code.coding or ()
    raws = [getattr(coding, "extension", Raw()) for coding in codings]
    letters = set()
    for raw, element in (
        *((raw, "code.coding.extension") for raw in raws),
        (code.extension, "code.extension"),
        (condition.extension, "extension"),
    ):
        for extension in place.extensions(raw, element, _CERTAINTY_URL):
            letters.add(_letter(extension, place, element))
    if not letters:
        return "", ""
    if letters <= CERTAINTY.keys():
        # Two codings that differ: neither certain nor ruled out.
        return CERTAINTY[letters.pop()] if len(letters) == 1 else CERTAINTY["V"]
    place.reader.record_unreadable(place.name, "code", reasons.CERTAINTY_NOT_READABLE)
    return None


def _letter(extension: Extension, place: _Place, element: str) -> str:
    coding = place.reader.read(_CODING, extension.valueCoding, place.name, f"{element}.valueCoding")
    plain = place.reader.read(_TEXT, extension.valueCode, place.name, f"{element}.valueCode")
    return ((coding.code if coding is not None else None) or plain or "").strip().upper()


def _abated(condition: Condition, today: date, place: _Place) -> str:
    """Whether it is over: "yes", "no", or "perhaps" if that is not proven."""
    ended = place.date(condition.abatementDateTime, "abatementDateTime")
    if ended is None and is_there(condition.abatementPeriod):
        period, unread = place.reader.read_parts(
            _PERIOD, condition.abatementPeriod, place.name, "abatementPeriod"
        )
        end = place.date(period.end, "abatementPeriod.end") if period and not unread else None
        ended = end or dates.undated()
    if ended is not None:
        over = not ended.written or ended.first_day <= today
        return ("yes" if ended.last_day <= today else "perhaps") if over else "no"
    for element, shape in _SAYS_OVER.items():
        raw = getattr(condition, element)
        if is_there(raw):
            _, unread = place.reader.read_parts(shape, raw, place.name, element)
            return "perhaps" if unread else "yes"
    return "no"


def _is_problem_list_item(condition: Condition, place: _Place) -> str:
    """Whether it is on the problem list: "yes", "no", or "perhaps" if that cannot be read."""
    decoded, unread = place.reader.read_parts(_CONCEPTS, condition.category, place.name, "category")
    concepts = decoded if isinstance(decoded, list) else [decoded]
    codes = [c.code for concept in concepts if concept is not None for c in concept.coding or ()]
    return "yes" if "problem-list-item" in codes else "perhaps" if unread else "no"


def code_of(status: CodeableConcept | str | None) -> str:
    """The code of a status element: a CodeableConcept, or the bare string of older EHRs."""
    if status is None:
        return ""
    if isinstance(status, str):
        return status.strip().lower()
    written = [w for c in status.coding or () for w in (c.code, c.display) if w]
    said = [w.strip().lower() for w in (*written, status.text or "")]
    return next((w for w in said if w in CLINICAL | VERIFICATION), said[0])
