"""What the rules find in a chart: indication, risk factors, blocks and cautions, each as a fact.

The class reads nothing until it is asked and asks nothing twice, so that a call that is settled
early costs little; `/explain` asks everything.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from datetime import date
from functools import cached_property

from cds_service.chart import dates
from cds_service.chart.chart import DRAFTS, Chart
from cds_service.chart.conditions import Problem
from cds_service.chart.dosage import DailyDose, daily_elemental
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, fact
from cds_service.chart.medications import MedicationUse, magnesium_uses
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, SPARING, WASTING
from cds_service.knowledge.model import RiskRow, WastingRow
from cds_service.knowledge.terminology import SetCode
from cds_service.reasoning import kidney, magnesium, renal_risk
from cds_service.reasoning.decision import Kidney, KidneyClass, MagnesiumState, SerumMagnesium
from cds_service.reasoning.renal_risk import MEDICATION_KEYS, safety_problems

ORAL_MAGNESIUM = frozenset(
    {
        "supplement",
        "antacid",
        "laxative",
        "laxative-antacid",
        "bowel-prep",
        "multivitamin",
        "analgesic-salicylate",
    }
)
ADDITIVE = frozenset({"antacid", "laxative", "laxative-antacid", "bowel-prep", "multivitamin"})
HIGH_STATES = frozenset(
    {MagnesiumState.SLIGHTLY_HIGH, MagnesiumState.HIGH, MagnesiumState.CRITICAL_HIGH}
)

CHART_KEYS = (
    "patient",
    "conditions",
    "medicationRequests",
    "medicationStatements",
    "allergies",
    "kidneyLabs",
    "magnesiumLabs",
    "pregnancyStatus",
    "kidneyProcedures",
)
SAFETY_SETS = (
    "renal",
    "renal_transplant",
    "safety_neuromuscular",
    "safety_heart_block",
    "safety_bowel_obstruction",
    "pregnancy",
)
"""Sets of which a condition that cannot be read is not passed over (SPEC 12.1 U-7)."""
NOT_ASKED_OF_TAKEN = frozenset(
    {
        "migraine_acute",
        "migraine_preventive_specific",
        "migraine_preventive_nonspecific",
        "sglt2_inhibitor",
    }
)
"""Classes of drugs of which no rule asks whether they are taken."""


class Findings:
    """The facts of one chart."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._met: dict[Gap, None] = {}
        self._parameters = chart.knowledge.parameters
        self._policy = chart.knowledge.policy

    # -- who ---------------------------------------------------------------------------------

    @cached_property
    def age(self) -> int | None:
        """Completed years; where the birthDate is not exact, the lower one (it decides on 18)."""
        return self.chart.person.age_at_least(self.chart.today)

    @cached_property
    def oldest_age(self) -> int | None:
        """Completed years at most: it decides on 65."""
        return self.chart.person.age_at_most(self.chart.today)

    @cached_property
    def adult(self) -> Fact:
        """Whether the patient is surely 18 or older (B7)."""
        if self.age is None:
            return Fact("adult", FactState.UNKNOWN, why="no usable birthDate")
        state = FactState.PRESENT if self.age >= self._parameters.age.adult else FactState.ABSENT
        evidence = Evidence(
            self.chart.person.resource, value=str(self.age), unit="a", matched="value"
        )
        return Fact("adult", state, (evidence,))

    @property
    def elderly(self) -> bool:
        """Whether the patient may be 65 or older (C2)."""
        return self.oldest_age is not None and self.oldest_age >= self._parameters.age.elderly

    # -- indication --------------------------------------------------------------------------

    @cached_property
    def migraine(self) -> Fact:
        """An active, confirmed diagnosis of migraine (SPEC 1)."""
        found = [
            p.evidence["migraine"]
            for p in self._counting("migraine", exclude="migraine_exclude")
            if any(e.qualifies for e in p.hits["migraine"])
        ]
        return fact("migraine", found, self.chart.gaps("conditions"))

    @cached_property
    def menstrual(self) -> Fact:
        """A menstrual subtype of a migraine that counts."""
        found = [
            p.evidence["migraine"]
            for p in self._counting("migraine", exclude="migraine_exclude")
            if any(e.qualifies and "menstrual" in e.subtype for e in p.hits["migraine"])
        ]
        return fact("menstrual_migraine", found, self.chart.gaps("conditions"))

    @cached_property
    def risks(self) -> tuple[Fact, ...]:
        """RF1 to RF8 (SPEC 2), in the order of the table."""
        rows = self._policy.risk_factors
        extended = self._parameters.risk.extended_factors
        return tuple(self._risk(row) for row in rows if extended or not row.extension)

    @property
    def present_risks(self) -> tuple[Fact, ...]:
        """The risk factors that the chart shows."""
        return tuple(r for r in self.risks if r.present)

    @property
    def indicated(self) -> bool:
        """Any risk factor, or a menstrual pattern, which qualifies alone (SPEC 6)."""
        alone = self._parameters.migraine.menstrual_qualifies_alone and self.menstrual.present
        return alone or any(r.present for r in self.risks)

    def risk_label(self, risk: Fact) -> str:
        """What a risk factor is called in a summary."""
        row = next(r for r in self._policy.risk_factors if r.id == risk.id)
        for problem in self.chart.problems.of(row.valueset):
            entries = problem.hits[row.valueset]
            if row.labels and problem.evidence[row.valueset] in risk.evidence:
                return row.labels.get(entries[0].tier, row.label)
        if row.kind in ("diuretic", "wasting-drug"):
            named = next(u for u in self.chart.medications if u.evidence == risk.evidence[0])
            return drug_words(named)
        return row.label

    def _risk(self, row: RiskRow) -> Fact:
        finders: dict[str, Callable[[RiskRow], Fact]] = {
            "condition": self._condition_risk,
            "diuretic": self._diuretic_risk,
            "ppi": self._ppi_risk,
            "hypomagnesaemia": self._hypomagnesaemia_risk,
            "wasting-drug": self._wasting_risk,
        }
        return finders[row.kind](row)

    def _condition_risk(self, row: RiskRow) -> Fact:
        found = [
            p.evidence[row.valueset]
            for p in self._counting(row.valueset, row.exclude, past_events=True)
            if any(self._entry_counts(row, e) for e in p.hits[row.valueset])
        ]
        return fact(row.id, found, self.chart.gaps("conditions"))

    def _entry_counts(self, row: RiskRow, entry: SetCode) -> bool:
        if row.valueset == "risk_alcohol" and entry.tier == "abuse":
            return self._parameters.alcohol.abuse_counts
        return entry.qualifies

    def _diuretic_risk(self, row: RiskRow) -> Fact:
        def counts(use: MedicationUse) -> bool:
            wastes = not use.of(COMBINATION) and any(use.of(c) for c in WASTING)
            return wastes and use.regular and use.oral and not use.course_over

        return self._from_uses(row.id, counts)

    def _ppi_risk(self, row: RiskRow) -> Fact:
        days = self._parameters.ppi.min_days

        def counts(use: MedicationUse) -> bool:
            taken = use.of("ppi") and use.oral and use.regular and not use.course_over
            return taken and self._days_proven(use) >= days

        return self._from_uses(row.id, counts)

    def _days_proven(self, use: MedicationUse) -> int:
        """Days that a medicine was surely taken: from its start to today, or to the end of its course."""
        if use.since is None:
            return -1
        today = self.chart.today
        until = today if use.course_end is None else min(today, use.course_end)
        return use.since.days_ago_at_least(until)

    def _hypomagnesaemia_risk(self, row: RiskRow) -> Fact:
        found = [p.evidence[row.valueset] for p in self._counting(row.valueset)]
        low = self.magnesium.state in (MagnesiumState.LOW, MagnesiumState.SEVERE_LOW)
        if low and self.magnesium.evidence is not None:
            found.append(self.magnesium.evidence)
        gaps = (*self.chart.gaps("conditions", "magnesiumLabs"), *self.magnesium.gaps)
        return fact(row.id, found, gaps)

    def _wasting_risk(self, row: RiskRow) -> Fact:
        return self._from_uses(
            row.id, lambda use: any(self._wastes(use, drug) for drug in self._policy.wasting_drugs)
        )

    @cached_property
    def anti_egfr(self) -> tuple[MedicationUse, ...]:
        """Antibodies against EGFR among what counts as RF8 (SPEC 12.4 M-17)."""
        counted = {e for r in self.present_risks for e in r.evidence}
        return tuple(
            use
            for use in self.chart.medications
            if use.evidence in counted and set(use.drug.ingredients) & set(self._policy.anti_egfr)
        )

    def _wastes(self, use: MedicationUse, row: WastingRow) -> bool:
        if not use.of(row.drug_class) or use.route not in row.routes:
            return False
        if not use.regular:
            return False
        if row.ingredients and not set(row.ingredients) & set(use.drug.ingredients):
            return False
        windows = {
            "oncology": self._parameters.risk.oncology_days,
            "antiinfective": self._parameters.risk.antiinfective_days,
        }
        days = windows.get(row.window)
        if days is None:
            return not use.course_over
        # What it wastes outlasts the course: the window runs from its start (SPEC 11.13).
        return dates.within(use.since, days, self.chart.today)

    def _counting(
        self, set_id: str, exclude: str = "", past_events: bool = False
    ) -> Iterable[Problem]:
        """Problems of a set that count for an indication: active and confirmed, never excluded.

        With `past_events`, what is over still counts where the set says so (an old infarction).
        """
        for problem in self.chart.problems.of(set_id):
            entries = problem.hits[set_id]
            if not problem.confirmed or (exclude and exclude in problem.hits):
                continue
            past = (
                past_events
                and problem.past_event
                and any("past-event" in e.subtype for e in entries)
            )
            if problem.active or past:
                yield problem

    # -- kidney and magnesium ----------------------------------------------------------------

    @cached_property
    def kidney(self) -> Kidney:
        """The kidney class."""
        found = kidney.assess(self.chart)
        self._noted(found.gaps)
        return found

    @cached_property
    def magnesium(self) -> SerumMagnesium:
        """The serum magnesium."""
        found = magnesium.assess(self.chart)
        self._noted(found.gaps)
        return found

    @property
    def magnesium_high(self) -> bool:
        """Whether the latest serum magnesium is above its limit."""
        return self.magnesium.state in HIGH_STATES

    @cached_property
    def renal_risks(self) -> tuple[Fact, ...]:
        """Features that make unknown kidney function a risk (SPEC 3.3, 12.3)."""
        return renal_risk.features(self.chart)

    @property
    def renal_risk(self) -> bool:
        """Whether a renal-risk feature is present, or could not be looked for."""
        return any(f.state != FactState.ABSENT for f in self.renal_risks)

    def dose_of(self, use: MedicationUse) -> DailyDose:
        """The elemental magnesium a day of an order or statement."""
        knowledge = self.chart.knowledge
        return daily_elemental(use, knowledge.drugs, knowledge.dosage)

    # -- magnesium taken now -----------------------------------------------------------------

    @cached_property
    def oral_magnesium(self) -> tuple[MedicationUse, ...]:
        """Every oral product with magnesium taken now, as needed or not (SPEC 6.1, 11.12)."""
        return tuple(u for u in magnesium_uses(self.chart.medications) if is_oral_magnesium(u))

    @cached_property
    def supplements(self) -> tuple[MedicationUse, ...]:
        """Scheduled magnesium supplements (B9)."""
        return tuple(
            use for use in self.oral_magnesium if use.regular and subtype_of(use) == "supplement"
        )

    @cached_property
    def supplement(self) -> Fact:
        """Whether a scheduled supplement is taken."""
        return fact(
            "current_magnesium",
            [use.evidence for use in self.supplements],
            self.chart.gaps(*MEDICATION_KEYS),
        )

    @cached_property
    def stopped(self) -> tuple[MedicationUse, ...]:
        """Magnesium supplements that may have been stopped recently (SPEC 12.4 M-15).

        The end of a period counts, else the day it was ordered; without either it may be recent.
        """
        stopped = (*self.chart.requests.stopped, *self.chart.statements.stopped)
        return tuple(use for use in stopped if self._is_recent(use.ended or use.since))

    def _is_recent(self, end: dates.When | None) -> bool:
        """Whether something that was stopped then, or nobody knows when, still counts."""
        months = self._parameters.medication.stopped_within_months
        return end is None or end.last_day >= months_before(self.chart.today, months)

    @cached_property
    def stopped_before(self) -> Fact:
        """Whether a magnesium supplement was tried and stopped."""
        found = [use.evidence for use in self.stopped]
        gaps = (*self.chart.gaps(*MEDICATION_KEYS), *self._lost_stopped())
        return fact("stopped_magnesium", found, gaps)

    def _lost_stopped(self) -> tuple[Gap, ...]:
        """Medicines that were stopped recently and may have been magnesium: nobody can identify them."""
        parts = {
            "medicationRequests": self.chart.requests.lost_stopped,
            "medicationStatements": self.chart.statements.lost_stopped,
        }
        return self._noted(
            Gap(key, "has a stopped medication that nobody can identify")
            for key, ends in parts.items()
            if any(map(self._is_recent, ends))
        )

    def _from_uses(self, fact_id: str, counts: Callable[[MedicationUse], bool]) -> Fact:
        """A fact that rests on medicines; one whose status is not clear leaves it unknown."""
        found = [use.evidence for use in self.chart.medications if counts(use)]
        gaps = self.chart.gaps(*MEDICATION_KEYS)
        return fact(fact_id, found, (*gaps, *self._unclear(counts)))

    def _unclear(self, counts: Callable[[MedicationUse], bool]) -> tuple[Gap, ...]:
        """What is not known for medicines whose status does not say whether they are taken."""
        parts = {
            "medicationRequests": self.chart.requests.unclear,
            "medicationStatements": self.chart.statements.unclear,
        }
        return self._noted(
            Gap(key, f"has {use.label} with a status that is not clear")
            for key, uses in parts.items()
            for use in uses
            if counts(use)
        )

    def _noted(self, gaps: Iterable[Gap]) -> tuple[Gap, ...]:
        """Remembers what was found to be missing beside whole keys."""
        found = tuple(gaps)
        self._met.update(dict.fromkeys(found))
        return found

    # -- blocks ------------------------------------------------------------------------------

    def safety(self, fact_id: str, set_id: str, grade: str = "") -> Fact:
        """A safety condition: active, provisional ones included (SPEC 1, 4.2)."""
        found = [
            p.evidence[set_id]
            for p in safety_problems(self.chart, set_id)
            if not grade or any(e.grade == grade for e in p.hits[set_id])
        ]
        return fact(fact_id, found, (*self.chart.gaps("conditions"), *self._unread(set_id)))

    def _unread(self, set_id: str) -> tuple[Gap, ...]:
        """Conditions that cannot be read and whose words name a safety set (SPEC 12.1 U-7)."""
        return self._noted(
            Gap(
                "conditions", f"holds a diagnosis that cannot be read: {evidence.display or set_id}"
            )
            for evidence in self.chart.problems.unread_of(set_id)
        )

    @cached_property
    def heart_block(self) -> Fact:
        """High-grade AV block without a pacemaker (B2)."""
        block = self.safety("heart_block", "safety_heart_block", "high")
        paced = self.safety("pacemaker", "safety_pacemaker")
        if block.present and paced.present:
            why = f"{block.evidence[0].resource} is met by a pacemaker"
            return Fact("heart_block", FactState.ABSENT, why=why)
        return block

    @cached_property
    def neuromuscular(self) -> Fact:
        """A disease of the neuromuscular junction (B3)."""
        return self.safety("neuromuscular", "safety_neuromuscular")

    @cached_property
    def bowel_obstruction(self) -> Fact:
        """Bowel obstruction or ileus (B4)."""
        return self.safety("bowel_obstruction", "safety_bowel_obstruction")

    @cached_property
    def hypermagnesaemia(self) -> Fact:
        """Hypermagnesaemia by diagnosis or by result (B5)."""
        diagnosed = self.safety("hypermagnesaemia", "safety_hypermagnesemia")
        if self.magnesium_high and self.magnesium.evidence is not None:
            evidence = (self.magnesium.evidence, *diagnosed.evidence)
            return Fact("hypermagnesaemia", FactState.PRESENT, evidence)
        if diagnosed.present or not (self.magnesium.unknown or self.magnesium.gaps):
            return diagnosed
        return Fact("hypermagnesaemia", FactState.UNKNOWN, why="serum magnesium is not known")

    @cached_property
    def slightly_high(self) -> bool:
        """Magnesium a little above its limit with normal kidneys and no diagnosis (M-11)."""
        return (
            self.magnesium.state is MagnesiumState.SLIGHTLY_HIGH
            and self.kidney.kidney_class is KidneyClass.NORMAL
            and not self.safety("hypermagnesaemia", "safety_hypermagnesemia").present
        )

    @cached_property
    def allergy(self) -> Fact:
        """A recorded allergy or intolerance to magnesium, but for those of the gut alone (B6)."""
        gut = set(self.chart.allergies.gut)
        found = [e for e in self.chart.allergies.magnesium if e not in gut]
        return fact("allergy_magnesium", found, self.chart.gaps("allergies"))

    @cached_property
    def gut_intolerance(self) -> Fact:
        """A reaction to magnesium that was limited to the gut (SPEC 12.4 M-12)."""
        return fact("gut_intolerance", self.chart.allergies.gut, self.chart.gaps("allergies"))

    @cached_property
    def pregnancy(self) -> Fact:
        """Pregnancy by diagnosis within its window, or by recorded status (B8)."""
        days = self._parameters.pregnancy.lookback_days
        found = [
            p.evidence["pregnancy"]
            for p in safety_problems(self.chart, "pregnancy")
            if p.when is None
            or dates.maybe_within(p.when, days, self.chart.today)
            or dates.maybe_within(p.recorded, days, self.chart.today)
        ]
        status = self.chart.pregnancy_status
        if status is not None:
            found.append(status)
        gaps = self.chart.gaps("conditions", "pregnancyStatus")
        return fact("pregnancy", found, (*gaps, *self._unread("pregnancy")))

    @cached_property
    def transplant(self) -> Fact:
        """A kidney transplant, on the problem list or as a procedure (B10, SPEC 12.3 K-1)."""
        listed = self.safety("transplant", "renal_transplant")
        found = [*listed.evidence, *self.chart.procedures.of("renal_transplant_procedure")]
        gaps = self.chart.gaps("conditions", "kidneyProcedures")
        return fact("transplant", found, (*gaps, *self._unread("renal_transplant")))

    @cached_property
    def blocks(self) -> tuple[Fact, ...]:
        """What silences a suggestion: B2 to B10 but for the kidney class (SPEC 6)."""
        return (
            self.pregnancy,
            self.supplement,
            self.heart_block,
            self.neuromuscular,
            self.bowel_obstruction,
            self.hypermagnesaemia,
            self.allergy,
            self.transplant,
        )

    # -- cautions ----------------------------------------------------------------------------

    @cached_property
    def slow_conduction(self) -> Fact:
        """Sinus bradycardia, sick sinus, low-grade or unspecified AV block (C4)."""
        grades = ("low", "sinus")
        found = [e for g in grades for e in self.safety("", "safety_heart_block", g).evidence]
        paced = self.safety("pacemaker", "safety_pacemaker").present
        return fact("bradycardia", [] if paced else found, self.chart.gaps("conditions"))

    @cached_property
    def diarrhoea(self) -> Fact:
        """Diarrhoea-prone conditions and inflammatory bowel disease (C6)."""
        found = list(self.safety("", "caution_diarrhoea").evidence)
        found += [
            p.evidence["risk_gi_malabsorption"]
            for p in safety_problems(self.chart, "risk_gi_malabsorption")
            if any(e.tier == "ibd" for e in p.hits["risk_gi_malabsorption"])
        ]
        return fact("diarrhoea", found, self.chart.gaps("conditions"))

    def taking(self, drug_class: str) -> tuple[MedicationUse, ...]:
        """The uses of a drug class by a systemic route."""
        return tuple(u for u in self.chart.medications if u.of(drug_class) and u.oral)

    @cached_property
    def sparing(self) -> tuple[MedicationUse, ...]:
        """Potassium-sparing drugs, fixed combinations included (C3, 11.2)."""
        return tuple(
            u for u in self.chart.medications if u.oral and (u.of(SPARING) or u.of(COMBINATION))
        )

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Everything that is not known, each prefetch key once, and of the orders of the call."""
        results = [*self.kidney.gaps, *self.magnesium.gaps]
        unread = [gap for set_id in SAFETY_SETS for gap in self._unread(set_id)]
        if unread:  # it is said in its own words
            results = [gap for gap in results if gap.why != renal_risk.UNREAD]
        # Last, since reading a result or a dose can show that it cannot be read.
        chart, drafts = self.chart.gaps(*CHART_KEYS), self.chart.gaps(DRAFTS)
        unclear = (*self._unclear(matters), *self._lost_stopped())
        return merged((*chart, *results, *unread, *unclear, *drafts))

    def gaps_met(self) -> tuple[Gap, ...]:
        """What turned out to be missing of what was asked for so far; asks for nothing more."""
        return merged((*self.chart.gaps_met(), *self._met))


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Each key once, with all reasons."""
    whys: dict[str, dict[str, None]] = {}
    withheld: dict[str, dict[str, None]] = {}
    for gap in gaps:
        whys.setdefault(gap.key, {})[gap.why] = None
        withheld.setdefault(gap.key, {}).update(dict.fromkeys(gap.withheld))
    return tuple(Gap(key, "; ".join(why), tuple(withheld[key])) for key, why in whys.items())


def matters(use: MedicationUse) -> bool:
    """Whether a fact or a check could follow from a medicine that is taken."""
    return any(c not in NOT_ASKED_OF_TAKEN for c in use.drug.classes)


def months_before(day: date, months: int) -> date:
    """The day so many months before; at the end of a shorter month its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def is_oral_magnesium(use: MedicationUse) -> bool:
    """Whether it is a product with magnesium by mouth that the rules know."""
    return use.oral and subtype_of(use) in ORAL_MAGNESIUM


def drug_words(use: MedicationUse) -> str:
    """What a drug is called: its one ingredient, else what the order says."""
    return use.drug.ingredients[0] if len(use.drug.ingredients) == 1 else use.label


def subtype_of(use: MedicationUse) -> str:
    """What a magnesium product is for; "" for other drugs."""
    return use.drug.magnesium.subtype if use.drug.magnesium is not None else ""


__all__ = ["MAGNESIUM", "Findings", "subtype_of"]
