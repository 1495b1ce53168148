"""What the rules find in a chart: each indication, risk, block and caution, found, absent or unknown."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from cds_service.chart.chart import Chart
from cds_service.chart.evidence import Fact, FactState
from cds_service.reasoning import blocks, cautions, indication, medicines, person, renal_risk, risk
from cds_service.reasoning.gaps import all_gaps
from cds_service.reasoning.magnesium import magnesium_is_high, serum_magnesium
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
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


def charted(
    *conditions: Resource,
    taken: tuple[Resource, ...] = (),
    levels: tuple[Resource, ...] = (),
    who: Resource = WOMAN,
    without: tuple[str, ...] = (),
    **values: Any,
) -> Chart:
    found = {
        "conditions": [*conditions],
        "medicationRequests": [*taken],
        "magnesiumLabs": [*levels],
    }
    return chart(found, who, without, **values)


def with_unreadable(*resources: Resource) -> Resource:
    """A search result of which one entry cannot be read."""
    bundle = fhir.bundle(resources)
    bundle.setdefault("entry", []).append({"resource": 5})
    return bundle


def references(fact: Fact) -> list[str]:
    return [e.resource for e in fact.evidence]


def risk_factor(found: Chart, name: str) -> Fact:
    return next(r for r in risk.factors(found) if r.id == name)


def renal_feature(found: Chart, name: str) -> Fact:
    return next(r for r in renal_risk.features(found) if r.id == name)


# ------------------------------------------------------------------------------------ who


def test_who_is_an_adult_and_who_may_be_old() -> None:
    for age, adult, elderly in ((17, ABSENT, False), (18, PRESENT, False), (64, PRESENT, False)):
        found = charted(who=fhir.patient(TODAY, age=age))
        assert (person.adult(found).state, person.is_elderly(found)) == (adult, elderly)
        assert renal_feature(found, "age").state is ABSENT
    old = charted(who=fhir.patient(TODAY, age=65))
    assert person.is_elderly(old)
    assert references(renal_feature(old, "age")) == ["Patient/pat-1"]


def test_an_adult_is_known_by_the_age() -> None:
    (evidence,) = person.adult(charted(who=fhir.patient(TODAY, age=45))).evidence
    assert (evidence.resource, evidence.value, evidence.unit) == ("Patient/pat-1", "45", "a")
    assert evidence.matched == "value"


def test_without_a_birth_date_nobody_is_surely_adult_nor_old() -> None:
    found = charted(who=fhir.patient(TODAY, age=None))
    assert in_words(person.adult(found)) == Fact("adult", UNKNOWN, why="no usable birthDate")
    assert not person.is_elderly(found)
    assert renal_feature(found, "age").state is UNKNOWN


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
    found = charted(*conditions)
    assert (indication.migraine(found).id, indication.migraine(found).state) == (
        "migraine",
        migraine,
    )
    assert (indication.menstrual(found).id, indication.menstrual(found).state) == (
        "menstrual_migraine",
        menstrual,
    )


def test_a_problem_also_coded_as_another_headache_is_no_migraine() -> None:
    found = charted(both("G43.829", "G44.009"))
    assert (indication.migraine(found).state, indication.menstrual(found).state) == (ABSENT, ABSENT)


def test_a_newer_problem_that_does_not_count_hides_no_older_one() -> None:
    doubted = has("G43.829", verification="provisional", recorded_days=1)
    excluded = both("G43.109", "G44.009") | {"recordedDate": fhir.day(2, TODAY)}
    found = charted(doubted, excluded, has("G43.009", recorded_days=400))
    assert references(indication.migraine(found)) == ["Condition/c-G43.009"]


def test_one_code_that_qualifies_is_enough() -> None:
    assert indication.migraine(charted(both("G43.D0", "G43.009"))).present
    assert indication.menstrual(charted(both("G43.009", "G43.829"))).present


def test_what_of_the_problem_list_cannot_be_read_is_not_known() -> None:
    found = charted(conditions=with_unreadable())
    unknown = [
        indication.migraine(found),
        indication.menstrual(found),
        *(risk_factor(found, name) for name in ("RF1", "RF2", "RF3", "RF6", "RF7")),
        *(renal_feature(found, name) for name in ("diabetes", "heart_failure", "kidney_disease")),
        blocks.heart_block(found),
        blocks.neuromuscular(found),
        blocks.bowel_obstruction(found),
        blocks.hypermagnesaemia(found),
        blocks.pregnancy(found),
        blocks.transplant(found),
        cautions.slow_conduction(found),
        cautions.diarrhoea(found),
    ]
    assert {(f.state, in_words(f.why)) for f in unknown} == {(UNKNOWN, in_words(unknown[0].why))}
    assert in_words(unknown[0].why).startswith("conditions ")
    assert renal_risk.is_possible(found)
    known = [
        risk_factor(found, "RF4"),
        risk_factor(found, "RF5"),
        risk_factor(found, "RF8"),
        medicines.supplement(found),
    ]
    assert {f.state for f in known} == {ABSENT}


@pytest.mark.parametrize("key", ["medicationRequests", "medicationStatements"])
def test_what_of_the_medicines_cannot_be_read_is_not_known(key: str) -> None:
    found = charted(**{key: with_unreadable()})
    unknown = [
        *(risk_factor(found, name) for name in ("RF4", "RF5", "RF8")),
        *(renal_feature(found, name) for name in ("diuretic", "calcineurin_inhibitor")),
        medicines.supplement(found),
    ]
    assert {f.state for f in unknown} == {UNKNOWN}
    assert all(in_words(f.why).startswith(f"{key} ") for f in unknown)
    assert {
        f.state
        for f in (indication.migraine(found), risk_factor(found, "RF1"), blocks.allergy(found))
    } == {ABSENT}


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
    found = charted(without=(key,))
    asked = (indication.migraine(found), *risk.factors(found), *blocks.all_blocks(found))
    assert {f.id for f in asked if f.unknown} == names
    assert {g.key for g in all_gaps(found)} == {key}


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
    found = charted(condition)
    assert risk_factor(found, name).state is state
    if state is PRESENT:
        assert references(risk_factor(found, name)) == [f"Condition/{condition['id']}"]
        assert indication.is_indicated(found)
        assert [r.id for r in risk.present_factors(found)] == [name]


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
    assert risk_factor(charted(taken=(medicine,)), "RF4").state is state


@pytest.mark.parametrize(
    ("medicine", "state"),
    [
        (takes(OMEPRAZOLE, authored_days=90), PRESENT),
        (takes(OMEPRAZOLE, authored_days=89), ABSENT),
        (takes(OMEPRAZOLE, authored_days=200, prn=True), ABSENT),
        (takes(OMEPRAZOLE, authored_days=None), UNKNOWN),  # since when is not known
    ],
)
def test_a_proton_pump_inhibitor_for_three_months(medicine: Resource, state: FactState) -> None:
    assert risk_factor(charted(taken=(medicine,)), "RF5").state is state


def test_low_magnesium_by_result() -> None:
    for value, state in ((1.69, PRESENT), (1.1, PRESENT), (1.7, ABSENT), (2.7, ABSENT)):
        assert risk_factor(charted(levels=(level(value),)), "RF6").state is state
    both_ways = charted(has("E83.42", recorded_days=400), levels=(level(1.5),))
    assert [e.matched for e in risk_factor(both_ways, "RF6").evidence] == ["value", "code"]


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
    fact = risk_factor(charted(taken=(medicine,)), "RF8")
    assert fact.state is state


def test_what_a_risk_is_called() -> None:
    found = charted(has("E11.9"), has("K50.90"), taken=(takes(FUROSEMIDE), takes(TACROLIMUS)))
    assert [risk.label(found, r) for r in risk.present_factors(found)] == [
        "diabetes",
        "furosemide",
        "inflammatory bowel disease",
        "tacrolimus",
    ]
    for code, label in (("Z98.84", "bariatric surgery"), ("K90.0", "malabsorption")):
        found = charted(has(code))
        assert [risk.label(found, r) for r in risk.present_factors(found)] == [label]


def test_the_label_is_that_of_the_problem_that_counts() -> None:
    """A resolved Crohn's disease is on the list too, but it is the operation that counts."""
    found = charted(has("K50.90", clinical="resolved"), has("Z98.84"))
    assert risk.label(found, risk_factor(found, "RF7")) == "bariatric surgery"


