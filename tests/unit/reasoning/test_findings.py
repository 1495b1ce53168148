"""What the rules find in a chart: each indication, risk, block and caution, found, absent or unknown."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning.findings import Findings
from tests.support import fhir
from tests.support.fhir import Resource
from tests.unit.chart.reading import TODAY, WOMAN, chart

PRESENT, ABSENT, UNKNOWN = FactState.PRESENT, FactState.ABSENT, FactState.UNKNOWN
OXIDE, ANTACID, SALT_LAXATIVE, BOWEL_PREP = "198741", "307747", "1052760", "1994540"
MILK_OF_MAGNESIA, MULTIVITAMIN, INJECTION = "253017", "1116179", "1658244"
FUROSEMIDE, TRIAMTERENE, SPIRONOLACTONE = "313988", "310812", "313096"
OMEPRAZOLE, CISPLATIN, GENTAMICIN = "198051", "309311", "313996"
TACROLIMUS, PATIROMER, POLYSTYRENE, DIGOXIN = "198377", "1716217", "313072", "197604"
ACETAZOLAMIDE, SALICYLATE, TACROLIMUS_INJECTION = "197304", "197907", "198379"


def has(code: str, system: str = "icd-10-cm", **more: Any) -> Resource:
    return fhir.condition(code, system, today=TODAY, **{"id": f"c-{code}", **more})


def takes(code: str, **more: Any) -> Resource:
    return fhir.medication_request(code, today=TODAY, **{"id": f"m-{code}", **more})


def level(value: float, days: int = 10) -> Resource:
    return fhir.observation(fhir.MAGNESIUM, value, "mg/dL", days, today=TODAY)


def both(code: str, other: str, system: str = "icd-10-cm") -> Resource:
    """One problem that is coded twice."""
    resource = has(code)
    resource["code"]["coding"].append(fhir.coding(other, system))
    return resource


def resolved() -> Resource:
    url = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return fhir.concept("resolved", url)


def findings(
    *conditions: Resource,
    taken: tuple[Resource, ...] = (),
    levels: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
    **values: Any,
) -> Findings:
    found = {
        "conditions": [*conditions],
        "medicationRequests": [*taken],
        "magnesiumLabs": [*levels],
    }
    return Findings(chart(found, who, without, **values))


def with_unreadable(*resources: Resource) -> Resource:
    """A search result of which one entry cannot be read."""
    bundle = fhir.bundle(resources)
    bundle.setdefault("entry", []).append({"resource": 5})
    return bundle


def references(fact: Fact) -> list[str]:
    return [e.resource for e in fact.evidence]


def risk(found: Findings, name: str) -> Fact:
    return next(r for r in found.risks if r.id == name)


def renal_risk(found: Findings, name: str) -> Fact:
    return next(r for r in found.renal_risks if r.id == name)


# ------------------------------------------------------------------------------------ who


def test_who_is_an_adult_and_who_may_be_old() -> None:
    for age, adult, elderly in ((17, ABSENT, False), (18, PRESENT, False), (64, PRESENT, False)):
        found = findings(who=fhir.patient(TODAY, age=age))
        assert (found.adult.state, found.elderly) == (adult, elderly)
        assert renal_risk(found, "age 65 or over").state is ABSENT
    old = findings(who=fhir.patient(TODAY, age=65))
    assert old.elderly
    assert references(renal_risk(old, "age 65 or over")) == ["Patient/pat-1"]


def test_an_adult_is_known_by_the_age() -> None:
    (evidence,) = findings(who=fhir.patient(TODAY, age=45)).adult.evidence
    assert (evidence.resource, evidence.value, evidence.unit) == ("Patient/pat-1", "45", "a")
    assert evidence.matched == "value"


def test_without_a_birth_date_nobody_is_surely_adult_nor_old() -> None:
    found = findings(who=fhir.patient(TODAY, age=None))
    assert found.adult == Fact("adult", UNKNOWN, why="no usable birthDate")
    assert not found.elderly
    assert renal_risk(found, "age 65 or over").state is UNKNOWN


# ----------------------------------------------------------------------------- indication


@pytest.mark.parametrize(
    ("conditions", "migraine", "menstrual"),
    [
        ([], ABSENT, ABSENT),
        ([has("G43.009")], PRESENT, ABSENT),
        ([has("G43.829")], PRESENT, PRESENT),
        ([has("G43.D0")], ABSENT, ABSENT),  # abdominal
        ([has("G44.009")], ABSENT, ABSENT),  # cluster headache
        ([has("G43.009", clinical="resolved")], ABSENT, ABSENT),
        ([has("G43.829", verification="provisional")], ABSENT, ABSENT),
    ],
)
def test_a_migraine(conditions: list[Resource], migraine: FactState, menstrual: FactState) -> None:
    found = findings(*conditions)
    assert (found.migraine.id, found.migraine.state) == ("migraine", migraine)
    assert (found.menstrual.id, found.menstrual.state) == ("menstrual_migraine", menstrual)


def test_a_problem_also_coded_as_another_headache_is_no_migraine() -> None:
    found = findings(both("G43.829", "G44.009"))
    assert (found.migraine.state, found.menstrual.state) == (ABSENT, ABSENT)


def test_a_newer_problem_that_does_not_count_hides_no_older_one() -> None:
    doubted = has("G43.829", verification="provisional", recorded_days=1)
    excluded = both("G43.109", "G44.009") | {"recordedDate": fhir.day(2, TODAY)}
    found = findings(doubted, excluded, has("G43.009", recorded_days=400))
    assert references(found.migraine) == ["Condition/c-G43.009"]


def test_one_code_that_qualifies_is_enough() -> None:
    assert findings(both("G43.D0", "G43.009")).migraine.present
    assert findings(both("G43.009", "G43.829")).menstrual.present


def test_what_of_the_problem_list_cannot_be_read_is_not_known() -> None:
    found = findings(conditions=with_unreadable())
    unknown = [
        found.migraine,
        found.menstrual,
        *(risk(found, name) for name in ("RF1", "RF2", "RF3", "RF6", "RF7")),
        *(
            renal_risk(found, name)
            for name in ("diabetes", "heart failure", "kidney disease on record")
        ),
        found.heart_block,
        found.neuromuscular,
        found.bowel_obstruction,
        found.hypermagnesaemia,
        found.pregnancy,
        found.transplant,
        found.slow_conduction,
        found.diarrhoea,
    ]
    assert {(f.state, f.why) for f in unknown} == {(UNKNOWN, unknown[0].why)}
    assert unknown[0].why.startswith("conditions ")
    assert found.renal_risk
    known = [risk(found, "RF4"), risk(found, "RF5"), risk(found, "RF8"), found.supplement]
    assert {f.state for f in known} == {ABSENT}


@pytest.mark.parametrize("key", ["medicationRequests", "medicationStatements"])
def test_what_of_the_medicines_cannot_be_read_is_not_known(key: str) -> None:
    found = findings(**{key: with_unreadable()})
    unknown = [
        *(risk(found, name) for name in ("RF4", "RF5", "RF8")),
        *(renal_risk(found, name) for name in ("diuretic", "calcineurin inhibitor")),
        found.supplement,
    ]
    assert {f.state for f in unknown} == {UNKNOWN}
    assert all(f.why.startswith(f"{key} ") for f in unknown)
    assert {f.state for f in (found.migraine, risk(found, "RF1"), found.allergy)} == {ABSENT}


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("magnesiumLabs", {"RF6", "hypermagnesaemia"}),
        ("allergies", {"allergy_magnesium"}),
        ("kidneyProcedures", {"transplant"}),
        ("pregnancyStatus", {"pregnancy"}),
        ("medicationStatements", {"RF4", "RF5", "RF8", "current_magnesium"}),
    ],
)
def test_what_was_not_sent_is_not_known(key: str, names: set[str]) -> None:
    found = findings(without=(key,))
    asked = (found.migraine, *found.risks, *found.blocks)
    assert {f.id for f in asked if f.unknown} == names
    assert {g.key for g in found.gaps} == {key}


# ------------------------------------------------------------------------------- risk factors


@pytest.mark.parametrize(
    ("condition", "name", "state"),
    [
        (has("E11.9"), "RF1", PRESENT),
        (has("E11.9", clinical="resolved"), "RF1", ABSENT),
        (has("E11.A"), "RF1", ABSENT),  # in remission
        (has("O24.410"), "RF1", ABSENT),  # in pregnancy only
        (both("E11.9", "E11.A"), "RF1", ABSENT),
        (has("F10.20"), "RF2", PRESENT),
        (has("F10.10"), "RF2", PRESENT),  # abuse counts too
        (has("F10.21"), "RF2", ABSENT),  # in remission
        (has("I50.9"), "RF3", PRESENT),
        (has("I21.9"), "RF3", PRESENT),
        (has("I21.9", clinical="resolved"), "RF3", PRESENT),  # it was, and still counts
        (has("I21.9", clinical="inactive"), "RF3", PRESENT),
        ({**both("I21.9", "I25.10"), "clinicalStatus": resolved()}, "RF3", PRESENT),
        (has("I21.9", verification="refuted"), "RF3", ABSENT),
        (has("I50.9", clinical="resolved"), "RF3", ABSENT),
        (has("I10"), "RF3", ABSENT),
        (has("E83.42"), "RF6", PRESENT),
        (has("E83.42", clinical="resolved"), "RF6", ABSENT),
        (has("K50.90"), "RF7", PRESENT),
        (has("K90.0"), "RF7", PRESENT),
        (both("K90.0", "Z90.3"), "RF7", PRESENT),  # the second code alone is no risk
        (has("Z90.3"), "RF7", ABSENT),
        (has("Z98.84"), "RF7", PRESENT),
        (has("Z98.84", clinical="resolved"), "RF7", PRESENT),  # an operation stays
        (has("K50.90", clinical="resolved"), "RF7", ABSENT),
    ],
)
def test_a_risk_by_diagnosis(condition: Resource, name: str, state: FactState) -> None:
    found = findings(condition)
    assert risk(found, name).state is state
    if state is PRESENT:
        assert references(risk(found, name)) == [f"Condition/{condition['id']}"]
        assert found.indicated
        assert [r.id for r in found.present_risks] == [name]


@pytest.mark.parametrize(
    ("medicine", "state"),
    [
        (takes(FUROSEMIDE), PRESENT),
        (takes(FUROSEMIDE, prn=True), ABSENT),
        (takes("252484"), ABSENT),  # an injection
        (takes(TRIAMTERENE), ABSENT),  # with a drug that spares magnesium
        (takes(SPIRONOLACTONE), ABSENT),
        (takes(FUROSEMIDE, status="stopped"), ABSENT),
    ],
)
def test_a_diuretic_that_wastes_magnesium(medicine: Resource, state: FactState) -> None:
    assert risk(findings(taken=(medicine,)), "RF4").state is state


@pytest.mark.parametrize(
    ("medicine", "state"),
    [
        (takes(OMEPRAZOLE, authored_days=90), PRESENT),
        (takes(OMEPRAZOLE, authored_days=89), ABSENT),
        (takes(OMEPRAZOLE, authored_days=200, prn=True), ABSENT),
        (takes(OMEPRAZOLE, authored_days=None), ABSENT),  # since when is not known
    ],
)
def test_a_proton_pump_inhibitor_for_three_months(medicine: Resource, state: FactState) -> None:
    assert risk(findings(taken=(medicine,)), "RF5").state is state


def test_low_magnesium_by_result() -> None:
    for value, state in ((1.69, PRESENT), (1.1, PRESENT), (1.7, ABSENT), (2.7, ABSENT)):
        assert risk(findings(levels=(level(value),)), "RF6").state is state
    both_ways = findings(has("E83.42", recorded_days=400), levels=(level(1.5),))
    assert [e.matched for e in risk(both_ways, "RF6").evidence] == ["value", "code"]


@pytest.mark.parametrize(
    ("medicine", "state"),
    [
        (takes(CISPLATIN, authored_days=180), PRESENT),
        (takes(CISPLATIN, authored_days=181), ABSENT),
        (takes(GENTAMICIN, authored_days=30), PRESENT),
        (takes(GENTAMICIN, authored_days=31), ABSENT),
        (takes("310466", authored_days=10), ABSENT),  # an eye ointment
        (takes(TACROLIMUS, authored_days=600), PRESENT),
        (takes(TACROLIMUS, authored_days=600, prn=True), ABSENT),
        (takes("313189"), ABSENT),  # an ointment
        (takes(PATIROMER), PRESENT),
        (takes(POLYSTYRENE), ABSENT),  # another binder
    ],
)
def test_a_drug_that_wastes_magnesium(medicine: Resource, state: FactState) -> None:
    fact = risk(findings(taken=(medicine,)), "RF8")
    assert fact.state is state


def test_what_a_risk_is_called() -> None:
    found = findings(has("E11.9"), has("K50.90"), taken=(takes(FUROSEMIDE), takes(TACROLIMUS)))
    assert [found.risk_label(r) for r in found.present_risks] == [
        "diabetes",
        "furosemide",
        "inflammatory bowel disease",
        "tacrolimus",
    ]
    for code, label in (("Z98.84", "bariatric surgery"), ("K90.0", "malabsorption")):
        found = findings(has(code))
        assert [found.risk_label(r) for r in found.present_risks] == [label]


def test_the_label_is_that_of_the_problem_that_counts() -> None:
    """A resolved Crohn's disease is on the list too, but it is the operation that counts."""
    found = findings(has("K50.90", clinical="resolved"), has("Z98.84"))
    assert found.risk_label(risk(found, "RF7")) == "bariatric surgery"


