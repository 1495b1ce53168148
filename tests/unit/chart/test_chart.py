"""The chart as a whole: what is missing, what is only a part, what was set aside, draft orders."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.chart import open_chart
from cds_service.chart.evidence import Gap
from cds_service.fhir.drafts import draft_entries
from cds_service.fhir.prefetch import KINDS, Content, State
from cds_service.fhir.wire import DraftOrder
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, WOMAN, chart, day, raw

OUTCOME = fhir.operation_outcome()
NEXT = [{"relation": "next", "url": "https://ehr.example.org/page/2"}]
OTHER = "other"


def page(*resources: Resource) -> Resource:
    """A first page that is not all."""
    return {**fhir.bundle(resources), "link": NEXT}


# --------------------------------------------------------------------- required keys


def test_with_all_keys_nothing_is_missing() -> None:
    assert in_words(chart().missing_required()) == ()


@pytest.mark.parametrize("key", fhir.REQUIRED_KEYS)
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (OUTCOME, "was answered with an OperationOutcome"),
        ("garbage", "is neither a Bundle nor a"),
        ({"resourceType": "Basic"}, "is neither a Bundle nor a"),
    ],
)
def test_a_required_key_that_is_not_known(key: str, value: Any, why: str) -> None:
    (gap,) = chart(**{key: value}).missing_required()
    assert gap.key == key
    assert in_words(gap.why).startswith(why)


@pytest.mark.parametrize("key", fhir.REQUIRED_KEYS)
def test_a_required_key_that_was_not_sent(key: str) -> None:
    assert in_words(chart(without=[key]).missing_required()) == (Gap(key, "was not sent"),)


@pytest.mark.parametrize("key", ["conditions", "medicationRequests"])
def test_a_part_of_a_required_key_of_which_nothing_came_is_not_enough(key: str) -> None:
    (gap,) = chart(**{key: page()}).missing_required()
    assert in_words(gap) == Gap(key, "holds only a part of the data")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (page(fhir.condition("G43.009", today=TODAY)), "holds only a part of the data"),
        (
            fhir.bundle([fhir.condition("G43.009", today=TODAY), OUTCOME]),
            "was answered only in part (error)",
        ),
        (
            {"resourceType": "Bundle", "entry": [{}, {"resource": fhir.condition("G43.009")}]},
            "has 1 malformed entry",
        ),
    ],
)
def test_a_required_key_known_in_part_is_answered_and_is_a_gap(value: Resource, why: str) -> None:
    found = chart(conditions=value)
    assert in_words(found.missing_required()) == ()
    assert [(g.key, in_words(g.why)) for g in found.gaps("conditions")] == [("conditions", why)]
    assert [p.active for p in found.problems.found] == [True]


def test_a_required_key_of_which_all_was_withheld_is_not_enough() -> None:
    suppressed = {**OUTCOME, "issue": [{"severity": "warning", "code": "suppressed"}]}
    (gap,) = chart(conditions=fhir.bundle([suppressed])).missing_required()
    assert (gap.key, gap.withheld) == ("conditions", ("suppressed",))


@pytest.mark.parametrize("key", fhir.REQUIRED_KEYS)
def test_null_says_that_there_is_none(key: str) -> None:
    assert in_words(chart(None, WOMAN, (), **{key: None}).missing_required()) == ()


@pytest.mark.parametrize(
    ("in_context", "in_patient", "same"),
    [
        ("pat-1", "pat-1", True),
        ("Patient/pat-1", "pat-1", True),
        ("pat-1", None, True),
        ("pat-1", "pat-2", False),
    ],
)
def test_the_patient_must_be_the_one_of_the_call(
    in_context: str, in_patient: str | None, same: bool
) -> None:
    body = fhir.hook_request(fhir.PATIENT_VIEW, None, WOMAN)
    sent = {key: raw(value) for key, value in body["prefetch"].items()}
    sent["patient"] = raw({"resourceType": "Patient", "id": in_patient})
    found = open_chart(sent, in_context, TODAY, knowledge())
    why = () if same else (Gap("patient", "is not the patient of the hook's context"),)
    assert in_words(found.missing_required()) == why


# -------------------------------------------------------------------- gaps of other keys


@pytest.mark.parametrize("key", fhir.OPTIONAL_KEYS)
def test_what_was_not_sent_or_refused_is_a_gap(key: str) -> None:
    assert in_words(chart(without=[key]).gaps(key)) == (Gap(key, "was not sent"),)
    assert in_words(chart(**{key: OUTCOME}).gaps(key)) == (
        Gap(key, "was answered with an OperationOutcome"),
    )
    assert in_words(chart(None, WOMAN, (), **{key: None}).gaps(key)) == ()
    assert in_words(chart().gaps(key)) == ()


def test_a_search_that_failed_in_part_is_a_gap() -> None:
    some = fhir.bundle([fhir.allergy("7980"), OUTCOME])
    assert in_words(chart(allergies=some).gaps("allergies")) == (
        Gap("allergies", "was answered only in part (error)", ("error",)),
    )


@pytest.mark.parametrize(
    ("bad", "why"),
    [(1, "has 1 malformed entry"), (2, "has 2 malformed entries")],
)
def test_malformed_entries_are_a_gap(bad: int, why: str) -> None:
    good = {"resource": fhir.allergy("7980")}
    bundle = {"resourceType": "Bundle", "entry": [good, *[{"resource": 5}] * bad]}
    assert in_words(chart(allergies=bundle).gaps("allergies")) == (Gap("allergies", why),)


def test_elements_that_cannot_be_read_are_a_gap() -> None:
    allergy = {**fhir.allergy("7980"), "clinicalStatus": 5}
    twice = {
        **fhir.allergy("7980"),
        "id": "b",
        "code": {"coding": [5, {"display": "Latex"}], "text": 5},
    }
    for several, why in (
        ([allergy], "has 1 element that cannot be read"),
        ([allergy, twice], "has 3 elements that cannot be read"),
    ):
        found = chart(allergies=fhir.bundle(several))
        assert in_words(found.gaps("allergies")) == (Gap("allergies", why),)
    assert [(n.key, n.resource, n.element) for n in found.not_readable()] == [
        ("allergies", f"AllergyIntolerance/{allergy['id']}", "clinicalStatus"),
        ("allergies", "AllergyIntolerance/b", "code.coding[0]"),
        ("allergies", "AllergyIntolerance/b", "code.text"),
    ]


def test_entries_and_elements_that_cannot_be_read_are_counted_apart() -> None:
    entries = [{}, {"resource": {**fhir.allergy("7980"), "clinicalStatus": 5}}]
    found = chart(allergies={"resourceType": "Bundle", "entry": entries})
    why = "has 1 malformed entry and 1 element that cannot be read"
    assert in_words(found.gaps("allergies")) == (Gap("allergies", why),)


def test_a_gap_grows_with_what_is_read_later() -> None:
    found = chart()
    assert in_words(found.gaps("kidneyLabs")) == ()
    found.reader("kidneyLabs").record_unreadable(
        "Observation/1", "valueQuantity", "is not an object"
    )
    assert [g.key for g in found.gaps("kidneyLabs")] == ["kidneyLabs"]


def test_the_elements_of_a_patient_are_a_gap_too() -> None:
    assert [g.key for g in chart(patient={**WOMAN, "birthDate": 1980}).gaps("patient")] == [
        "patient"
    ]
    odd = chart(patient={**WOMAN, "birthDate": "long ago"})
    assert odd.person.born is None
    assert [g.key for g in odd.gaps("patient")] == ["patient"]


@pytest.mark.parametrize("key", ["allergies", "medicationStatements", "kidneyProcedures"])
def test_a_part_is_a_gap(key: str) -> None:
    assert in_words(chart(**{key: page()}).gaps(key)) == (
        Gap(key, "holds only a part of the data"),
    )


def test_the_newest_page_of_pregnancy_statuses_is_enough_if_it_is_newest_first() -> None:
    no = fhir.concept("60001007")
    new, old = (
        fhir.observation(fhir.PREGNANCY_STATUS, value_concept=no, days_ago=d, today=TODAY)
        for d in (10, 20)
    )
    gap = (Gap("pregnancyStatus", "holds only a part of the data"),)
    assert chart(pregnancyStatus=page(new, old)).gaps("pregnancyStatus") == ()
    assert in_words(chart(pregnancyStatus=page(old, new)).gaps("pregnancyStatus")) == gap
    assert in_words(chart(pregnancyStatus=page()).gaps("pregnancyStatus")) == gap


# ------------------------------------------------------------- resources under other keys


def test_a_resource_under_a_key_that_is_not_its_own_is_named() -> None:
    kidneys = fhir.condition("N18.5", id="k", today=TODAY)
    found = chart({"allergies": [fhir.allergy("7980"), kidneys]})
    assert [g.key for g in found.gaps("conditions", "allergies")] == ["allergies"]
    assert [(n.resource, in_words(n.why)) for n in found.not_readable()] == [
        ("Condition/k", "is a Condition under a key that is not its own")
    ]


def test_a_resource_that_stands_under_its_own_key_too_may_stand_anywhere() -> None:
    kidneys = fhir.condition("N18.5", id="k", today=TODAY)
    found = chart({"allergies": [fhir.allergy("7980"), kidneys], "conditions": [kidneys]})
    assert in_words(found.gaps("conditions", "allergies")) == ()


def test_resources_of_no_concern_may_stand_anywhere() -> None:
    asked = [fhir.allergy("7980"), {"resourceType": "Provenance", "id": "p"}]
    assert in_words(chart({"allergies": asked}).gaps("allergies")) == ()


@pytest.mark.parametrize(
    ("resource", "keys"),
    [
        (fhir.condition("N18.5", id="x", today=TODAY), ["conditions"]),
        (fhir.condition("N18.5", "urn:house", id="x", today=TODAY), ["conditions"]),
        (
            {**fhir.observation(fhir.EGFR, 22, today=TODAY), "id": "x"},
            ["kidneyLabs", "magnesiumLabs", "pregnancyStatus"],
        ),
        (
            {**fhir.observation(fhir.PREGNANCY_STATUS, today=TODAY), "id": "x"},
            ["kidneyLabs", "magnesiumLabs", "pregnancyStatus"],
        ),
        (fhir.medication_request("4603", id="x", today=TODAY), ["medicationRequests"]),
        ({**fhir.condition("J45.909", id="x"), "code": 5}, ["conditions"]),
        (fhir.allergy("6582", id="x"), ["allergies"]),
        # What no rule knows is of no concern.
        (fhir.condition("J45.909", id="x", today=TODAY), []),
        ({**fhir.observation("8867-4", 60, today=TODAY), "id": "x"}, []),
        ({"resourceType": "Encounter", "id": "x"}, []),
        ({"resourceType": "Medication", "id": "x"}, []),
    ],
)
def test_what_stands_under_a_key_that_nobody_asked_for_is_named(
    resource: Resource, keys: list[str]
) -> None:
    found = chart(more=fhir.bundle([resource]))
    assert [g.key for g in found.gaps(*fhir.PREFETCH_SEARCHES)] == keys
    assert {in_words(n.why) for n in found.not_readable()} == (
        {"stands under more, which was not asked for"} if keys else set()
    )


def test_what_stands_under_its_own_key_too_may_stand_under_others() -> None:
    kidneys = fhir.condition("N18.5", id="k", today=TODAY)
    found = chart({"conditions": [kidneys]}, more=fhir.bundle([kidneys]))
    assert in_words(found.gaps(*fhir.PREFETCH_SEARCHES)) == ()


@pytest.mark.parametrize("key", [*fhir.PREFETCH_SEARCHES, "other"])
def test_a_medication_is_found_under_any_key(key: str) -> None:
    medication = {"resourceType": "Medication", "id": "m", "code": CONCEPT}
    order = fhir.medication_request(medication_reference="Medication/m", today=TODAY)
    found = chart(
        {"medicationRequests": [order]},
        more=None,
        **({key: fhir.bundle([medication])} if key != "medicationRequests" else {}),
    )
    if key == "medicationRequests":
        found = chart({key: [order, medication]})
    assert [u.of("magnesium") for u in found.medications] == [True]
    assert in_words(found.gaps(*fhir.PREFETCH_SEARCHES)) == ()


def test_a_medication_of_fetched_contents_is_found() -> None:
    order = fhir.medication_request(medication_reference="urn:uuid:1", today=TODAY)
    medication = {"resourceType": "Medication", "code": CONCEPT}
    condition = {"resource": fhir.condition("N18.5", today=TODAY)}
    entries = [condition, {"fullUrl": "urn:uuid:1", "resource": medication}]
    allergies = KINDS["allergies"].read(raw({"resourceType": "Bundle", "entry": entries}))
    sent = {"medicationRequests": raw(fhir.bundle([order]))}
    found = open_chart(sent, fhir.PATIENT_ID, TODAY, knowledge())
    found.add_fetched({"allergies": allergies})
    assert [u.of("magnesium") for u in found.requests.uses] == [True]


# ----------------------------------------------------------------- Conditions referred to

MIGRAINE = fhir.concept("G43.009", "icd-10-cm")


@pytest.mark.parametrize(
    "reference",
    [
        "Condition/c",
        "Condition/c/_history/3",
        "https://ehr.example.org/fhir/Condition/c",
        "urn:uuid:c-url",
    ],
)
@pytest.mark.parametrize("where", ["conditions", "allergies", "drafts"])
def test_a_condition_is_found_by_a_reference_of_any_form(reference: str, where: str) -> None:
    named = {"resourceType": "Condition", "id": "c", "code": MIGRAINE}
    url = "urn:uuid:c-url" if reference.startswith("urn") else "https://ehr.example.org/1"
    entry = {"fullUrl": url, "resource": named}
    beside = {"resource": {"resourceType": "Medication", "id": "c"}}
    bundle = {"resourceType": "Bundle", "entry": [beside, entry]}
    found = chart() if where == "drafts" else chart(**{where: bundle})
    found.content("allergies")
    if where == "drafts":
        found.add_drafts(list(draft_entries({"draftOrders": bundle})))
    code = found.condition_code(reference)
    assert code is not None
    assert [c.code for c in code.coding or ()] == ["G43.009"]


def test_a_condition_that_is_not_there_is_not_found() -> None:
    assert chart().condition_code("Condition/x") is None


@pytest.mark.parametrize(
    ("key", "code"), [("kidneyLabs", fhir.EGFR), ("magnesiumLabs", fhir.MAGNESIUM)]
)
def test_the_newest_page_of_results_is_enough_if_it_is_newest_first(key: str, code: str) -> None:
    new, old = (fhir.observation(code, 60, None, d, today=TODAY) for d in (10, 20))
    assert in_words(chart(**{key: page(new, old)}).gaps(key)) == ()
    assert in_words(chart(**{key: page(old, new)}).gaps(key)) == (
        Gap(key, "holds only a part of the data"),
    )
    assert in_words(chart(**{key: page()}).gaps(key)) == (
        Gap(key, "holds only a part of the data"),
    )


def test_gaps_stand_in_the_order_asked_for() -> None:
    found = chart(without=["allergies", "kidneyLabs"])
    assert [g.key for g in found.gaps("kidneyLabs", "conditions", "allergies")] == [
        "kidneyLabs",
        "allergies",
    ]
    assert [g.key for g in found.gaps("allergies", "kidneyLabs")] == ["allergies", "kidneyLabs"]


def test_a_medication_that_cannot_be_found_among_the_statements_is_a_gap() -> None:
    statement = fhir.medication_statement("1", today=TODAY)
    del statement["medicationCodeableConcept"]
    statement["medicationReference"] = {"reference": "Medication/elsewhere"}
    found = chart({"medicationStatements": [statement]})
    assert in_words(found.gaps("medicationRequests")) == ()
    assert [g.key for g in found.gaps("medicationStatements")] == ["medicationStatements"]


def test_contents_that_were_fetched_stand_before_what_was_sent() -> None:
    fetched: dict[str, Content[Any]] = {
        "conditions": Content(State.EMPTY),
        "allergies": Content(State.DATA, partial=True, beside=reasons.SERVER_PAGES),
    }
    found = open_chart({}, "pat-1", TODAY, knowledge())
    found.add_fetched(fetched)
    assert [g.key for g in found.missing_required()] == ["patient", "medicationRequests"]
    assert in_words(found.gaps("allergies")) == (
        Gap(
            "allergies",
            "holds only a part of the data, and the FHIR server has more pages than this service reads",
        ),
    )


# --------------------------------------------------------------------------- set aside


def test_what_was_set_aside_is_told_and_others_resources_are_counted() -> None:
    def of_other(resource: Resource) -> Resource:
        owner = "patient" if "patient" in resource else "subject"
        return {**resource, "id": f"{resource['id']}-other", owner: fhir.subject(OTHER)}

    own: dict[str, Resource] = {
        "conditions": fhir.condition("G43.009", clinical="resolved", today=TODAY),
        "medicationRequests": fhir.medication_request("4603", status="stopped", today=TODAY),
        "medicationStatements": fhir.medication_statement("4603", status="stopped", today=TODAY),
        "allergies": fhir.allergy("6582", clinical="resolved"),
        "kidneyLabs": fhir.observation(fhir.EGFR, 60, None, status="preliminary", today=TODAY),
        "magnesiumLabs": fhir.observation(fhir.MAGNESIUM, 2, None, status="cancelled", today=TODAY),
        "kidneyProcedures": fhir.procedure("265764009", 400, today=TODAY),
    }
    found = chart({key: [one, of_other(one)] for key, one in own.items()}).set_aside()
    named = {s.resource for s in found}
    assert {f"{r['resourceType']}/{r['id']}" for r in own.values()} <= named
    assert set(own) <= named
    foreign = [s for s in found if in_words(s.why) == "belong to another patient"]
    assert [in_words(s.what) for s in foreign] == ["1 resources"] * len(own)
    assert len(found) == 2 * len(own)


def test_an_empty_chart_sets_nothing_aside() -> None:
    assert chart().set_aside() == ()


# --------------------------------------------------------------------------- draft orders

GLYCINATE = "476818"


def drafted(order: Resource) -> DraftOrder:
    """A draft as far as it can be read."""
    (entry,) = draft_entries({"draftOrders": [order]})
    assert entry.order is not None
    return entry.order


def test_a_draft_is_a_medication_like_any_other() -> None:
    order = fhir.draft_order(GLYCINATE, dosage=fhir.dosage(200), id="d")
    use = chart().draft(drafted(order), "MedicationRequest/d")
    assert use is not None
    assert (use.reference, use.of("magnesium"), use.regular) == ("MedicationRequest/d", True, True)


@pytest.mark.parametrize(
    "order",
    [
        {"resourceType": "MedicationRequest"},
        {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"text": "water"}},
        {"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/x"}},
        {"resourceType": "MedicationRequest", "status": 5, "medicationCodeableConcept": "odd"},
    ],
)
def test_a_draft_of_no_known_drug(order: Resource) -> None:
    assert chart().draft(drafted(order), "d") is None


CONCEPT = fhir.concept(GLYCINATE, "rxnorm")


@pytest.mark.parametrize(
    "odd",
    [
        {"status": {"no": "text"}},
        {"authoredOn": 20261122},
        {"subject": "Patient/pat-1"},
        {"doNotPerform": "no"},
    ],
)
def test_a_malformed_draft_is_still_known_for_its_drug(odd: Resource) -> None:
    order = {"resourceType": "MedicationRequest", "medicationCodeableConcept": CONCEPT, **odd}
    use = chart().draft(drafted(order), "d")
    assert use is not None
    assert use.of("magnesium")


@pytest.mark.parametrize(
    "concept",
    [
        {**CONCEPT, "text": 5},
        {"coding": [5, *CONCEPT["coding"]]},
        {"coding": [{**CONCEPT["coding"][0], "display": 5}]},
        {"coding": "odd", "text": "magnesium glycinate"},
    ],
)
def test_a_malformed_concept_keeps_its_readable_parts(concept: Resource) -> None:
    order = {"resourceType": "MedicationRequest", "medicationCodeableConcept": concept}
    use = chart().draft(drafted(order), "d")
    assert use is not None
    assert use.of("magnesium")


@pytest.mark.parametrize("reference", ["Medication/m", "https://ehr.example.org/fhir/Medication/m"])
def test_a_draft_may_name_a_medication_that_came_with_the_drafts(reference: str) -> None:
    found = chart()
    sent = [
        {"resourceType": "Medication", "id": 5},
        {"resourceType": "Medication", "id": "m", "code": CONCEPT},
    ]
    found.add_drafts(list(draft_entries({"draftOrders": sent})))
    order = {"resourceType": "MedicationRequest", "medicationReference": {"reference": reference}}
    use = found.draft(drafted(order), "d")
    assert use is not None
    assert use.of("magnesium")


# --------------------------------------------------------------------- the other readers


def test_each_part_is_read_for_this_patient_on_this_day() -> None:
    found = chart(
        {
            "pregnancyStatus": [
                fhir.observation(
                    fhir.PREGNANCY_STATUS,
                    value_concept=fhir.concept("77386006"),
                    days_ago=300,
                    today=TODAY,
                )
            ],
            "kidneyProcedures": [fhir.procedure("265764009", 90, today=TODAY)],
            "allergies": [fhir.allergy("6582")],
        }
    )
    assert found.today == date(2026, 11, 22)
    assert found.pregnancy_status is not None
    assert len(found.procedures.of("renal_dialysis")) == 1
    assert len(found.allergies.magnesium) == 1
    assert found.person.sex == "female"
    assert found.subject.is_meant(None)
    assert day(0) == "2026-11-22"


def test_the_gaps_met_are_those_of_what_was_asked_for() -> None:
    found = chart(without=["allergies", "kidneyLabs"])
    assert in_words(found.gaps_met()) == ()
    found.gaps("conditions", "allergies")
    assert in_words(found.gaps_met()) == (Gap("allergies", "was not sent"),)


def test_what_was_withheld_of_a_key_that_was_read_is_met_though_nobody_asked() -> None:
    withheld = fhir.bundle([fhir.medication_request("4603", today=TODAY), OUTCOME])
    found = chart(medicationRequests=withheld, without=["allergies"])
    assert in_words(found.missing_required()) == ()
    assert [(g.key, g.withheld) for g in found.gaps_met()] == [("medicationRequests", ("error",))]


# A code of the house, without a name, says nothing to anybody else.
NAMELESS = {"coding": [{"system": "urn:local", "code": "77"}]}
NOT_SENT, UNNAMED = reasons.MEDICATION_NOT_SENT, reasons.MEDICATION_UNNAMED


def test_an_order_that_nobody_can_read_is_a_gap() -> None:
    order = fhir.medication_request("1", today=TODAY)
    order["medicationCodeableConcept"] = NAMELESS
    found = chart({"medicationRequests": [order]})
    assert found.gaps("medicationRequests") == (Gap("medicationRequests", UNNAMED),)


@pytest.mark.parametrize("who", [{"resourceType": "Patient"}, None])
def test_a_patient_without_an_id_is_the_one_of_the_call(who: Resource | None) -> None:
    own = fhir.condition("G43.009", today=TODAY)
    others = fhir.condition("I10", patient_id=OTHER, today=TODAY)
    others["code"] = own["code"]
    found = chart({"conditions": [others, own]}, patient=who)
    assert (len(found.problems.found), found.problems.foreign) == (1, 1)


def test_the_patient_may_be_named_by_the_full_url_of_the_entry() -> None:
    entry = {"fullUrl": "urn:uuid:0-1", "resource": WOMAN}
    own = {**fhir.condition("G43.009", today=TODAY), "subject": {"reference": "urn:uuid:0-1"}}
    others = {**own, "id": "o", "subject": {"reference": "urn:uuid:0-2"}}
    found = chart(
        {"conditions": [own, others]}, patient={"resourceType": "Bundle", "entry": [entry]}
    )
    assert (len(found.problems.found), found.problems.foreign) == (1, 1)


@pytest.mark.parametrize(("days", "active"), [(0, True), (730, True), (731, False)])
def test_without_a_status_a_condition_counts_while_it_is_recent(days: int, active: bool) -> None:
    own = fhir.condition("G43.009", clinical=None, category=None, recorded_days=days, today=TODAY)
    (problem,) = chart({"conditions": [own]}).problems.found
    assert problem.active is active


@pytest.mark.parametrize(
    ("medication", "why"),
    [
        ({"medicationCodeableConcept": fhir.concept(GLYCINATE, "rxnorm")}, ""),
        ({"medicationCodeableConcept": {"text": "water"}}, ""),
        (
            {"medicationCodeableConcept": {"coding": [{**NAMELESS["coding"][0], "display": "x"}]}},
            "",
        ),
        ({"medicationCodeableConcept": NAMELESS}, UNNAMED),
        ({"medicationReference": {"reference": "Medication/nowhere"}}, NOT_SENT),
        ({"medicationReference": {"reference": "Medication/nowhere", "display": ""}}, NOT_SENT),
        ({"medicationReference": {"reference": "Medication/nowhere", "display": "water"}}, ""),
        # Nothing is chosen yet.
        ({"medicationReference": {"reference": "", "display": ""}}, ""),
        ({"medicationReference": {}}, ""),
        ({"medicationCodeableConcept": {}}, ""),
        ({}, ""),
    ],
)
def test_why_nobody_can_tell_what_a_draft_orders(medication: Resource, why: str) -> None:
    order = drafted({"resourceType": "MedicationRequest", **medication})
    assert chart().unidentified(order) == (why or None)


@pytest.mark.parametrize(
    "medication",
    [
        {"medicationCodeableConcept": {"text": "magnesium glycinate"}},
        {
            "medicationCodeableConcept": {
                "coding": [{**NAMELESS["coding"][0], "display": "magnesium glycinate"}]
            }
        },
        {"medicationReference": {"reference": "Medication/m"}},
        {"medicationReference": {"reference": "Medication/m", "display": 5}},
        {"medicationReference": {"display": "magnesium glycinate"}},
    ],
)
def test_a_malformed_draft_keeps_whatever_names_its_drug(medication: Resource) -> None:
    found = chart()
    sent = [{"resourceType": "Medication", "id": "m", "code": CONCEPT}]
    found.add_drafts(list(draft_entries({"draftOrders": sent})))
    order = {"resourceType": "MedicationRequest", "status": {"no": "text"}, **medication}
    use = found.draft(drafted(order), "d")
    assert use is not None
    assert use.of("magnesium")


# ------------------------------------------------------------------ what is fetched later


def test_fetched_contents_stand_before_what_was_sent() -> None:
    """Also where draft orders were read already: a Medication may be found only now."""
    order = fhir.medication_request(medication_reference="Medication/late", today=TODAY)
    sent = {"medicationRequests": raw(fhir.bundle([order]))}
    found = open_chart(sent, fhir.PATIENT_ID, TODAY, knowledge())
    draft = fhir.draft_order(medication_reference="Medication/early")
    early = {"resourceType": "Medication", "id": "early", "code": CONCEPT}
    entries = list(draft_entries({"draftOrders": fhir.bundle([draft, early])}))
    found.add_drafts(entries)
    assert entries[0].order is not None
    assert found.draft(entries[0].order, "MedicationRequest/d") is not None
    late = {"resourceType": "Medication", "id": "late", "code": CONCEPT}
    found.add_fetched(
        {"medicationRequests": KINDS["medicationRequests"].read(raw(fhir.bundle([order, late])))}
    )
    assert [u.of("magnesium") for u in found.requests.uses] == [True]
    assert found.draft(entries[0].order, "MedicationRequest/d") is not None


def test_nothing_is_added_to_a_chart_that_has_been_read() -> None:
    found = open_chart({}, fhir.PATIENT_ID, TODAY, knowledge())
    assert found.problems is not None
    with pytest.raises(ValueError, match="read already"):
        found.add_fetched({})
