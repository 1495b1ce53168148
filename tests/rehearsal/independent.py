"""An invented population, and the rows that its rehearsal must give.

The expectations are worked out by hand from the clinical specification (sections 2 to 6, 12, 6.8 and 13) by
somebody who had not read the program. Every patient is one small case about one sentence of section 13. Where
the sentence can be read in two ways, the case says so in ``reading``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Resource = dict[str, Any]
Row = tuple[str, str, str | None]

AS_OF = "2026-01-15"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFIED = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
ALLERGY_VERIFIED = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"

MIGRAINE = "G43.009"
DIABETES = "E11.9"
DIALYSIS = "Z99.2"

OXIDE = ("198741", "magnesium oxide 400 MG Oral Tablet")  # 241 mg elemental
GLYCINATE = ("849497", "magnesium glycinate 100 MG Oral Tablet")
THIAZIDE = ("310798", "hydrochlorothiazide 25 MG Oral Tablet")
OMEPRAZOLE = ("198051", "omeprazole 20 MG Delayed Release Oral Capsule")
TOPIRAMATE = ("199888", "topiramate 25 MG Oral Tablet")

SUGGEST = "mg-suggest"
REDUCED = "mg-suggest-reduced"
AVOID = "mg-avoid-renal"
CHECK = "mg-check-renal"
HAZARD = "mg-hazard-renal"
CRITICAL = "rx-mg-renal-critical"
DOSE = "rx-mg-dose"
DUPLICATE = "rx-mg-duplicate"
ALLERGY = "rx-mg-allergy"
WITH_DIURETIC = "mg-with-diuretic"
WITH_PREVENTIVE = "mg-with-preventive"

COUNTED_STATUSES = ("finished", "in-progress", "arrived", "triaged", "onleave")
UNCOUNTED_STATUSES = ("planned", "cancelled", "entered-in-error", "unknown")


def concept(system: str, code: str, display: str = "") -> Resource:
    """Return a CodeableConcept with one coding."""
    coding = {"system": system, "code": code}
    if display:
        coding["display"] = display
    return {"coding": [coding]}


class Case:
    """One patient: the resources that are exported and the rows that are expected."""

    def __init__(
        self,
        name: str,
        why: str,
        *,
        birth: str = "1980-03-03",
        sex: str = "female",
        absolute: bool = False,
    ) -> None:
        """Start a case with its Patient. ``absolute`` makes its references absolute URLs."""
        self.name = name
        self.why = why
        self.reading = ""
        self.rows: list[Row] = []
        self.resources: list[Resource] = []
        self._count = 0
        self._base = "https://ehr.example/fhir/" if absolute else ""
        self.patient: Resource = {
            "resourceType": "Patient",
            "id": name,
            "gender": sex,
            "birthDate": birth,
        }
        self.resources.append(self.patient)

    def _add(self, kind: str, **members: Any) -> Resource:
        """Add one resource with a fresh id and return it."""
        self._count += 1
        resource = {"resourceType": kind, "id": f"{self.name}-{self._count:02d}", **members}
        self.resources.append(resource)
        return resource

    def _subject(self) -> Resource:
        """Return the reference to the patient."""
        return {"reference": f"{self._base}Patient/{self.name}"}

    def condition(
        self,
        code: str,
        status: str | None = "active",
        category: str = "problem-list-item",
        **members: Any,
    ) -> None:
        """Add a confirmed Condition. Its dates are given as FHIR members."""
        resource = self._add(
            "Condition",
            subject=self._subject(),
            code=concept(ICD, code),
            verificationStatus=concept(VERIFIED, "confirmed"),
            category=[concept(CATEGORY, category)],
            **members,
        )
        if status:
            resource["clinicalStatus"] = concept(CLINICAL, status)

    def lab(
        self, loinc: str, value: float, unit: str, status: str = "final", **members: Any
    ) -> None:
        """Add a laboratory result. Its dates are given as FHIR members."""
        quantity = {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        }
        self._add(
            "Observation",
            status=status,
            subject=self._subject(),
            code=concept(LOINC, loinc),
            valueQuantity=quantity,
            **members,
        )

    def egfr(
        self, value: float, when: str | None = None, status: str = "final", **members: Any
    ) -> None:
        """Add an eGFR (CKD-EPI 2021). ``when`` is a short form of effectiveDateTime."""
        if when:
            members["effectiveDateTime"] = when
        self.lab("98979-8", value, "mL/min/{1.73_m2}", status, **members)

    def order(
        self,
        product: tuple[str, str],
        authored: str | None,
        status: str = "active",
        intent: str = "order",
        times: int = 1,
        bounds: Resource | None = None,
        by_reference: bool = False,
        **members: Any,
    ) -> str:
        """Add a MedicationRequest of one unit taken ``times`` a day and return its reference."""
        repeat: Resource = {"frequency": times, "period": 1, "periodUnit": "d", **(bounds or {})}
        dosage = {
            "timing": {"repeat": repeat},
            "route": concept(SNOMED, "26643006", "Oral route"),
            "doseAndRate": [
                {
                    "doseQuantity": {
                        "value": 1,
                        "unit": "tablet",
                        "system": "http://unitsofmeasure.org",
                        "code": "{tbl}",
                    }
                }
            ],
        }
        resource = self._add(
            "MedicationRequest",
            status=status,
            intent=intent,
            subject=self._subject(),
            dosageInstruction=[dosage],
            **members,
        )
        if by_reference:
            medication = self._add("Medication", code=concept(RXNORM, *product))
            resource["medicationReference"] = {
                "reference": f"{self._base}Medication/{medication['id']}"
            }
        else:
            resource["medicationCodeableConcept"] = concept(RXNORM, *product)
        if authored:
            resource["authoredOn"] = authored
        return f"MedicationRequest/{resource['id']}"

    def statement(self, product: tuple[str, str], status: str, **members: Any) -> None:
        """Add a MedicationStatement of one unit a day."""
        dosage = {
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
            "route": concept(SNOMED, "26643006", "Oral route"),
        }
        medication = concept(RXNORM, *product)
        self._add(
            "MedicationStatement",
            status=status,
            subject=self._subject(),
            medicationCodeableConcept=medication,
            dosage=[dosage],
            **members,
        )

    def allergy(self, status: str = "active", **members: Any) -> None:
        """Add an allergy to magnesium that is not limited to the gut."""
        self._add(
            "AllergyIntolerance",
            patient=self._subject(),
            type="allergy",
            criticality="high",
            code=concept(RXNORM, "6574", "magnesium"),
            clinicalStatus=concept(ALLERGY_CLINICAL, status),
            verificationStatus=concept(ALLERGY_VERIFIED, "confirmed"),
            reaction=[{"manifestation": [concept(SNOMED, "39579001", "Anaphylaxis")]}],
            **members,
        )

    def procedure(self, code: str, display: str, **members: Any) -> None:
        """Add a completed Procedure."""
        self._add(
            "Procedure",
            status="completed",
            subject=self._subject(),
            code=concept(SNOMED, code, display),
            **members,
        )

    def encounter(
        self, start: str | None, end: str | None = None, kind: str = "AMB", status: str = "finished"
    ) -> None:
        """Add an Encounter without expecting anything of it."""
        period = {name: value for name, value in (("start", start), ("end", end)) if value}
        resource = self._add("Encounter", status=status, subject=self._subject())
        resource["class"] = {"system": ACT, "code": kind}
        if period:
            resource["period"] = period

    def visit(
        self,
        start: str,
        card: str | None,
        kind: str = "AMB",
        status: str = "finished",
        end: str | None = None,
    ) -> None:
        """Add an Encounter and expect ``card`` at its start."""
        self.encounter(start, end, kind, status)
        self.expect("patient-view", start, card)

    def expect(self, hook: str, at: str, *cards: str | None) -> None:
        """Expect one row for each card, or a silent row where the card is ``None``."""
        self.rows.extend((hook, at, card) for card in cards)

    def expect_order(self, at: str, select: str | None, sign: str | None) -> None:
        """Expect the two moments of every new order."""
        self.expect("order-select", at, select)
        self.expect("order-sign", at, sign)

    # Three charts that most cases start from.

    def migraine_chart(self, *, diabetes: bool = True, egfr: bool = True) -> Case:
        """Give migraine, diabetes and a normal eGFR, all known before 2025-01-03: mg-suggest."""
        self.condition(MIGRAINE, recordedDate="2020-01-01")
        if diabetes:
            self.condition(DIABETES, recordedDate="2020-01-01")
        if egfr:
            self.egfr(90, "2025-01-02T08:00:00Z")
        return self

    def dialysis_chart(self) -> Case:
        """Give dialysis since 2020 and no migraine: only magnesium that is taken or ordered gives a card."""
        self.condition(DIALYSIS, recordedDate="2020-01-01")
        return self


class Population:
    """The cases of one export."""

    def __init__(self) -> None:
        """Start without cases."""
        self.cases: list[Case] = []

    def case(self, name: str, why: str, **options: Any) -> Case:
        """Start a new case."""
        self.cases.append(Case(name, why, **options))
        return self.cases[-1]


def conditions(population: Population) -> None:  # noqa: PLR0915 - a list of cases
    """Add cases on row Condition: known from, and holds until."""
    later: dict[str, Resource] = {
        "recorded": {"recordedDate": "2025-06-01", "onsetDateTime": "2019-05-01"},
        "onset": {"onsetDateTime": "2025-06-01"},
        "onset-period": {"onsetPeriod": {"start": "2025-06-01"}},
        "asserted": {"extension": [{"url": ASSERTED, "valueDateTime": "2025-06-01"}]},
    }
    for name, dates in later.items():
        case = population.case(
            f"cond-{name}",
            "known from recordedDate, else onset (start), else condition-assertedDate",
        )
        case.condition(MIGRAINE, **dates)
        case.condition(DIABETES, recordedDate="2020-01-01")
        case.egfr(90, "2025-01-02T08:00:00Z")
        case.visit("2025-05-20T12:00:00Z", None)
        case.visit("2025-06-20T12:00:00Z", SUGGEST)

    case = population.case("cond-undated", "without any date: from the beginning")
    case.condition(MIGRAINE)
    case.condition(DIABETES)
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.visit("2025-01-10T12:00:00Z", SUGGEST)

    for status in ("resolved", "inactive", "remission"):
        case = population.case(f"cond-{status}-abated", "holds until abatement").migraine_chart(
            diabetes=False
        )
        case.condition(DIABETES, status, recordedDate="2020-01-01", abatementDateTime="2025-06-15")
        case.visit("2025-05-20T12:00:00Z", SUGGEST)
        case.visit("2025-07-20T12:00:00Z", None)

        case = population.case(
            f"cond-{status}-updated", f"{status} without an abatement: until meta.lastUpdated"
        ).migraine_chart(diabetes=False)
        case.condition(
            DIABETES,
            status,
            recordedDate="2020-01-01",
            meta={"lastUpdated": "2025-08-01T10:00:00Z"},
        )
        case.visit("2025-07-01T12:00:00Z", SUGGEST)
        case.visit("2025-09-01T12:00:00Z", None)

        case = population.case(
            f"cond-{status}-never", f"{status} without an abatement and without meta: never active"
        ).migraine_chart(diabetes=False)
        case.condition(DIABETES, status, recordedDate="2020-01-01")
        case.visit("2025-07-01T12:00:00Z", None)

    case = population.case(
        "cond-no-status", "1, status test 2: no clinicalStatus counts for 730 days at M"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, None, "encounter-diagnosis", recordedDate="2023-06-01")
    case.visit("2025-03-03T12:00:00Z", SUGGEST)
    case.visit("2025-09-03T12:00:00Z", None)

    case = population.case(
        "cond-old-infarction", "1, status test 4: a past infarction still counts"
    ).migraine_chart(diabetes=False)
    case.condition("I21.4", "resolved", recordedDate="2024-05-01", abatementDateTime="2024-06-01")
    case.visit("2025-05-20T12:00:00Z", SUGGEST)

    case = population.case(
        "cond-ckd4-later", "SEVERE only from the day when stage 4 was recorded"
    ).migraine_chart()
    case.condition("N18.4", recordedDate="2025-06-01")
    case.visit("2025-05-20T12:00:00Z", SUGGEST)
    case.visit("2025-06-20T12:00:00Z", AVOID)

    case = population.case(
        "cond-aki", "3.2: AKI counts for 90 days, and not before it was known"
    ).migraine_chart(egfr=False)
    case.egfr(90, "2025-02-15T08:00:00Z")
    case.condition("N17.9", recordedDate="2025-03-01")
    case.visit("2025-02-20T12:00:00Z", SUGGEST)
    case.visit("2025-03-20T12:00:00Z", AVOID)
    case.visit("2025-07-01T12:00:00Z", SUGGEST)

    case = population.case(
        "cond-aki-abated", "an AKI that is over by M is not active"
    ).migraine_chart(egfr=False)
    case.egfr(90, "2025-02-15T08:00:00Z")
    case.condition("N17.9", "resolved", recordedDate="2025-03-01", abatementDateTime="2025-03-20")
    case.visit("2025-03-10T12:00:00Z", AVOID)
    case.visit("2025-04-05T12:00:00Z", SUGGEST)

    case = population.case(
        "cond-pregnancy", "B8 only from the day when the pregnancy was recorded", birth="1993-03-03"
    ).migraine_chart()
    case.condition("Z34.01", recordedDate="2025-04-01")
    case.visit("2025-03-20T12:00:00Z", SUGGEST)
    case.visit("2025-05-01T12:00:00Z", None)

    case = population.case(
        "cond-same-day-date", "dated on the same day without a time: seen"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, recordedDate="2025-06-10")
    case.visit("2025-06-09T20:00:00Z", None)
    case.visit("2025-06-10T08:00:00Z", SUGGEST)

    case = population.case(
        "cond-same-day-time", "two moments of one day are separate; a time on the day counts"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, recordedDate="2025-06-10T15:00:00Z")
    case.visit("2025-06-10T09:00:00Z", None)
    case.visit("2025-06-10T18:00:00Z", SUGGEST)

    case = population.case(
        "cond-same-instant", "dated at the moment itself is not dated before it"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, recordedDate="2025-06-10T09:00:00Z")
    case.visit("2025-06-10T09:00:00Z", None)
    case.visit("2025-06-10T09:05:00Z", SUGGEST)

    case = population.case(
        "cond-abated-today", "an abatement without a time is the start of its day"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, "resolved", recordedDate="2020-01-01", abatementDateTime="2025-06-10")
    case.visit("2025-06-09T20:00:00Z", SUGGEST)
    case.visit("2025-06-10T12:00:00Z", None)

    case = population.case(
        "cond-old-infarction-undated",
        "a past infarction counts although resolved, from recordedDate",
    ).migraine_chart(diabetes=False)
    case.reading = "Section 1, status test 4, taken before 'else never active' of section 13."
    case.condition("I21.4", "resolved", recordedDate="2025-04-01")
    case.visit("2025-03-20T12:00:00Z", None)
    case.visit("2025-05-20T12:00:00Z", SUGGEST)

    case = population.case(
        "visit-offset-day", "the same day is the day as the moment is written"
    ).migraine_chart(diabetes=False)
    case.reading = (
        "The specification names no time zone: the day is read in the offset of the moment."
    )
    case.condition(DIABETES, recordedDate="2025-06-11")
    case.visit("2025-06-10T22:30:00-05:00", None)
    case.visit("2025-06-11T07:30:00-05:00", SUGGEST)

    case = population.case(
        "visit-date-date", "a visit without a time sees what has the same date without a time"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, recordedDate="2025-06-10")
    case.visit("2025-06-10", SUGGEST)

    case = population.case(
        "visit-date-time", "a visit without a time is the start of its day"
    ).migraine_chart(diabetes=False)
    case.condition(DIABETES, recordedDate="2025-06-10T15:00:00Z")
    case.visit("2025-06-10", None)


def results(population: Population) -> None:  # noqa: PLR0915 - a list of cases
    """Add cases on row Observation."""
    case = population.case(
        "lab-issued-later", "known from issued, not from effective"
    ).migraine_chart()
    case.egfr(22, "2025-03-01T08:00:00Z", issued="2025-03-20T09:00:00Z")
    case.visit("2025-03-10T12:00:00Z", SUGGEST)
    case.visit("2025-03-25T12:00:00Z", AVOID)

    case = population.case("lab-effective", "without issued: from effective").migraine_chart()
    case.egfr(45, "2025-04-01T09:00:00Z")
    case.visit("2025-03-25T12:00:00Z", SUGGEST)
    case.visit("2025-04-05T12:00:00Z", REDUCED)

    case = population.case(
        "lab-period", "without issued: from the end of the effective period"
    ).migraine_chart()
    case.egfr(45, effectivePeriod={"start": "2025-04-01T09:00:00Z", "end": "2025-04-10T09:00:00Z"})
    case.visit("2025-04-05T12:00:00Z", SUGGEST)
    case.visit("2025-04-15T12:00:00Z", REDUCED)

    case = population.case(
        "lab-same-day-date", "a result of the same day without a time is seen"
    ).migraine_chart()
    case.egfr(22, "2025-05-06")
    case.visit("2025-05-05T20:00:00Z", SUGGEST)
    case.visit("2025-05-06T08:00:00Z", AVOID)

    case = population.case(
        "lab-same-day-time", "a result later on the day is not seen"
    ).migraine_chart()
    case.egfr(22, "2025-05-06T14:00:00Z")
    case.visit("2025-05-06T08:00:00Z", SUGGEST)
    case.visit("2025-05-06T16:00:00Z", AVOID)

    case = population.case(
        "lab-same-instant", "a result dated at the moment itself is not dated before it"
    ).migraine_chart()
    case.egfr(22, "2025-05-06T12:00:00Z")
    case.visit("2025-05-06T12:00:00Z", SUGGEST)
    case.visit("2025-05-06T12:05:00Z", AVOID)

    case = population.case("lab-offset", "instants are compared, not their text").migraine_chart()
    case.egfr(22, "2025-05-05T08:00:00-05:00", issued="2025-05-05T10:00:00-05:00")
    case.visit("2025-05-05T14:00:00Z", SUGGEST)
    case.visit("2025-05-05T16:00:00Z", AVOID)

    case = population.case(
        "lab-amended", "an amended result is taken as known in its last form"
    ).migraine_chart()
    case.egfr(22, "2025-05-01T08:00:00Z", "amended", issued="2025-05-01T12:00:00Z")
    case.visit("2025-04-20T12:00:00Z", SUGGEST)
    case.visit("2025-05-10T12:00:00Z", AVOID)

    case = population.case("lab-in-error", "entered in error: as 3.1, never").migraine_chart()
    case.egfr(22, "2025-05-01T08:00:00Z", "entered-in-error")
    case.visit("2025-05-10T12:00:00Z", SUGGEST)

    case = population.case("lab-expires", "eGFR >= 60 counts 365 days before M").migraine_chart(
        egfr=False
    )
    case.egfr(90, "2024-09-01T08:00:00Z")
    case.visit("2025-08-01T12:00:00Z", SUGGEST)
    case.visit("2025-10-01T12:00:00Z", CHECK)

    case = population.case("lab-first", "no result known yet: UNKNOWN").migraine_chart(egfr=False)
    case.egfr(90, "2025-04-01T08:00:00Z")
    case.visit("2025-03-01T12:00:00Z", CHECK)
    case.visit("2025-05-01T12:00:00Z", SUGGEST)

    case = population.case("lab-recovers", "the latest result known at M wins").migraine_chart(
        egfr=False
    )
    case.egfr(45, "2025-03-01T08:00:00Z")
    case.egfr(75, "2025-06-01T08:00:00Z")
    case.visit("2025-04-01T12:00:00Z", REDUCED)
    case.visit("2025-07-01T12:00:00Z", SUGGEST)

    case = population.case(
        "lab-creatinine", "computed eGFR: 68.6, then 24", birth="1975-01-01"
    ).migraine_chart(egfr=False)
    case.lab("2160-0", 1.0, "mg/dL", effectiveDateTime="2025-02-01T08:00:00Z")
    case.lab("2160-0", 2.4, "mg/dL", effectiveDateTime="2025-06-01T08:00:00Z")
    case.visit("2025-03-01T12:00:00Z", SUGGEST)
    case.visit("2025-06-10T12:00:00Z", AVOID)

    case = population.case(
        "lab-magnesium", "a high magnesium blocks for 180 days, once it is known"
    ).migraine_chart()
    case.lab("19123-9", 2.9, "mg/dL", effectiveDateTime="2025-04-01T08:00:00Z")
    case.visit("2025-03-25T12:00:00Z", SUGGEST)
    case.visit("2025-04-20T12:00:00Z", None)
    case.visit("2025-11-01T12:00:00Z", SUGGEST)


def allergies(population: Population) -> None:
    """Add cases on row AllergyIntolerance."""
    dates: dict[str, Resource] = {
        "recorded": {"recordedDate": "2025-05-01", "onsetDateTime": "2010-01-01"},
        "onset": {"onsetDateTime": "2025-05-01"},
    }
    for name, members in dates.items():
        case = population.case(
            f"allergy-{name}", "known from recordedDate, else onset"
        ).migraine_chart()
        case.allergy(**members)
        case.visit("2025-04-20T12:00:00Z", SUGGEST)
        case.visit("2025-05-20T12:00:00Z", None)

    case = population.case("allergy-undated", "without a date: from the beginning").migraine_chart()
    case.allergy()
    case.visit("2025-01-10T12:00:00Z", None)

    case = population.case("allergy-resolved", "as its status says today").migraine_chart()
    case.allergy("resolved", recordedDate="2025-02-01")
    case.visit("2025-04-20T12:00:00Z", SUGGEST)

    case = population.case(
        "allergy-order", "an order before and a refill after the allergy was recorded"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.allergy(recordedDate="2025-05-01")
    case.order(OXIDE, "2025-03-01T12:00:00Z")
    case.expect_order("2025-03-01T12:00:00Z", None, None)
    case.order(OXIDE, "2025-06-01T12:00:00Z")
    case.expect_order("2025-06-01T12:00:00Z", ALLERGY, ALLERGY)
    case.expect("medication-refill", "2025-06-01T12:00:00Z", ALLERGY)


def procedures_and_patients(population: Population) -> None:
    """Add cases on rows Procedure and Patient, and on patients who are not decided."""
    case = population.case(
        "proc-dialysis", "dialysis counts 90 days from performed"
    ).migraine_chart()
    case.procedure("302497006", "Hemodialysis", performedDateTime="2025-06-01T08:00:00Z")
    case.egfr(90, "2025-09-15T08:00:00Z")
    case.visit("2025-05-20T12:00:00Z", SUGGEST)
    case.visit("2025-06-20T12:00:00Z", AVOID)
    case.visit("2025-10-01T12:00:00Z", SUGGEST)

    case = population.case(
        "proc-transplant", "a transplant counts from performed (start)"
    ).migraine_chart()
    case.procedure(
        "70536003",
        "Transplant of kidney",
        performedPeriod={"start": "2025-06-01T08:00:00Z", "end": "2025-06-01T20:00:00Z"},
    )
    case.visit("2025-05-20T12:00:00Z", SUGGEST)
    case.visit("2025-06-01T12:00:00Z", None)
    case.visit("2025-07-20T12:00:00Z", None)

    case = population.case(
        "pat-18", "age at M: 18 on the birthday", birth="2007-06-15"
    ).migraine_chart()
    case.visit("2025-06-14T12:00:00Z", None)
    case.visit("2025-06-15T12:00:00Z", SUGGEST)

    case = population.case(
        "pat-65", "age at M: from 65 a good eGFR counts 183 days (N-4)", birth="1960-07-01"
    ).migraine_chart(egfr=False)
    case.egfr(75, "2024-10-01T08:00:00Z")
    case.visit("2025-06-20T12:00:00Z", SUGGEST)
    case.visit("2025-07-10T12:00:00Z", CHECK)

    case = population.case(
        "pat-died", "deceased only if the date of death is before M"
    ).migraine_chart()
    case.reading = (
        "No sentence says that a patient who has died gets no card: read from 'deceased only if'."
    )
    case.patient["deceasedDateTime"] = "2025-09-01T08:00:00Z"
    case.visit("2025-05-01T12:00:00Z", SUGGEST)
    case.visit("2025-10-01T12:00:00Z", None)

    case = population.case(
        "pat-died-undated", "deceased without a date: not before M"
    ).migraine_chart()
    case.patient["deceasedBoolean"] = True
    case.visit("2025-05-01T12:00:00Z", SUGGEST)

    case = population.case("pat-ruled-out", "neither migraine nor magnesium: not decided, no rows")
    case.condition(DIABETES, recordedDate="2020-01-01")
    case.encounter("2025-05-01T12:00:00Z")
    case.order(OMEPRAZOLE, "2025-05-01T12:00:00Z")


def visits(population: Population) -> None:
    """Add cases on the moments of visits and stays."""
    case = population.case("visit-status", "statuses that count, and that do not").migraine_chart()
    for month, status in enumerate(COUNTED_STATUSES, 2):
        case.visit(f"2025-{month:02d}-03T12:00:00Z", SUGGEST, status=status)
    for month, status in enumerate(UNCOUNTED_STATUSES, 2):
        case.encounter(f"2025-{month:02d}-13T12:00:00Z", kind="AMB", status=status)

    case = population.case(
        "visit-class", "every class counts, virtual too; only inpatient stays have a discharge"
    ).migraine_chart()
    for month, kind in enumerate(("AMB", "VR", "EMER", "HH", "OBSENC"), 2):
        case.visit(
            f"2025-{month:02d}-03T12:00:00Z", SUGGEST, kind, end=f"2025-{month:02d}-04T12:00:00Z"
        )

    case = population.case(
        "visit-no-start", "a visit without a start is no moment"
    ).migraine_chart()
    case.encounter(None)
    case.visit("2025-05-01T12:00:00Z", SUGGEST)

    case = population.case(
        "stay-finished", "discharge is decided at the end of the stay"
    ).migraine_chart()
    case.egfr(22, "2025-04-03T08:00:00Z", issued="2025-04-03T12:00:00Z")
    case.visit("2025-04-01T12:00:00Z", SUGGEST, "IMP", end="2025-04-05T12:00:00Z")
    case.expect("encounter-discharge", "2025-04-05T12:00:00Z", AVOID)

    case = population.case("stay-acute", "inpatient acute is an inpatient class").migraine_chart()
    case.reading = (
        "ACUTE stands below IMP in v3-ActCode; the text says 'inpatient Encounters' only."
    )
    case.visit("2025-04-01T12:00:00Z", SUGGEST, "ACUTE", end="2025-04-05T12:00:00Z")
    case.expect("encounter-discharge", "2025-04-05T12:00:00Z", SUGGEST)

    case = population.case(
        "stay-dates", "a stay with dates only: both ends are the start of their day"
    ).migraine_chart()
    case.egfr(22, "2025-04-05T08:00:00Z")
    case.visit("2025-04-01", SUGGEST, "IMP", end="2025-04-05")
    case.expect("encounter-discharge", "2025-04-05", SUGGEST)

    case = population.case(
        "stay-no-start", "a stay that has an end only has a discharge only"
    ).migraine_chart()
    case.encounter(None, "2025-04-05T12:00:00Z", "IMP")
    case.expect("encounter-discharge", "2025-04-05T12:00:00Z", SUGGEST)

    case = population.case(
        "stay-open", "no end: no discharge; a cancelled stay: nothing"
    ).migraine_chart()
    case.visit("2025-04-01T12:00:00Z", SUGGEST, "IMP", "in-progress")
    case.encounter("2025-06-01T12:00:00Z", "2025-06-03T12:00:00Z", "IMP", "cancelled")

    case = population.case(
        "none-suggest", "without Encounters: one patient-view at as-of"
    ).migraine_chart()
    case.egfr(90, "2025-09-01T08:00:00Z")
    case.reading = "Read for each patient; docs/rehearsal.md reads it for the whole export."
    case.expect("patient-view", AS_OF, SUGGEST)

    case = population.case(
        "none-hazard", "without Encounters: one patient-view at as-of, orders as ever"
    ).dialysis_chart()
    case.order(OXIDE, "2025-05-01T12:00:00Z")
    case.expect_order("2025-05-01T12:00:00Z", CRITICAL, CRITICAL)
    case.reading = "Read for each patient; docs/rehearsal.md reads it for the whole export."
    case.expect("patient-view", AS_OF, HAZARD)


def ends_of_orders(population: Population) -> None:  # noqa: PLR0915 - a list of cases
    """Add cases on row MedicationRequest: until when an order holds.

    Every patient is on dialysis and orders magnesium on 2025-02-01, so the order itself is critical. A
    visit shows mg-hazard-renal exactly while the order holds.
    """
    start = "2025-02-01T12:00:00Z"
    supply_30 = {"value": 30, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
    validity: Resource = {
        "dispenseRequest": {"validityPeriod": {"start": "2025-02-01", "end": "2025-05-31"}}
    }
    repeats: Resource = {
        "dispenseRequest": {"expectedSupplyDuration": supply_30, "numberOfRepeatsAllowed": 3}
    }
    supply_weeks = {
        "value": 4,
        "unit": "weeks",
        "system": "http://unitsofmeasure.org",
        "code": "wk",
    }
    weeks: Resource = {
        "dispenseRequest": {"expectedSupplyDuration": supply_weeks, "numberOfRepeatsAllowed": 4}
    }
    both: Resource = {
        "dispenseRequest": {
            "expectedSupplyDuration": supply_30,
            "validityPeriod": {"end": "2025-12-31"},
        }
    }
    period: Resource = {"bounds": {"boundsPeriod": {"start": "2025-02-01", "end": "2025-05-31"}}}
    duration: Resource = {"bounds": {"boundsDuration": {**supply_30, "value": 60}}}
    table: list[tuple[str, str, Resource, str, str, str]] = [
        # name, status, members, last visit that sees it, first visit that does not, why
        ("validity", "completed", validity, "2025-05-20", "2025-06-15", "dispense validity end"),
        ("bounds", "completed", period, "2025-05-20", "2025-06-15", "bounds end"),
        (
            "bounds-days",
            "completed",
            duration,
            "2025-03-20",
            "2025-04-15",
            "bounds end, given as a duration of 60 days",
        ),
        (
            "supply",
            "completed",
            repeats,
            "2025-05-20",
            "2025-06-15",
            "authoredOn + 30 days x (1 + 3)",
        ),
        ("weeks", "completed", weeks, "2025-06-10", "2025-06-30", "authoredOn + 4 weeks x (1 + 4)"),
        (
            "earliest",
            "completed",
            both,
            "2025-02-20",
            "2025-03-20",
            "the earliest of supply (30 days) and validity (end of the year)",
        ),
        (
            "stopped-supply",
            "stopped",
            repeats,
            "2025-05-20",
            "2025-06-15",
            "stopped, with a supply of 120 days",
        ),
        (
            "completed",
            "completed",
            {},
            "2025-04-20",
            "2025-05-20",
            "completed without any of these: 90 days",
        ),
        (
            "stopped",
            "stopped",
            {},
            "2025-04-20",
            "2025-05-20",
            "stopped without any of these: 90 days",
        ),
        (
            "cancelled",
            "cancelled",
            {},
            "2025-04-20",
            "2025-05-20",
            "cancelled without any of these: 90 days",
        ),
    ]
    for name, status, members, holds, over, why in table:
        case = population.case(f"order-{name}", why).dialysis_chart()
        case.order(OXIDE, start, status, **members)
        case.expect_order(start, CRITICAL, CRITICAL)
        case.visit("2025-01-20T12:00:00Z", None)
        case.visit(f"{holds}T12:00:00Z", HAZARD)
        case.visit(f"{over}T12:00:00Z", None)

    for name, members in {"supply": repeats, "validity": validity}.items():
        case = population.case(
            f"order-active-{name}",
            f"active: open, although its {name} is over (N-8: hazards still count it)",
        ).dialysis_chart()
        case.order(OXIDE, start, **members)
        case.expect_order(start, CRITICAL, CRITICAL)
        case.visit("2025-05-20T12:00:00Z", HAZARD)
        case.visit("2025-06-15T12:00:00Z", HAZARD)
        case.visit("2025-12-15T12:00:00Z", HAZARD)

    case = population.case(
        "order-active", "active: open; magnesium counts at any age (M-9)"
    ).dialysis_chart()
    case.order(OXIDE, "2022-03-01T12:00:00Z")
    case.expect_order("2022-03-01T12:00:00Z", CRITICAL, CRITICAL)
    case.visit("2025-04-01T12:00:00Z", HAZARD)
    case.visit("2025-12-01T12:00:00Z", HAZARD)

    case = population.case(
        "order-active-730", "active: open, but a diuretic counts for 730 days (section 2)"
    ).migraine_chart(diabetes=False)
    case.order(THIAZIDE, "2022-03-01T12:00:00Z")
    case.expect_order("2022-03-01T12:00:00Z", WITH_DIURETIC, None)
    case.visit("2023-06-01T12:00:00Z", CHECK)
    case.visit("2025-06-01T12:00:00Z", None)

    case = population.case("order-undated", "without authoredOn: never").dialysis_chart()
    case.order(OXIDE, None)
    case.visit("2025-04-01T12:00:00Z", None)

    case = population.case(
        "order-reference", "a Medication by reference, absolute references", absolute=True
    ).dialysis_chart()
    case.order(OXIDE, start, by_reference=True)
    case.expect_order(start, CRITICAL, CRITICAL)
    case.visit("2025-04-01T12:00:00Z", HAZARD)

    case = population.case(
        "order-thiazide-over", "an order that is over is no risk factor on the next day"
    ).migraine_chart(diabetes=False)
    case.order(
        THIAZIDE,
        start,
        "completed",
        dispenseRequest={"expectedSupplyDuration": supply_30, "numberOfRepeatsAllowed": 2},
    )
    case.expect_order(start, WITH_DIURETIC, None)
    case.visit("2025-04-15T12:00:00Z", SUGGEST)
    case.visit("2025-05-12T12:00:00Z", None)

    case = population.case(
        "order-thiazide-active",
        "active: open, so N-8 decides: no risk factor from 30 days after the supply",
    ).migraine_chart(diabetes=False)
    case.order(
        THIAZIDE,
        start,
        dispenseRequest={"expectedSupplyDuration": supply_30, "numberOfRepeatsAllowed": 2},
    )
    case.expect_order(start, WITH_DIURETIC, None)
    case.visit("2025-04-15T12:00:00Z", SUGGEST)
    case.visit("2025-05-12T12:00:00Z", SUGGEST)
    case.visit("2025-06-20T12:00:00Z", None)

    case = population.case(
        "order-omeprazole", "90 days of a PPI, counted at M; a refill of it is silent"
    ).migraine_chart(diabetes=False)
    case.order(OMEPRAZOLE, "2025-01-15T12:00:00Z")
    case.expect_order("2025-01-15T12:00:00Z", None, None)
    case.visit("2025-03-01T12:00:00Z", None)
    case.visit("2025-05-01T12:00:00Z", SUGGEST)
    case.order(OMEPRAZOLE, "2025-07-01T12:00:00Z")
    case.expect_order("2025-07-01T12:00:00Z", None, None)
    case.expect("medication-refill", "2025-07-01T12:00:00Z", None)


def moments_of_orders(population: Population) -> None:  # noqa: C901, PLR0915 - a list of cases
    """Add cases on which orders are moments, and what they see."""
    start = "2025-05-05T12:00:00Z"
    supply_30 = {"value": 30, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}

    case = population.case("draft-alone", "the order itself is not among the active ones")
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.order(OXIDE, start)
    case.expect_order(start, None, None)

    case = population.case("draft-dose", "magnesium oxide 400 mg three times daily is 723 mg (V70)")
    case.egfr(95, "2025-01-02T08:00:00Z")
    case.order(OXIDE, start, times=3)
    case.expect_order(start, DOSE, DOSE)

    case = population.case(
        "draft-same-day", "an order of the same day without a time is seen, in both directions"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    for product in (OXIDE, GLYCINATE):
        case.order(product, "2025-05-05")
        case.expect_order("2025-05-05", DUPLICATE, DUPLICATE)

    case = population.case(
        "draft-same-instant", "two orders of the same minute: neither is dated before the other"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    for product in (OXIDE, GLYCINATE):
        case.order(product, start)
        case.expect_order(start, None, None)

    case = population.case(
        "draft-second", "another magnesium product that is still taken: duplicate"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.order(GLYCINATE, "2025-03-01T12:00:00Z")
    case.expect_order("2025-03-01T12:00:00Z", None, None)
    case.order(OXIDE, start)
    case.expect_order(start, DUPLICATE, DUPLICATE)

    case = population.case(
        "draft-second-over", "another magnesium product that is over: no duplicate"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.order(
        GLYCINATE,
        "2025-03-01T12:00:00Z",
        "completed",
        dispenseRequest={"expectedSupplyDuration": supply_30},
    )
    case.expect_order("2025-03-01T12:00:00Z", None, None)
    case.order(OXIDE, start)
    case.expect_order(start, None, None)

    case = population.case(
        "draft-kidney-later", "an order does not see the result of the next week"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.egfr(22, "2025-05-12T08:00:00Z")
    case.order(OXIDE, start)
    case.expect_order(start, None, None)
    case.visit("2025-05-20T12:00:00Z", HAZARD)

    for intent in ("plan", "proposal"):
        case = population.case(
            f"intent-{intent}", "no order intent: no moment, not taken"
        ).dialysis_chart()
        case.order(OXIDE, start, intent=intent)
        case.visit("2025-06-01T12:00:00Z", None)

    for intent in ("original-order", "instance-order", "filler-order", "reflex-order"):
        case = population.case(f"intent-{intent}", "an order intent").dialysis_chart()
        case.order(OXIDE, start, intent=intent)
        case.expect_order(start, CRITICAL, CRITICAL)

    case = population.case(
        "visit-order-date", "an order of the same day without a time is seen at a visit"
    ).dialysis_chart()
    case.order(OXIDE, "2025-05-05")
    case.expect_order("2025-05-05", CRITICAL, CRITICAL)
    case.visit("2025-05-04T09:00:00Z", None)
    case.visit("2025-05-05T09:00:00Z", HAZARD)

    case = population.case(
        "visit-order-time", "an order later on the day is not seen"
    ).dialysis_chart()
    case.order(OXIDE, "2025-05-05T15:00:00Z")
    case.expect_order("2025-05-05T15:00:00Z", CRITICAL, CRITICAL)
    case.visit("2025-05-05T09:00:00Z", None)
    case.visit("2025-05-05T18:00:00Z", HAZARD)

    case = population.case("order-preventive", "topiramate without a reason (V58)").migraine_chart(
        diabetes=False
    )
    case.order(TOPIRAMATE, start)
    case.expect_order(start, WITH_PREVENTIVE, None)

    case = population.case(
        "order-before-migraine", "a diuretic before and after migraine was recorded"
    )
    case.condition(MIGRAINE, recordedDate="2025-06-01")
    case.egfr(90, "2025-02-15T08:00:00Z")
    case.order(THIAZIDE, "2025-03-01T12:00:00Z")
    case.expect_order("2025-03-01T12:00:00Z", None, None)
    case.order(THIAZIDE, "2025-06-20T12:00:00Z")
    case.expect_order("2025-06-20T12:00:00Z", WITH_DIURETIC, None)
    case.expect("medication-refill", "2025-06-20T12:00:00Z", None)

    case = population.case(
        "refill-380", "the same product 380 days before; the kidneys got worse (V141)"
    )
    case.egfr(75, "2024-04-20T08:00:00Z")
    case.egfr(26, "2025-05-01T08:00:00Z")
    case.order(OXIDE, "2024-05-01T12:00:00Z")
    case.expect_order("2024-05-01T12:00:00Z", None, None)
    case.order(OXIDE, "2025-05-16T12:00:00Z")
    case.expect_order("2025-05-16T12:00:00Z", CRITICAL, CRITICAL)
    case.expect("medication-refill", "2025-05-16T12:00:00Z", CRITICAL)

    case = population.case(
        "refill-420", "the same product 420 days before: no refill"
    ).dialysis_chart()
    for at in ("2024-03-11T12:00:00Z", start):
        case.order(OXIDE, at, "completed")
        case.expect_order(at, CRITICAL, CRITICAL)

    for days, first in ((400, "2024-03-31T12:00:00Z"), (401, "2024-03-30T12:00:00Z")):
        case = population.case(
            f"refill-{days}", f"the same product {days} days before"
        ).dialysis_chart()
        case.order(OXIDE, first, "completed")
        case.expect_order(first, CRITICAL, CRITICAL)
        case.order(OXIDE, start)
        case.expect_order(start, CRITICAL, CRITICAL)
        if days <= 400:
            case.expect("medication-refill", start, CRITICAL)

    case = population.case(
        "refill-prior", "priorPrescription makes a refill, however old"
    ).dialysis_chart()
    prior = case.order(OXIDE, "2023-05-05T12:00:00Z", "completed")
    case.expect_order("2023-05-05T12:00:00Z", CRITICAL, CRITICAL)
    case.order(OXIDE, start, priorPrescription={"reference": prior})
    case.expect_order(start, CRITICAL, CRITICAL)
    case.expect("medication-refill", start, CRITICAL)

    case = population.case(
        "refill-prior-other", "priorPrescription of another product makes a refill"
    ).dialysis_chart()
    prior = case.order(GLYCINATE, "2025-03-05T12:00:00Z", "completed")
    case.expect_order("2025-03-05T12:00:00Z", CRITICAL, CRITICAL)
    case.order(OXIDE, start, priorPrescription={"reference": prior})
    case.expect_order(start, CRITICAL, CRITICAL)
    case.expect("medication-refill", start, CRITICAL)

    case = population.case(
        "refill-other", "another product without priorPrescription: no refill"
    ).dialysis_chart()
    for product, at in ((GLYCINATE, "2025-03-05T12:00:00Z"), (OXIDE, start)):
        case.order(product, at)
        case.expect_order(at, CRITICAL, CRITICAL)

    for name, references in {
        "second": (False, True),
        "first": (True, False),
        "both": (True, True),
    }.items():
        case = population.case(
            f"refill-reference-{name}",
            "the same product, coded in a Medication resource of its own",
        ).dialysis_chart()
        for at, by_reference in zip(("2025-03-05T12:00:00Z", start), references, strict=True):
            case.order(OXIDE, at, by_reference=by_reference)
            case.expect_order(at, CRITICAL, CRITICAL)
        case.expect("medication-refill", start, CRITICAL)

    case = population.case(
        "refill-identifier", "priorPrescription is named by an identifier only"
    ).dialysis_chart()
    case.order(OXIDE, start, priorPrescription={"identifier": {"value": "rx-1"}})
    case.expect_order(start, CRITICAL, CRITICAL)
    case.expect("medication-refill", start, CRITICAL)

    case = population.case(
        "refill-safe", "a refill of the same magnesium with good kidneys: silent (V142)"
    )
    case.egfr(90, "2025-01-02T08:00:00Z")
    case.order(OXIDE, "2025-02-05T12:00:00Z", times=2)
    case.expect_order("2025-02-05T12:00:00Z", None, None)
    case.order(OXIDE, start, times=2)
    case.expect_order(start, None, None)
    case.expect("medication-refill", start, None)


def statements(population: Population) -> None:
    """Add cases on row MedicationStatement."""
    case = population.case("stmt-period", "effective start to effective end").dialysis_chart()
    case.statement(OXIDE, "completed", effectivePeriod={"start": "2025-02-01", "end": "2025-06-01"})
    case.visit("2025-01-15T12:00:00Z", None)
    case.visit("2025-04-01T12:00:00Z", HAZARD)
    case.visit("2025-07-01T12:00:00Z", None)

    for name, members in {
        "effective": {"effectiveDateTime": "2025-03-01"},
        "asserted": {"dateAsserted": "2025-03-01"},
    }.items():
        case = population.case(
            f"stmt-{name}", "known from effective start, else dateAsserted; active: open"
        ).dialysis_chart()
        case.statement(OXIDE, "active", **members)
        case.visit("2025-02-15T12:00:00Z", None)
        case.visit("2025-04-01T12:00:00Z", HAZARD)
        case.visit("2025-12-01T12:00:00Z", HAZARD)

    for status in ("completed", "stopped"):
        case = population.case(
            f"stmt-{status}", f"{status} without an end: until dateAsserted"
        ).dialysis_chart()
        case.statement(
            OXIDE, status, effectivePeriod={"start": "2025-02-01"}, dateAsserted="2025-05-01"
        )
        case.visit("2025-04-01T12:00:00Z", HAZARD)
        case.visit("2025-06-01T12:00:00Z", None)

    case = population.case(
        "stmt-active-over", "the effective end counts, also where the status still says active"
    ).dialysis_chart()
    case.statement(OXIDE, "active", effectivePeriod={"start": "2025-02-01", "end": "2025-04-01"})
    case.visit("2025-03-01T12:00:00Z", HAZARD)
    case.visit("2025-05-01T12:00:00Z", None)

    case = population.case(
        "stmt-treated", "already treated, then stopped within 24 months (M-15)"
    ).migraine_chart()
    case.statement(OXIDE, "completed", effectivePeriod={"start": "2025-02-01", "end": "2025-04-01"})
    case.visit("2025-01-20T12:00:00Z", SUGGEST)
    case.visit("2025-03-01T12:00:00Z", None)
    case.visit("2025-06-01T12:00:00Z", None)


def main_population() -> list[Case]:
    """Return the cases of the export with visits."""
    population = Population()
    for add in (
        conditions,
        results,
        allergies,
        procedures_and_patients,
        visits,
        ends_of_orders,
        moments_of_orders,
        statements,
    ):
        add(population)
    return population.cases


def population_without_visits() -> list[Case]:
    """Return the cases of an export that holds no Encounter at all."""
    population = Population()
    case = population.case("bare-suggest", "one patient-view at as-of").migraine_chart()
    case.egfr(90, "2025-09-01T08:00:00Z")
    case.expect("patient-view", AS_OF, SUGGEST)

    case = population.case(
        "bare-hazard", "one patient-view at as-of, and the order's own moments"
    ).dialysis_chart()
    case.order(OXIDE, "2025-05-01T12:00:00Z")
    case.expect_order("2025-05-01T12:00:00Z", CRITICAL, CRITICAL)
    case.expect("patient-view", AS_OF, HAZARD)

    case = population.case("bare-silent", "migraine without a risk factor").migraine_chart(
        diabetes=False
    )
    case.expect("patient-view", AS_OF, None)
    return population.cases


def write_export(cases: Sequence[Case], folder: Path) -> None:
    """Write the resources by type, Conditions and results in two files each, and a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    by_type: dict[str, list[str]] = {}
    for case in cases:
        for resource in case.resources:
            by_type.setdefault(str(resource["resourceType"]), []).append(
                json.dumps(resource, sort_keys=True)
            )
    output = []
    for kind, lines in sorted(by_type.items()):
        parts = 2 if kind in ("Condition", "Observation") else 1
        for part in range(parts):
            name = f"{kind}.{part:03d}.ndjson"
            (folder / name).write_text(
                "".join(f"{line}\n" for line in lines[part::parts]), encoding="utf-8"
            )
            output.append({"type": kind, "url": name, "count": len(lines[part::parts])})
    manifest = {
        "transactionTime": f"{AS_OF}T00:00:00Z",
        "request": "https://ehr.example/fhir/$export",
        "requiresAccessToken": False,
        "output": output,
        "error": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def expectations(cases: Sequence[Case]) -> list[Resource]:
    """Return what each patient must give, as plain data."""
    return [
        {
            "patient": case.name,
            "why": case.why,
            **({"reading": case.reading} if case.reading else {}),
            "rows": [
                {"hook": hook, "at": at, "card": card}
                for hook, at, card in sorted(
                    case.rows, key=lambda row: (row[1], row[0], row[2] or "")
                )
            ],
        }
        for case in cases
    ]