def set_otherwise(*conditions: Resource, **groups: dict[str, bool]) -> Findings:
    """Findings where a site has set parameters of these groups otherwise."""
    on = chart({"conditions": [*conditions]})
    parameters = on.knowledge.parameters
    changed = {
        name: structs.replace(getattr(parameters, name), **values)
        for name, values in groups.items()
    }
    on.knowledge = structs.replace(on.knowledge, parameters=structs.replace(parameters, **changed))
    return Findings(on)


def test_a_site_may_set_alcohol_abuse_aside() -> None:
    assert not set_otherwise(has("F10.10"), alcohol={"abuse_counts": False}).indicated
    assert set_otherwise(has("F10.20"), alcohol={"abuse_counts": False}).indicated
    assert set_otherwise(has("E11.9"), alcohol={"abuse_counts": False}).indicated


def test_a_site_may_do_without_the_further_factors() -> None:
    found = set_otherwise(has("K50.90"), risk={"extended_factors": False})
    assert [r.id for r in found.risks] == ["RF1", "RF2", "RF3", "RF4"]
    assert not found.indicated
    assert [r.id for r in findings().risks] == [f"RF{n}" for n in range(1, 9)]


def test_a_site_may_ask_for_a_risk_with_a_menstrual_pattern_too() -> None:
    rule = {"menstrual_qualifies_alone": False}
    assert not set_otherwise(has("G43.829"), migraine=rule).indicated
    assert set_otherwise(has("G43.829"), has("E11.9"), migraine=rule).indicated


