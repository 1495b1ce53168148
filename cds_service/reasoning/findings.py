"""What the rules find in a chart: indication, risk factors, blocks and cautions, each as a fact.

The class reads nothing until it is asked and asks nothing twice, so that a call that is settled
early costs little; `/explain` asks everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from cds_service.chart import dates
from cds_service.chart.chart import Chart
from cds_service.chart.conditions import Problem
from cds_service.chart.evidence import Evidence, Fact, FactState, Gap, fact
from cds_service.chart.medications import MedicationUse, magnesium_uses
from cds_service.knowledge.drugs import COMBINATION, MAGNESIUM, SPARING, WASTING
from cds_service.knowledge.model import RiskRow, WastingRow
from cds_service.knowledge.terminology import SetCode
from cds_service.reasoning import kidney, magnesium, renal_risk
from cds_service.reasoning.decision import Kidney, MagnesiumState, SerumMagnesium
from cds_service.reasoning.renal_risk import MEDICATION_KEYS

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


class Findings:
    """The facts of one chart. `beside` is what is not known of the orders of the call."""

    def __init__(self, chart: Chart, beside: tuple[Gap, ...] = ()) -> None:
        self.chart = chart
        self._beside = beside
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
        found = [
            use.evidence
            for use in self.chart.medications
            if use.regular
            and use.oral
            and not use.of(COMBINATION)
            and any(use.of(drug_class) for drug_class in WASTING)
        ]
        return fact(row.id, found, self.chart.gaps(*MEDICATION_KEYS))

    def _ppi_risk(self, row: RiskRow) -> Fact:
        days = self._parameters.ppi.min_days
        found = [
            use.evidence
            for use in self.chart.medications
            if use.of("ppi")
            and use.oral
            and use.regular
            and use.since is not None
            and use.since.days_ago_at_least(self.chart.today) >= days
        ]
        return fact(row.id, found, self.chart.gaps(*MEDICATION_KEYS))

    def _hypomagnesaemia_risk(self, row: RiskRow) -> Fact:
        found = [p.evidence[row.valueset] for p in self._counting(row.valueset)]
        low = self.magnesium.state in (MagnesiumState.LOW, MagnesiumState.SEVERE_LOW)
        if low and self.magnesium.evidence is not None:
            found.append(self.magnesium.evidence)
        return fact(row.id, found, self.chart.gaps("conditions", "magnesiumLabs"))

    def _wasting_risk(self, row: RiskRow) -> Fact:
        found = [
            use.evidence
            for drug in self._policy.wasting_drugs
            for use in self.chart.medications
            if self._wastes(use, drug)
        ]
        return fact(row.id, found, self.chart.gaps(*MEDICATION_KEYS))

    def _wastes(self, use: MedicationUse, row: WastingRow) -> bool:
        if not use.of(row.drug_class) or use.route not in row.routes or not use.regular:
            return False
        if row.ingredients and not set(row.ingredients) & set(use.drug.ingredients):
            return False
        windows = {
            "oncology": self._parameters.risk.oncology_days,
            "antiinfective": self._parameters.risk.antiinfective_days,
        }
        days = windows.get(row.window)
        return days is None or dates.within(use.since, days, self.chart.today)

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
        return kidney.assess(self.chart)

    @cached_property
    def magnesium(self) -> SerumMagnesium:
        """The serum magnesium."""
        return magnesium.assess(self.chart)

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

    # -- magnesium taken now -----------------------------------------------------------------

    @cached_property
    def oral_magnesium(self) -> tuple[MedicationUse, ...]:
        """Every oral product with magnesium taken now, as needed or not (SPEC 6.1, 11.12)."""
        return tuple(
            use
            for use in magnesium_uses(self.chart.medications)
            if use.oral and subtype_of(use) in ORAL_MAGNESIUM
        )

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

    # -- blocks ------------------------------------------------------------------------------

    def safety(self, fact_id: str, set_id: str, grade: str = "") -> Fact:
        """A safety condition: active, provisional ones included (SPEC 1, 4.2)."""
        found = [
            p.evidence[set_id]
            for p in kidney.safety_problems(self.chart, set_id)
            if not grade or any(e.grade == grade for e in p.hits[set_id])
        ]
        return fact(fact_id, found, self.chart.gaps("conditions"))

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
        if diagnosed.present or not self.magnesium.unknown:
            return diagnosed
        return Fact("hypermagnesaemia", FactState.UNKNOWN, why="serum magnesium is not known")

    @cached_property
    def allergy(self) -> Fact:
        """A recorded allergy or intolerance to magnesium (B6)."""
        return fact(
            "allergy_magnesium", self.chart.allergies.magnesium, self.chart.gaps("allergies")
        )

    @cached_property
    def pregnancy(self) -> Fact:
        """Pregnancy by diagnosis within its window, or by recorded status (B8)."""
        days = self._parameters.pregnancy.lookback_days
        found = [
            p.evidence["pregnancy"]
            for p in kidney.safety_problems(self.chart, "pregnancy")
            if p.when is None
            or dates.maybe_within(p.when, days, self.chart.today)
            or dates.maybe_within(p.recorded, days, self.chart.today)
        ]
        status = self.chart.pregnancy_status
        if status is not None:
            found.append(status)
        return fact("pregnancy", found, self.chart.gaps("conditions", "pregnancyStatus"))

    @cached_property
    def transplant(self) -> Fact:
        """A kidney transplant (B10)."""
        return self.safety("transplant", "renal_transplant")

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
            for p in kidney.safety_problems(self.chart, "risk_gi_malabsorption")
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
        """Everything that could not be had, by prefetch key, and of the orders of the call."""
        missing = self.chart.gaps(
            "conditions",
            "medicationRequests",
            "medicationStatements",
            "allergies",
            "kidneyLabs",
            "magnesiumLabs",
            "pregnancyStatus",
            "kidneyProcedures",
        )
        return (*missing, *self._beside)


def drug_words(use: MedicationUse) -> str:
    """What a drug is called: its one ingredient, else what the order says."""
    return use.drug.ingredients[0] if len(use.drug.ingredients) == 1 else use.label


def subtype_of(use: MedicationUse) -> str:
    """What a magnesium product is for; "" for other drugs."""
    return use.drug.magnesium.subtype if use.drug.magnesium is not None else ""


__all__ = ["MAGNESIUM", "Findings", "subtype_of"]