def set_otherwise(*conditions: Resource, **groups: dict[str, bool]) -> Chart:
    """A chart where a site has set parameters of these groups otherwise."""
    on = chart({"conditions": [*conditions]})
    parameters = on.knowledge.parameters
    changed = {
        name: structs.replace(getattr(parameters, name), **values)
        for name, values in groups.items()
    }
    on.knowledge = structs.replace(on.knowledge, parameters=structs.replace(parameters, **changed))
    return on


def test_a_site_may_set_alcohol_abuse_aside() -> None:
    assert not indication.is_indicated(
        set_otherwise(has("F10.10"), alcohol={"abuse_counts": False})
    )
    assert indication.is_indicated(set_otherwise(has("F10.20"), alcohol={"abuse_counts": False}))
    assert indication.is_indicated(set_otherwise(has("E11.9"), alcohol={"abuse_counts": False}))


def test_a_site_may_do_without_the_further_factors() -> None:
    found = set_otherwise(has("K50.90"), risk={"extended_factors": False})
    assert [r.id for r in risk.factors(found)] == ["RF1", "RF2", "RF3", "RF4"]
    assert not indication.is_indicated(found)
    assert [r.id for r in risk.factors(charted())] == [f"RF{n}" for n in range(1, 9)]


def test_a_site_may_ask_for_a_risk_with_a_menstrual_pattern_too() -> None:
    rule = {"menstrual_qualifies_alone": False}
    assert not indication.is_indicated(set_otherwise(has("G43.829"), migraine=rule))
    assert indication.is_indicated(set_otherwise(has("G43.829"), has("E11.9"), migraine=rule))