def test_no_risk_and_a_menstrual_pattern() -> None:
    assert not findings(has("G43.009")).indicated
    assert findings(has("G43.829")).indicated


# ------------------------------------------------------------------- risks where kidneys are unknown


@pytest.mark.parametrize(
    ("condition", "name", "state"),
    [
        (has("E11.9"), "diabetes", PRESENT),
        (has("E11.A"), "diabetes", ABSENT),
        (both("E11.9", "E11.A"), "diabetes", ABSENT),
        (has("I50.9"), "heart failure", PRESENT),
        (has("I25.10"), "heart failure", ABSENT),
        (both("I25.10", "I50.9"), "heart failure", PRESENT),
        (has("N18.4", clinical="resolved"), "kidney disease on record", PRESENT),
        (has("N17.9", clinical="resolved"), "kidney disease on record", PRESENT),
        (has("N18.4"), "kidney disease on record", PRESENT),
        (has("N18.4", verification="refuted"), "kidney disease on record", ABSENT),
    ],
)
def test_a_diagnosis_that_is_a_renal_risk(condition: Resource, name: str, state: FactState) -> None:
    found = findings(condition)
    assert renal_risk(found, name).state is state
    assert found.renal_risk is (state is PRESENT)


@pytest.mark.parametrize(
    ("medicine", "name", "state"),
    [
        (takes(FUROSEMIDE), "diuretic", PRESENT),
        (takes(FUROSEMIDE, prn=True), "diuretic", PRESENT),
        (takes("252484"), "diuretic", ABSENT),  # an injection
        (takes(SPIRONOLACTONE), "diuretic", PRESENT),
        (takes(TRIAMTERENE), "diuretic", PRESENT),
        (takes(ACETAZOLAMIDE), "diuretic", PRESENT),
        (takes(TACROLIMUS), "calcineurin inhibitor", PRESENT),
        (takes("313189"), "calcineurin inhibitor", ABSENT),  # an ointment
        (takes(TACROLIMUS_INJECTION), "calcineurin inhibitor", PRESENT),
        (takes("42316"), "calcineurin inhibitor", PRESENT),  # no form is said
        (takes(TACROLIMUS, route="intravenous"), "calcineurin inhibitor", PRESENT),
    ],
)
def test_a_medicine_that_is_a_renal_risk(medicine: Resource, name: str, state: FactState) -> None:
    found = findings(taken=(medicine,))
    assert renal_risk(found, name).state is state
    assert found.renal_risk is (state is PRESENT)


