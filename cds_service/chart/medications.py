"""The medicines of the patient: which MedicationRequests and MedicationStatements count (SPEC 2, 7,
11).

Magnesium counts in more cases than other drugs: without a usable status, and for any age of the
order (SPEC 12.1 U-6, 12.4 M-9). Other drugs without a usable status are kept separately: the facts
that would follow from them are Unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from typing import NamedTuple

import msgspec

from cds_service import reasons
from cds_service.chart import dates
from cds_service.chart.conditions import UncountedResource
from cds_service.chart.evidence import Evidence
from cds_service.chart.identity import DrugFinder, Identity
from cds_service.chart.instructions import (
    Instruction,
    InstructionReader,
    Supply,
    as_needed,
    course_end,
    named_dosage,
)
from cds_service.chart.naming import reference_of
from cds_service.chart.reading import Reader, is_there
from cds_service.chart.subject import Subject
from cds_service.fhir.prefetch import Content
from cds_service.fhir.wire import Medication
from cds_service.knowledge.dosage import Dosing
from cds_service.knowledge.drugs import MAGNESIUM, SUPPLEMENT, Drug
from cds_service.knowledge.parameters import MedicationLimits
from cds_service.reasons import Reason

NO_ORDERS = frozenset({"proposal", "plan", "option"})
"""Intents that are not orders. A reported plan or proposal is a medicine that the patient takes (U-6)."""

ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})

INTENTS = ORDERS | NO_ORDERS

REPORTED = frozenset({"proposal", "plan"})

REQUEST_ENDED = frozenset({"completed", "stopped"})
REQUEST_NOT_TAKEN = frozenset({"on-hold", "cancelled", "entered-in-error", "draft"})
STATEMENT_ENDED = frozenset({"completed", "stopped"})
STATEMENT_NOT_TAKEN = frozenset({"entered-in-error", "intended", "on-hold", "not-taken"})


class MedicationUse(msgspec.Struct, frozen=True):
    """A medication that the patient takes, took, or is being ordered.

    `route` is the product's, or the order's own if that is "any". `regular` is false for as-needed
    use. `dosages` is `None` if a whole instruction cannot be read. `since` is authoredOn or the
    start of the effective period.

    `contradictory`: the code is of another drug, and the words name magnesium (U-13). `old`: an
    active magnesium order beyond the age at which other orders no longer count (M-9). `course_end`
    is the first day on which the course may be over, and `course_over` is true if that is so long
    ago that the order proves no present use (N-8). `course_end_latest` is the last such day, and
    `course_surely_over` is true if even that is so long ago. `status_unclear`: a medicine without a
    usable status (U-6). `age_unclear`: its dates do not show whether it was ordered too long ago.
    `ended` is when a stopped magnesium ended, if known (M-15). Two uses are of the same product if
    they share one of `product_codes` (M-14).
    """

    reference: str
    drug: Drug
    evidence: Evidence
    route: str
    regular: bool
    since: dates.When | None
    dosages: tuple[Instruction, ...] | None
    label: str
    supply: Supply | None = None
    contradictory: bool = False
    old: bool = False
    course_over: bool = False
    course_surely_over: bool = False
    course_end: date | None = None
    course_end_latest: date | None = None
    status_unclear: bool = False
    age_unclear: bool = False
    ended: dates.When | None = None
    product_codes: frozenset[tuple[str, str]] = frozenset()

    def of(self, drug_class: str) -> bool:
        """Whether the drug belongs to a class."""
        return drug_class in self.drug.classes

    @property
    def oral(self) -> bool:
        """Whether it is oral, as far as known."""
        return self.route in ("oral", "any", "unknown")


class Medications(msgspec.Struct):
    """The medications of one prefetch key that any rule uses.

    The drugs of `unresolved` and `unnamed` orders cannot be identified. Unresolved ones refer to a
    Medication that was not sent, and unnamed ones have neither a name nor a known code.
    `lost_stopped` contains the end or order dates of those that are over. `unclear` are drugs other
    than magnesium without a usable status, or perhaps ordered too long ago. `stopped` are magnesium
    supplements that were stopped, completed or are over.
    """

    uses: list[MedicationUse] = []
    set_aside: list[UncountedResource] = []
    foreign: int = 0
    unresolved: list[str] = []
    unnamed: list[str] = []
    stopped: list[MedicationUse] = []
    unclear: list[MedicationUse] = []
    lost_stopped: list[dates.When | None] = []


class _Standing(NamedTuple):
    """Whether an order or statement counts as current. `why` is the reason if it does not.

    `ended`: it was taken and is over. `unclear`: its status does not show whether it counts. `old`:
    it is, or may be, so old that it counts only for magnesium. `age_unclear`: its dates do not show
    whether it is.
    """

    why: Reason | None = None
    ended: bool = False
    unclear: bool = False
    old: bool = False
    age_unclear: bool = False


class UseReader:
    """Reads the medications of one prefetch key, or the draft orders, of one patient."""

    def __init__(
        self,
        finder: DrugFinder,
        dosing: Dosing,
        today: date,
        limits: MedicationLimits,
        reader: Reader,
    ) -> None:
        self._finder = finder
        self._dosing = dosing
        self._today = today
        self._limits = limits
        self._reader = reader

    def requests(self, content: Content[Medication], subject: Subject) -> Medications:
        """The MedicationRequests (SPEC 2, medication test)."""
        return self._read(content, subject, "MedicationRequest", self._request)

    def statements(self, content: Content[Medication], subject: Subject) -> Medications:
        """The MedicationStatements (SPEC 2, 11.11)."""
        return self._read(content, subject, "MedicationStatement", self._statement)

    def draft(self, order: Medication, name: str) -> MedicationUse | None:
        """A draft order as a medication, or `None` if no rule uses its drug."""
        identity = self._finder.identify(order, lambda: name, self._reader)
        if identity.drug is None:
            return None
        return self._use(order, identity, identity.drug, name, _Standing())

    # -- all of a key ------------------------------------------------------------------------

    def _read(
        self,
        content: Content[Medication],
        subject: Subject,
        kind: str,
        standing_of: Callable[[Medication, str], _Standing],
    ) -> Medications:
        medications = Medications()
        for position, entry in enumerate(content.entries):
            resource = entry.resource
            if resource is None or resource.resourceType != kind:
                continue
            naming = partial(reference_of, entry, position)
            identity = self._finder.identify(resource, naming, self._reader)
            if identity.drug is None and not identity.missing:
                continue  # a drug that no rule knows
            if not subject.is_meant(resource.subject):
                medications.foreign += 1
                continue
            name = naming()
            standing = standing_of(resource, name)
            if identity.missing is not None:
                self._record_unidentified(medications, resource, identity.missing, name, standing)
            if identity.drug is not None and standing.unclear:
                given = resource.status
                said = reasons.has_status(given) if given else reasons.IS_MISSING
                self._reader.record_unsupported(name, "status", reasons.may_be_taken(said))
            if identity.drug is not None:
                self._sort_in(medications, resource, identity, identity.drug, name, standing)
        return medications

    def _record_unidentified(
        self,
        medications: Medications,
        resource: Medication,
        missing: Reason,
        name: str,
        standing: _Standing,
    ) -> None:
        """Record a medication that cannot be identified and may be magnesium."""
        if standing.ended:
            over = self._ended(resource, None, name) or self._since(resource, name)
            medications.lost_stopped.append(over)
        elif not standing.why:
            absent = missing == reasons.MEDICATION_NOT_SENT
            (medications.unresolved if absent else medications.unnamed).append(name)
        else:
            return
        self._reader.record_unsupported(name, "medication", missing)

    def _sort_in(
        self,
        medications: Medications,
        resource: Medication,
        identity: Identity,
        drug: Drug,
        name: str,
        standing: _Standing,
    ) -> None:
        """Add one medication to the current, unclear or uncounted ones."""
        magnesium = MAGNESIUM in drug.classes
        why = standing.why
        if not why and standing.old and not standing.age_unclear and not magnesium:
            why = reasons.ordered_earlier(self._limits.authored_within_days)
        if why is not None:
            medications.set_aside.append(UncountedResource(name, identity.label, why))
        if why and not (standing.ended and _is_supplement(drug)):
            return
        use = self._use(resource, identity, drug, name, standing)
        if why:
            if use.oral:
                medications.stopped.append(use)
        elif (standing.unclear or standing.age_unclear) and not magnesium:
            medications.unclear.append(use)
        else:
            medications.uses.append(use)

    # -- one order ---------------------------------------------------------------------------

    def _use(
        self, resource: Medication, identity: Identity, drug: Drug, name: str, standing: _Standing
    ) -> MedicationUse:
        since = self._since(resource, name)
        magnesium = drug.magnesium is not None
        instructing = InstructionReader(self._reader, name, self._dosing, doses=magnesium)
        at = "dosageInstruction" if is_there(resource.dosageInstruction) else "dosage"
        raw = resource.dosageInstruction if at == "dosageInstruction" else resource.dosage
        instructions, all_read = instructing.read(raw, at, since)
        # Without a dosage, the name may contain it: "Mag-Ox 400 twice daily".
        said = () if instructions else named_dosage(identity.label, self._dosing)
        supply = instructing.supply(resource.dispenseRequest)
        route, coded = self._finder.route_of(drug, instructions, identity.label)
        drug, used_by = self._finder.drug_in_use(drug, coded, identity, instructions)
        end = course_end(
            instructions, supply, self._validity_end(supply, name), since, self._dosing
        )
        ended = self._ended(resource, end.first if end else None, name) if standing.ended else None
        return MedicationUse(
            reference=name,
            drug=drug,
            evidence=_evidence(identity, drug, name, since),
            route=used_by or route,
            regular=not (all_read and as_needed(instructions or said, self._dosing)),
            since=since,
            dosages=(instructions or said) if all_read else None,
            label=identity.label,
            supply=supply,
            contradictory=drug.contradictory,
            old=standing.old,
            course_over=end is not None and self._is_over(end.first),
            course_surely_over=end is not None and self._is_over(end.last),
            course_end=end.first if end else None,
            course_end_latest=end.last if end else None,
            status_unclear=standing.unclear,
            age_unclear=standing.age_unclear,
            ended=ended,
            product_codes=identity.product_codes,
        )

    def _is_over(self, end: date) -> bool:
        """Whether a course that ended on this day proves no present use (N-8)."""
        return (self._today - end).days > self._limits.course_over_days

    def _since(self, resource: Medication, name: str) -> dates.When | None:
        since = self._reader.date(resource.authoredOn, name, "authoredOn")
        if since is None and resource.effectivePeriod is not None:
            since = self._reader.date(resource.effectivePeriod.start, name, "effectivePeriod.start")
        return since or self._reader.date(resource.effectiveDateTime, name, "effectiveDateTime")

    def _validity_end(self, supply: Supply | None, name: str) -> dates.When | None:
        period = supply.validityPeriod if supply is not None else None
        if period is None:
            return None
        return self._reader.date(period.end, name, "dispenseRequest.validityPeriod.end")

    def _ended(self, resource: Medication, end: date | None, name: str) -> dates.When | None:
        """The end of something that is over: the end of its period, otherwise of its course."""
        period = resource.effectivePeriod
        over = self._reader.date(period.end, name, "effectivePeriod.end") if period else None
        if over is None and end is not None and end <= self._today:
            return dates.parse(end.isoformat())
        return over

    # -- whether it counts -------------------------------------------------------------------

    def _request(self, request: Medication, name: str) -> _Standing:
        status = request.status
        if status in REQUEST_ENDED:
            return _Standing(reasons.status_is(status), ended=True)
        if status in REQUEST_NOT_TAKEN:
            return _Standing(reasons.status_is(status))
        if request.intent in NO_ORDERS and not _is_reported(request):
            return _Standing(reasons.intent_is(request.intent))
        if request.doNotPerform is True:
            return _Standing(reasons.DO_NOT_PERFORM)
        if request.intent not in INTENTS:
            why = reasons.IS_MISSING if request.intent is None else reasons.NO_FHIR_CODE
            self._reader.record_unreadable(name, "intent", reasons.counts_as_order(why))
        old, surely = self._is_old(request, name)
        return _Standing(unclear=status != "active", old=old, age_unclear=old and not surely)

    def _is_old(self, request: Medication, name: str) -> tuple[bool, bool]:
        """Whether it may have been, and whether it certainly was, ordered so long ago that only
        magnesium still counts (SPEC 2, M-9).
        """
        authored = self._reader.date(request.authoredOn, name, "authoredOn")
        limit = self._limits.authored_within_days
        if dates.within(authored, limit, self._today) or authored is None:
            return False, False
        instructing = InstructionReader(self._reader, name, self._dosing, doses=False)
        supply = instructing.supply(request.dispenseRequest)
        end = self._validity_end(supply, name)
        if end is not None and end.last_day >= self._today:
            return False, False
        return True, not dates.maybe_within(authored, limit, self._today)

    def _statement(self, statement: Medication, name: str) -> _Standing:
        status, period = statement.status, statement.effectivePeriod
        start = self._reader.date(period.start, name, "effectivePeriod.start") if period else None
        end = self._reader.date(period.end, name, "effectivePeriod.end") if period else None
        if status in STATEMENT_NOT_TAKEN:
            return _Standing(reasons.status_is(status))
        if end is not None and end.last_day < self._today:
            return _Standing(reasons.PERIOD_OVER, ended=True)
        if status in STATEMENT_ENDED:
            return _Standing(reasons.status_is(status), ended=True)
        if start is not None and start.first_day > self._today and status != "active":
            return _Standing(reasons.PERIOD_NOT_BEGUN)
        begun = start is None or start.last_day <= self._today
        lasts = end is None or end.first_day >= self._today
        covers = begun and lasts and (start is not None or end is not None)
        return _Standing(unclear=status != "active" and not covers)


def _is_reported(request: Medication) -> bool:
    """Whether a plan or proposal records a medicine that the patient already takes (US Core)."""
    reported = request.reportedBoolean is True or is_there(request.reportedReference)
    return reported and request.intent in REPORTED


def _is_supplement(drug: Drug) -> bool:
    return drug.magnesium is not None and drug.magnesium.subtype == SUPPLEMENT


def _evidence(identity: Identity, drug: Drug, name: str, since: dates.When | None) -> Evidence:
    coding = identity.coding
    return Evidence(
        resource=name,
        system=coding.system if coding else None,
        code=coding.code if coding else None,
        display=identity.label,
        date=since.written if since else None,
        matched=drug.matched,
        note=reasons.CODE_AND_WORDS_DIFFER if drug.contradictory else None,
    )


def magnesium_uses(uses: Iterable[MedicationUse]) -> list[MedicationUse]:
    """The uses of products that contain magnesium."""
    return [use for use in uses if MAGNESIUM in use.drug.classes]