def test_no_risk_and_a_menstrual_pattern() -> None:
    assert not indication.is_indicated(charted(has("G43.009")))
    assert indication.is_indicated(charted(has("G43.829")))


# ------------------------------------------------------------------- risks where kidneys are unknown


@pytest.mark.parametrize(
    ("condition", "name", "state"),
    [
        (has("E11.9"), "diabetes", PRESENT),
        (has("E11.A"), "diabetes", ABSENT),
        (both("E11.9", "E11.A"), "diabetes", ABSENT),
        (has("I50.9"), "heart_failure", PRESENT),
        (has("I25.10"), "heart_failure", ABSENT),
        (both("I25.10", "I50.9"), "heart_failure", PRESENT),
        (has("N18.4", clinical="resolved"), "kidney_disease", PRESENT),
        (has("N17.9", clinical="resolved"), "kidney_disease", PRESENT),
        (has("N18.4"), "kidney_disease", PRESENT),
        (has("N18.4", verification="refuted"), "kidney_disease", ABSENT),
    ],
)
def test_a_diagnosis_that_is_a_renal_risk(condition: Resource, name: str, state: FactState) -> None:
    found = charted(condition)
    assert renal_feature(found, name).state is state
    assert renal_risk.is_possible(found) is (state is PRESENT)


@pytest.mark.parametrize(
    ("medicine", "name", "state"),
    [
        (takes(FUROSEMIDE), "diuretic", PRESENT),
        (takes(FUROSEMIDE, prn=True), "diuretic", PRESENT),
        (takes("252484"), "diuretic", ABSENT),  # an injection
        (takes(SPIRONOLACTONE), "diuretic", PRESENT),
        (takes(TRIAMTERENE), "diuretic", PRESENT),
        (takes(ACETAZOLAMIDE), "diuretic", PRESENT),
        (takes(TACROLIMUS), "calcineurin_inhibitor", PRESENT),
        (takes("313189"), "calcineurin_inhibitor", ABSENT),  # an ointment
        (takes(TACROLIMUS_INJECTION), "calcineurin_inhibitor", PRESENT),
        (takes("42316"), "calcineurin_inhibitor", PRESENT),  # no form is said
        (takes(TACROLIMUS, route="intravenous"), "calcineurin_inhibitor", PRESENT),
    ],
)
def test_a_medicine_that_is_a_renal_risk(medicine: Resource, name: str, state: FactState) -> None:
    found = charted(taken=(medicine,))
    assert renal_feature(found, name).state is state
    assert renal_risk.is_possible(found) is (state is PRESENT)


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
    found = charted(taken=(medicine,))
    assert [u.reference for u in medicines.oral_magnesium(found)] == (
        [f"MedicationRequest/{medicine['id']}"] if oral else []
    )
    assert medicines.supplement(found).id == "current_magnesium"
    assert medicines.supplement(found).present is supplement
    assert bool(medicines.supplements(found)) is supplement


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
    found = charted(tentative)
    assert {b.id: references(b) for b in blocks.all_blocks(found) if b.present} == {
        name: [f"Condition/{condition['id']}"]
    }
    assert not any(
        b.present for b in blocks.all_blocks(charted({**condition, "clinicalStatus": resolved()}))
    )


def test_the_blocks_are_asked_in_this_order() -> None:
    found = charted()
    assert [b.id for b in blocks.all_blocks(found)] == [
        "pregnancy",
        "current_magnesium",
        "heart_block",
        "neuromuscular",
        "bowel_obstruction",
        "hypermagnesaemia",
        "allergy_magnesium",
        "transplant",
    ]
    assert {b.state for b in blocks.all_blocks(found)} == {ABSENT}


def test_a_pacemaker_lifts_the_block_and_the_caution() -> None:
    assert blocks.heart_block(charted(has("I44.2"))).present
    paced = charted(has("I44.2"), has("Z95.0"))
    assert blocks.heart_block(paced).state is ABSENT
    assert cautions.slow_conduction(charted(has("I44.0"))).present
    assert not cautions.slow_conduction(charted(has("I44.0"), has("Z95.0"))).present


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
    found = charted(has(code))
    assert (blocks.heart_block(found).present, cautions.slow_conduction(found).present) == (
        high,
        slow,
    )
    assert cautions.slow_conduction(found).id == "bradycardia"