# ------------------------------------------------------------------------------ magnesium taken


@pytest.mark.parametrize(
    ("medicine", "oral", "supplement"),
    [
        (takes(OXIDE), True, True),
        (takes(OXIDE, prn=True), True, False),
        (takes(ANTACID), True, False),
        (takes(MILK_OF_MAGNESIA), True, False),
        (takes(SALT_LAXATIVE), True, False),
        (takes(BOWEL_PREP), True, False),
        (takes(MULTIVITAMIN), True, False),
        (takes(SALICYLATE), True, False),
        (takes(INJECTION), False, False),
        (takes("35351"), False, False),  # an irrigation of the bladder
        (takes("806393"), False, False),  # an irrigation of the eye
        (takes(OXIDE, status="stopped"), False, False),
    ],
)
def test_magnesium_that_is_taken(medicine: Resource, oral: bool, supplement: bool) -> None:
    found = findings(taken=(medicine,))
    assert [u.reference for u in found.oral_magnesium] == (
        [f"MedicationRequest/{medicine['id']}"] if oral else []
    )
    assert found.supplement.id == "current_magnesium"
    assert found.supplement.present is supplement
    assert bool(found.supplements) is supplement


# ------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize(
    ("condition", "name"),
    [
        (has("I44.2"), "heart_block"),
        (has("G70.00"), "neuromuscular"),
        (has("K56.7"), "bowel_obstruction"),
        (has("E83.41"), "hypermagnesaemia"),
        (has("Z34.01", recorded_days=60), "pregnancy"),
        (has("Z94.0"), "transplant"),
    ],
)
@pytest.mark.parametrize("verification", ["confirmed", "provisional"])
def test_a_diagnosis_that_blocks(condition: Resource, name: str, verification: str) -> None:
    tentative = {
        **condition,
        "verificationStatus": fhir.concept(
            verification, "http://terminology.hl7.org/CodeSystem/condition-ver-status"
        ),
    }
    found = findings(tentative)
    assert {b.id: references(b) for b in found.blocks if b.present} == {
        name: [f"Condition/{condition['id']}"]
    }
    assert not any(b.present for b in findings({**condition, "clinicalStatus": resolved()}).blocks)


