"""Problems: which Conditions count, by value set and by the status test of SPEC 1."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from cds_service.chart import dates
from cds_service.chart.evidence import Evidence
from cds_service.chart.naming import label_of, reference_of
from cds_service.chart.reading import Reader
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import NOTHING, CodeableConcept, Coding, Condition, Entry
from cds_service.knowledge.terminology import Hit, SetCode, Terminology

ACTIVE = frozenset({"active", "recurrence", "relapse"})
CLINICAL = ACTIVE | {"inactive", "remission", "resolved"}
WRONG = frozenset({"refuted", "entered-in-error"})
TENTATIVE = frozenset({"unconfirmed", "provisional", "differential"})


class Problem(msgspec.Struct, frozen=True):
    """A Condition whose code belongs to one or more value sets, and what its status says.

    `confirmed` is false for unconfirmed, provisional and differential. `past_event` problems are
    over (resolved, inactive) but not in error: some count all the same (an old infarction).
    """

    hits: dict[str, tuple[SetCode, ...]]
    active: bool
    past_event: bool
    confirmed: bool
    when: dates.When | None
    recorded: dates.When | None
    evidence: dict[str, Evidence]
    reason: str
    label: str


class SetAside(msgspec.Struct, frozen=True):
    """A resource that matched a value set but was not counted, and why."""

    resource: str
    what: str
    why: str


class Problems(msgspec.Struct):
    """All problems of the chart that any rule knows, newest first; `by_set` those of each value set."""

    found: list[Problem] = []
    by_set: dict[str, list[Problem]] = {}
    set_aside: list[SetAside] = []
    foreign: int = 0
    unread: dict[str, list[Evidence]] = {}

    def of(self, set_id: str) -> Sequence[Problem]:
        """The problems of a value set, newest first."""
        return self.by_set.get(set_id, ())

    def unread_of(self, set_id: str) -> Sequence[Evidence]:
        """Conditions whose code is not read and whose words name a safety set."""
        return self.unread.get(set_id, ())


_STATUS_TEXT = msgspec.json.Decoder(list[CodeableConcept] | CodeableConcept | None)
_PERIOD = msgspec.json.Decoder(dict[str, str | None])


def read_problems(
    content: Content[Condition],
    terminology: Terminology,
    subject: Subject,
    today: date,
    recorded_days: int,
    *,
    reader: Reader,
) -> Problems:
    """Every Condition of this patient that belongs to a value set.

    `recorded_days` is how old a recordedDate may be where clinicalStatus is missing (SPEC 1).
    """
    problems = Problems()
    for position, entry in enumerate(content.entries):
        condition = entry.resource
        if condition is None or condition.code is None:
            continue
        hits = _hits(condition.code, terminology)
        if not hits:
            if not any(c.code for c in condition.code.coding or ()):
                name = reference_of(entry, position)
                words = condition.code.text or "no code and no text"
                problems.set_aside.append(SetAside(name, words, "has no code: text never counts"))
            continue
        if not subject.is_meant(condition.subject):
            problems.foreign += 1
            continue
        problem = _problem(condition, hits, entry, position, today, recorded_days)
        problems.found.append(problem)
        if problem.reason:
            name = reference_of(entry, position)
            problems.set_aside.append(SetAside(name, problem.label, problem.reason))
    problems.found = _newest_first(problems.found)
    for problem in problems.found:
        for set_id in problem.hits:
            problems.by_set.setdefault(set_id, []).append(problem)
    return problems


def _newest_first(problems: list[Problem]) -> list[Problem]:
    """In one order, however the EHR ordered its entries: where one of several is named, the latest is."""
    shown = {id(problem): next(iter(problem.evidence.values())) for problem in problems}
    by_name = sorted(problems, key=lambda p: shown[id(p)].resource)
    return sorted(by_name, key=lambda p: shown[id(p)].date or "", reverse=True)


def _hits(code: CodeableConcept, terminology: Terminology) -> list[tuple[Hit, Coding]]:
    found: list[tuple[Hit, Coding]] = []
    for coding in code.coding or ():
        found.extend((hit, coding) for hit in terminology.hits(coding.system, coding.code))
    return found


def _problem(
    condition: Condition,
    hits: list[tuple[Hit, Coding]],
    entry: Entry[Condition],
    position: int,
    today: date,
    recorded_days: int,
) -> Problem:
    recorded = dates.parse(condition.recordedDate)
    when = dates.parse(condition.onsetDateTime) or _onset_period(condition) or recorded
    by_set: dict[str, tuple[SetCode, ...]] = {}
    evidence: dict[str, Evidence] = {}
    for hit, coding in hits:
        first = hit.set_id not in by_set
        by_set[hit.set_id] = (*by_set.get(hit.set_id, ()), hit.entry)
        if first or (hit.entry.qualifies and not by_set[hit.set_id][0].qualifies):
            evidence[hit.set_id] = Evidence(
                resource=reference_of(entry, position),
                system=coding.system,
                code=coding.code,
                display=label_of(condition.code, coding) or hit.entry.display,
                date=when.written if when else None,
                matched=hit.matched,
            )
    verification = code_of(condition.verificationStatus)
    reason = _not_active(condition, verification, recorded, today, recorded_days)
    return Problem(
        hits=by_set,
        active=not reason,
        past_event=verification not in WRONG,
        confirmed=verification not in TENTATIVE,
        when=when,
        recorded=recorded,
        evidence=evidence,
        reason=reason or ("" if verification not in TENTATIVE else f"is {verification}"),
        label=label_of(condition.code, hits[0][1]) or hits[0][0].entry.display,
    )


def _not_active(
    condition: Condition,
    verification: str,
    recorded: dates.When | None,
    today: date,
    recorded_days: int,
) -> str:
    """Why a Condition is not active, or "" (SPEC 1, status test 1 to 3)."""
    if verification in WRONG:
        return f"is {verification}"
    clinical = code_of(condition.clinicalStatus)
    if clinical in CLINICAL and clinical not in ACTIVE:
        return f"is {clinical}"
    if _has_abated(condition, today):
        return "has abated"
    if clinical in ACTIVE:
        return ""
    if _is_problem_list_item(condition) or dates.within(recorded, recorded_days, today):
        return ""
    return "has no clinicalStatus and is neither on the problem list nor recently recorded"


def _has_abated(condition: Condition, today: date) -> bool:
    if condition.abatementDateTime is not None:
        ended = dates.parse(condition.abatementDateTime)
        return ended is None or ended.first_day <= today
    if memoryview(condition.abatementPeriod):
        try:
            end = _PERIOD.decode(condition.abatementPeriod).get("end")
        except msgspec.DecodeError:
            return True
        ended = dates.parse(end)
        return ended is None or ended.first_day <= today
    others = (condition.abatementString, condition.abatementAge, condition.abatementRange)
    return any(memoryview(other) for other in others)


def _onset_period(condition: Condition) -> dates.When | None:
    if not memoryview(condition.onsetPeriod):
        return None
    try:
        return dates.parse(_PERIOD.decode(condition.onsetPeriod).get("start"))
    except msgspec.DecodeError:
        return None


def _is_problem_list_item(condition: Condition) -> bool:
    if condition.category is NOTHING or not memoryview(condition.category):
        return False
    try:
        decoded = _STATUS_TEXT.decode(condition.category)
    except msgspec.DecodeError:
        return False
    concepts = decoded if isinstance(decoded, list) else [decoded]
    return any(
        coding.code == "problem-list-item"
        for concept in concepts
        if concept is not None
        for coding in concept.coding or ()
    )


def code_of(status: CodeableConcept | str | None) -> str:
    """The code of a status element: a CodeableConcept, or the bare string of older EHRs."""
    if status is None:
        return ""
    if isinstance(status, str):
        return status.strip().lower()
    known = [c.code.strip().lower() for c in status.coding or () if c.code]
    return next((c for c in known if c in CLINICAL | WRONG | TENTATIVE | {"confirmed"}), "") or (
        known[0] if known else (status.text or "").strip().lower()
    )