def test_a_problem_with_two_grades_is_a_block_and_a_caution() -> None:
    found = charted(both("I44.0", "I44.1"))
    assert blocks.heart_block(found).present
    assert cautions.slow_conduction(found).present


def test_hypermagnesaemia_by_result_by_diagnosis_and_by_both() -> None:
    assert [e.value for e in blocks.hypermagnesaemia(charted(levels=(level(2.7),))).evidence] == [
        "2.7"
    ]
    for value, high in ((2.6, False), (2.61, True), (4.9, True), (5.0, True)):
        assert magnesium_is_high(charted(levels=(level(value),))) is high
    found = blocks.hypermagnesaemia(charted(has("E83.41"), levels=(level(3.0),)))
    assert references(found)[1:] == ["Condition/c-E83.41"]
    assert found.evidence[0].value == "3.0"
    normal = blocks.hypermagnesaemia(charted(has("E83.41"), levels=(level(2.0),)))
    assert references(normal) == ["Condition/c-E83.41"]
    assert blocks.hypermagnesaemia(charted(levels=(level(2.0),))) == Fact(
        "hypermagnesaemia", ABSENT
    )


def test_without_results_hypermagnesaemia_is_known_by_its_diagnosis_alone() -> None:
    assert blocks.hypermagnesaemia(charted(has("E83.41"), without=("magnesiumLabs",))).present
    assert in_words(blocks.hypermagnesaemia(charted(without=("magnesiumLabs",)))) == Fact(
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
    assert blocks.pregnancy(charted(has("Z34.01", **dates))).present is pregnant


def test_a_recorded_status_says_pregnant_too() -> None:
    status = fhir.observation("82810-3", None, None, 10, today=TODAY, id="p")
    status["valueCodeableConcept"] = fhir.concept("LA15173-0", "loinc")
    found = charted(pregnancyStatus=fhir.bundle([status]))
    assert references(blocks.pregnancy(found)) == ["Observation/p"]


def test_an_allergy_to_magnesium() -> None:
    found = charted(allergies=fhir.bundle([fhir.allergy(OXIDE)]))
    assert blocks.allergy(found).present


# ----------------------------------------------------------------------------------- cautions


@pytest.mark.parametrize(
    ("code", "prone"),
    [("K58.0", True), ("K50.90", True), ("K90.0", False), ("Z98.84", False), ("E11.9", False)],
)
def test_who_is_prone_to_diarrhoea(code: str, prone: bool) -> None:
    found = cautions.diarrhoea(charted(has(code)))
    assert (found.id, found.present) == ("diarrhoea", prone)


def test_an_inflamed_bowel_is_prone_also_if_it_absorbs_badly_too() -> None:
    assert cautions.diarrhoea(charted(both("K50.90", "K90.0"))).present


@pytest.mark.parametrize(
    ("mild", "grave"), [(2.0, 1.5), (1.5, 1.1), (1.1, 3.0), (2.0, 3.0), (3.0, 5.5), (1.5, 3.0)]
)
def test_of_two_levels_of_one_moment_the_graver_decides(mild: float, grave: float) -> None:
    for first, second in ((mild, grave), (grave, mild)):
        pair = ({**level(first), "id": "a"}, {**level(second), "id": "b"})
        assert serum_magnesium(charted(levels=pair)) == serum_magnesium(
            charted(levels=tuple(r for r in pair if r["valueQuantity"]["value"] == grave))
        )


def test_a_laboratory_may_set_its_own_limit_up_to_the_critical_one() -> None:
    for limit, high in ((4.9, False), (5.0, True), (2.9, True)):
        result = fhir.observation(
            fhir.MAGNESIUM, 3.0, "mg/dL", 10, today=TODAY, reference_high=limit
        )
        assert magnesium_is_high(charted(levels=(result,))) is high


def test_drugs_that_spare_potassium_and_digoxin() -> None:
    found = charted(taken=(takes(SPIRONOLACTONE), takes(TRIAMTERENE), takes(FUROSEMIDE)))
    assert {u.reference for u in medicines.potassium_sparing(found)} == {
        f"MedicationRequest/m-{SPIRONOLACTONE}",
        f"MedicationRequest/m-{TRIAMTERENE}",
    }
    assert len(medicines.taking(charted(taken=(takes(DIGOXIN),)), "digoxin")) == 1
    assert medicines.taking(charted(taken=(takes(OXIDE),)), "digoxin") == ()