def test_the_blocks_are_asked_in_this_order() -> None:
    found = findings()
    assert [b.id for b in found.blocks] == [
        "pregnancy",
        "current_magnesium",
        "heart_block",
        "neuromuscular",
        "bowel_obstruction",
        "hypermagnesaemia",
        "allergy_magnesium",
        "transplant",
    ]
    assert {b.state for b in found.blocks} == {ABSENT}


def test_a_pacemaker_lifts_the_block_and_the_caution() -> None:
    assert findings(has("I44.2")).heart_block.present
    paced = findings(has("I44.2"), has("Z95.0"))
    assert paced.heart_block.state is ABSENT
    assert findings(has("I44.0")).slow_conduction.present
    assert not findings(has("I44.0"), has("Z95.0")).slow_conduction.present


@pytest.mark.parametrize(
    ("code", "high", "slow"),
    [
        ("I44.1", True, False),
        ("I44.2", True, False),
        ("I44.0", False, True),
        ("I49.5", False, True),
        ("I44.30", False, True),  # not said which degree
    ],
)
def test_slow_conduction_is_a_block_or_a_caution(code: str, high: bool, slow: bool) -> None:
    found = findings(has(code))
    assert (found.heart_block.present, found.slow_conduction.present) == (high, slow)
    assert found.slow_conduction.id == "bradycardia"


def test_a_problem_with_two_grades_is_a_block_and_a_caution() -> None:
    found = findings(both("I44.0", "I44.1"))
    assert found.heart_block.present
    assert found.slow_conduction.present


def test_hypermagnesaemia_by_result_by_diagnosis_and_by_both() -> None:
    assert [e.value for e in findings(levels=(level(2.7),)).hypermagnesaemia.evidence] == ["2.7"]
    for value, high in ((2.6, False), (2.61, True), (4.9, True), (5.0, True)):
        assert findings(levels=(level(value),)).magnesium_high is high
    found = findings(has("E83.41"), levels=(level(3.0),)).hypermagnesaemia
    assert references(found)[1:] == ["Condition/c-E83.41"]
    assert found.evidence[0].value == "3.0"
    normal = findings(has("E83.41"), levels=(level(2.0),)).hypermagnesaemia
    assert references(normal) == ["Condition/c-E83.41"]
    assert findings(levels=(level(2.0),)).hypermagnesaemia == Fact("hypermagnesaemia", ABSENT)


def test_without_results_hypermagnesaemia_is_known_by_its_diagnosis_alone() -> None:
    assert findings(has("E83.41"), without=("magnesiumLabs",)).hypermagnesaemia.present
    assert findings(without=("magnesiumLabs",)).hypermagnesaemia == Fact(
        "hypermagnesaemia", UNKNOWN, why="serum magnesium is not known"
    )


@pytest.mark.parametrize(
    ("dates", "pregnant"),
    [
        ({"recorded_days": 300}, True),
        ({"recorded_days": 301}, False),
        ({"recorded_days": 301, "onset_days": 200}, True),
        ({"recorded_days": 200, "onset_days": 400}, True),
        ({"recorded_days": 400, "onset_days": 301}, False),
        ({"recorded_days": None}, True),  # since when is not known
    ],
)
def test_a_pregnancy_lasts_no_longer_than_one(dates: dict[str, Any], pregnant: bool) -> None:
    assert findings(has("Z34.01", **dates)).pregnancy.present is pregnant


def test_a_recorded_status_says_pregnant_too() -> None:
    status = fhir.observation("82810-3", None, None, 10, today=TODAY, id="p")
    status["valueCodeableConcept"] = fhir.concept("LA15173-0", "loinc")
    found = findings(pregnancyStatus=fhir.bundle([status]))
    assert references(found.pregnancy) == ["Observation/p"]


def test_an_allergy_to_magnesium() -> None:
    found = findings(allergies=fhir.bundle([fhir.allergy(OXIDE)]))
    assert found.allergy.present


# ----------------------------------------------------------------------------------- cautions


@pytest.mark.parametrize(
    ("code", "prone"),
    [("K58.0", True), ("K50.90", True), ("K90.0", False), ("Z98.84", False), ("E11.9", False)],
)
def test_who_is_prone_to_diarrhoea(code: str, prone: bool) -> None:
    found = findings(has(code)).diarrhoea
    assert (found.id, found.present) == ("diarrhoea", prone)


def test_an_inflamed_bowel_is_prone_also_if_it_absorbs_badly_too() -> None:
    assert findings(both("K50.90", "K90.0")).diarrhoea.present


@pytest.mark.parametrize(
    ("mild", "grave"), [(2.0, 1.5), (1.5, 1.1), (1.1, 3.0), (2.0, 3.0), (3.0, 5.5), (1.5, 3.0)]
)
def test_of_two_levels_of_one_moment_the_graver_decides(mild: float, grave: float) -> None:
    for first, second in ((mild, grave), (grave, mild)):
        pair = ({**level(first), "id": "a"}, {**level(second), "id": "b"})
        assert (
            findings(levels=pair).magnesium
            == findings(
                levels=tuple(r for r in pair if r["valueQuantity"]["value"] == grave)
            ).magnesium
        )


def test_a_laboratory_may_set_its_own_limit_up_to_the_critical_one() -> None:
    for limit, high in ((4.9, False), (5.0, True), (2.9, True)):
        result = fhir.observation(
            fhir.MAGNESIUM, 3.0, "mg/dL", 10, today=TODAY, reference_high=limit
        )
        assert findings(levels=(result,)).magnesium_high is high


def test_drugs_that_spare_potassium_and_digoxin() -> None:
    found = findings(taken=(takes(SPIRONOLACTONE), takes(TRIAMTERENE), takes(FUROSEMIDE)))
    assert {u.reference for u in found.sparing} == {
        f"MedicationRequest/m-{SPIRONOLACTONE}",
        f"MedicationRequest/m-{TRIAMTERENE}",
    }
    assert len(findings(taken=(takes(DIGOXIN),)).taking("digoxin")) == 1
    assert findings(taken=(takes(OXIDE),)).taking("digoxin") == ()
