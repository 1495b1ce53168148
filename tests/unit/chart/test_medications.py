"""What the patient takes: which orders and statements count, which drug they name, by which route."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.chart import Chart
from cds_service.chart.medications import MedicationUse, magnesium_uses
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart, day

RXNORM = fhir.SYSTEMS["rxnorm"]
ATC = fhir.SYSTEMS["atc"]
SNOMED = fhir.SYSTEMS["snomed"]
V3_ROUTE = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"
FUROSEMIDE = "4603"
TABLET = "313988"
OMEPRAZOLE_GRANULES = "1855327"


def order(code: str | None = FUROSEMIDE, **changes: Any) -> Resource:
    """An active order of furosemide; a change to None takes the element away."""
    usual = fhir.medication_request(code, text="Furosemide", id="r", today=TODAY)
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def statement(**changes: Any) -> Resource:
    usual = fhir.medication_statement(FUROSEMIDE, text="Furosemide", id="s", today=TODAY)
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def ordered(*resources: Resource) -> Chart:
    return chart({"medicationRequests": list(resources)})


def one(resource: Resource, *others: Resource) -> MedicationUse:
    (use,) = ordered(resource, *others).medications
    return use


# ---------------------------------------------------------------------- which orders count


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"status": "on-hold"}, "status is on-hold"),
        ({"status": "completed"}, "status is completed"),
        ({"status": "stopped"}, "status is stopped"),
        ({"status": "cancelled"}, "status is cancelled"),
        ({"status": "entered-in-error"}, "status is entered-in-error"),
        ({"status": "draft"}, "status is draft"),
        ({"intent": "order"}, ""),
        ({"intent": "original-order"}, ""),
        ({"intent": "instance-order"}, ""),
        ({"intent": "filler-order"}, ""),
        ({"intent": "reflex-order"}, ""),
        ({"intent": None}, ""),
        ({"intent": "proposal"}, "intent is proposal"),
        ({"intent": "plan"}, "intent is plan"),
        ({"intent": "option"}, "intent is option"),
        ({"intent": "Order"}, ""),  # no FHIR code: read like a missing one
        ({"doNotPerform": True}, "says doNotPerform"),
        ({"doNotPerform": False}, ""),
        ({"authoredOn": day(730)}, ""),
        ({"authoredOn": day(731)}, "was ordered more than 730 days ago"),
        ({"authoredOn": None}, ""),
        ({"authoredOn": "long ago"}, ""),
        ({"authoredOn": "2025"}, ""),
        ({"authoredOn": "2023"}, "was ordered more than 730 days ago"),
    ],
)
def test_the_test_of_an_order(changes: dict[str, Any], why: str) -> None:
    found = ordered(order(**changes)).requests
    assert [in_words(s.why) for s in found.set_aside] == ([why] if why else [])
    assert len(found.uses) == (0 if why else 1)


@pytest.mark.parametrize(
    ("dispense", "counts"),
    [
        ({"validityPeriod": {"end": day(0)}}, True),
        ({"validityPeriod": {"end": day(-30)}}, True),
        ({"validityPeriod": {"end": day(1)}}, False),
        ({"validityPeriod": {"end": "2026"}}, True),
        ({"validityPeriod": {"start": day(900)}}, False),
        ({"validityPeriod": {}}, False),
        ({"validityPeriod": "odd"}, False),
        ({}, False),
        ("odd", False),
    ],
)
def test_an_old_order_counts_while_it_is_valid(dispense: Any, counts: bool) -> None:
    found = ordered(order(authoredOn=day(800), dispenseRequest=dispense)).requests
    assert bool(found.uses) is counts


# ------------------------------------------------------------------ which statements count


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"effectivePeriod": {"start": day(10)}}, True),
        ({"effectivePeriod": {"start": day(10), "end": day(0)}}, True),
        ({"effectivePeriod": {"start": day(10), "end": day(1)}}, False),
        ({"effectivePeriod": {"end": "2026"}}, True),
        ({"effectivePeriod": {"end": "2025"}}, False),
        ({"status": "completed"}, False),
        ({"status": "completed", "effectivePeriod": {"start": day(10)}}, False),
        ({"status": "stopped"}, False),
        ({"status": "not-taken"}, False),
        ({"status": "intended"}, False),
        ({"status": "on-hold"}, False),
        ({"status": "entered-in-error"}, False),
        # Without a status a period that covers the day is enough.
        ({"status": None, "effectivePeriod": {"start": day(10)}}, True),
        ({"status": None, "effectivePeriod": {"end": day(-10)}}, True),
        ({"status": None, "effectivePeriod": {"start": day(-1)}}, False),
        ({"status": "unknown", "effectivePeriod": {"start": day(10), "end": day(-1)}}, True),
        ({"status": "unknown", "effectivePeriod": {"start": day(10), "end": day(1)}}, False),
    ],
)
def test_the_test_of_a_statement(changes: dict[str, Any], counts: bool) -> None:
    found = chart({"medicationStatements": [statement(**changes)]}).statements
    assert (len(found.uses), len(found.set_aside)) == ((1, 0) if counts else (0, 1))


def test_why_a_statement_does_not_count() -> None:
    over = statement(effectivePeriod={"end": day(1)})
    stopped = statement(status="stopped")
    coming = statement(status=None, effectivePeriod={"start": day(-1)})
    found = chart({"medicationStatements": [over, stopped, coming]}).statements
    assert [in_words(s.why) for s in found.set_aside] == [
        "its effectivePeriod is over",
        "status is stopped",
        "its effectivePeriod has not begun",
    ]


@pytest.mark.parametrize(
    ("members", "since"),
    [
        ({"authoredOn": "2026-01"}, "2026-01"),
        ({"authoredOn": None}, None),
        ({"authoredOn": None, "effectivePeriod": {"start": "2025"}}, "2025"),
        ({"authoredOn": None, "effectivePeriod": {"end": "2027"}}, None),
        ({"authoredOn": None, "effectiveDateTime": "2024"}, "2024"),
        ({"authoredOn": "?", "effectivePeriod": {}, "effectiveDateTime": "2024"}, "2024"),
    ],
)
def test_since_when(members: dict[str, Any], since: str | None) -> None:
    use = one(order(**members))
    assert (use.since.written if use.since else None) == since
    assert use.evidence.date == since


def test_requests_and_statements_of_one_drug_are_both_there_and_each_resource_once() -> None:
    found = chart({"medicationRequests": [order(), order()], "medicationStatements": [statement()]})
    assert sorted(u.reference for u in found.medications) == [
        "MedicationRequest/r",
        "MedicationStatement/s",
    ]


def test_another_patients_medication_is_counted_but_not_read() -> None:
    found = ordered(order(subject={"reference": "Patient/other"})).requests
    assert (found.uses, found.foreign) == ([], 1)


# -------------------------------------------------------------------------- which drug it is


def concept(*codings: tuple[str, str] | Resource, text: str | None = None) -> Resource:
    found = [c if isinstance(c, dict) else {"system": c[0], "code": c[1]} for c in codings]
    return {"coding": found} | ({"text": text} if text else {})


LOOP = "diuretic_loop"


@pytest.mark.parametrize(
    ("medication", "drug_class", "matched"),
    [
        (concept((RXNORM, TABLET)), LOOP, "code"),
        (concept((RXNORM, FUROSEMIDE)), LOOP, "ingredient"),
        (concept(("urn:oid:2.16.840.1.113883.6.88", TABLET)), LOOP, "code"),
        (concept(("urn:local", "9"), (RXNORM, TABLET)), LOOP, "code"),
        # RxNorm before ATC, ATC before text.
        (concept((ATC, "C03DA01"), (RXNORM, TABLET)), LOOP, "code"),
        (concept((ATC, "C03CA01"), text="spironolactone"), LOOP, "atc"),
        (concept((ATC, "C03CA01")), LOOP, "atc"),
        (concept(("http://fhir.de/CodeSystem/bfarm/atc", "C03CA01")), LOOP, "atc"),
        (concept((RXNORM, "0"), (ATC, "C03CA01")), LOOP, "atc"),
        (concept((ATC, "Z99"), text="Lasix 40"), LOOP, "text"),
        (concept(text="Furosemide 40 mg tablet"), LOOP, "text"),
        (concept({"system": "urn:local", "code": "9", "display": "furosemide"}), LOOP, "text"),
        (concept({"system": RXNORM}, text="furosemide"), LOOP, "text"),
        (concept({"system": ATC}, text="furosemide"), LOOP, "text"),
    ],
)
def test_a_drug_is_found(medication: Resource, drug_class: str, matched: str) -> None:
    use = one(order(medicationCodeableConcept=medication))
    assert use.of(drug_class)
    assert use.drug.matched == use.evidence.matched == matched
    assert (use.evidence.code is None) is (matched == "text")


def test_what_is_combined_may_stand_half_in_the_display_and_half_in_the_text() -> None:
    coding = {"system": ATC, "code": "C03AA03", "display": "Hydrochlorothiazide"}
    use = one(order(medicationCodeableConcept=concept(coding, text="amiloride 5 mg")))
    assert use.of("diuretic_combo_ksparing")


@pytest.mark.parametrize(
    "medication",
    [
        concept((RXNORM, "723")),  # amoxicillin
        concept((ATC, "J01CA04")),
        concept((RXNORM, "1"), text=""),
        concept(text="amoxicillin"),
        concept(("urn:local", "x"), (RXNORM, "723")),
        {"coding": [{"system": "urn:local", "display": "amoxicillin"}]},
    ],
)
def test_a_drug_that_no_rule_knows_is_passed_over(medication: Resource) -> None:
    found = ordered(order(medicationCodeableConcept=medication)).requests
    assert (found.uses, found.set_aside, found.unresolved, found.unnamed) == ([], [], [], [])


ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@pytest.mark.parametrize(
    "medication",
    [
        concept(("urn:local", FUROSEMIDE)),
        # A code that is not read may say something else than words that match nothing (12.7.18).
        concept(("urn:local", "x"), text="amoxicillin"),
        {"coding": [{"system": "urn:local", "code": "x", "display": "amoxicillin"}]},
        {"coding": [{"code": "x", "display": "amoxicillin"}]},
        concept((RXNORM, "")),
        concept((ABSENT, "unknown")),
        concept((ABSENT, "unknown"), text="unknown"),
        concept(text=""),
        {},
        None,
    ],
)
def test_a_medication_named_by_nothing_that_can_be_looked_up_is_a_gap(
    medication: Resource | None,
) -> None:
    """It could be magnesium: that there is none would be more than is known."""
    found = ordered(order(medicationCodeableConcept=medication, id="r"))
    assert found.requests.unnamed == ["MedicationRequest/r"]
    assert [in_words(g.why) for g in found.gaps("medicationRequests")] == [
        "names a medication by nothing that can be looked up"
    ]
    assert [(n.resource, n.element) for n in found.not_readable()] == [
        ("MedicationRequest/r", "medication")
    ]


def test_a_stopped_medication_without_a_name_leaves_no_gap() -> None:
    found = ordered(order(medicationCodeableConcept={}, status="stopped"))
    assert found.gaps("medicationRequests") == ()


@pytest.mark.parametrize(
    ("resource", "ended"),
    [
        (order(medicationCodeableConcept={}, status="stopped", authoredOn=day(30)), day(30)),
        (order(medicationCodeableConcept={}, status="completed", authoredOn=None), None),
        (order(medicationCodeableConcept={}, status="cancelled"), "not taken"),
        (order(medicationCodeableConcept={}), "still taken"),
    ],
)
def test_a_stopped_medication_without_a_name_may_have_been_magnesium(
    resource: Resource, ended: str | None
) -> None:
    found = ordered(resource).requests.lost_stopped
    written = [when.written if when is not None else None for when in found]
    assert written == ([] if ended in ("not taken", "still taken") else [ended])


def test_a_statement_that_is_over_and_has_no_name_may_have_been_magnesium() -> None:
    over = statement(medicationCodeableConcept={}, effectivePeriod={"end": day(9)})
    (when,) = chart({"medicationStatements": [over]}).statements.lost_stopped
    assert when is not None
    assert when.written == day(9)


@pytest.mark.parametrize(
    ("intent", "listed"), [("order", []), (None, ["intent"]), ("?", ["intent"])]
)
def test_an_order_of_unclear_intent_counts_and_is_named(
    intent: str | None, listed: list[str]
) -> None:
    """It may have been a plan: what follows from it is no reason to recommend anything."""
    found = ordered(order(intent=intent))
    assert len(found.medications) == 1
    assert [lost.element for lost in found.reader("medicationRequests").lost] == listed


def test_one_code_under_two_names_keeps_both_names() -> None:
    """The same order again and again is looked up once, but shown as each was written."""
    first = order(id="1", medicationCodeableConcept=concept((RXNORM, TABLET), text="Furo 40"))
    second = order(id="2", medicationCodeableConcept=concept((RXNORM, TABLET), text="Lasix 40"))
    assert {u.label for u in ordered(first, second).medications} == {"Furo 40", "Lasix 40"}


def test_a_name_that_is_looked_up_again_is_the_same_drug() -> None:
    """Also where it stands beside codes that nobody knows."""
    named = concept(("urn:local", "1"), ("urn:local", "2"), text="Furosemide 40 mg tablet")
    first, second = (order(id=i, medicationCodeableConcept=named) for i in "12")
    assert [u.drug.matched for u in ordered(first, second).medications] == ["text", "text"]


@pytest.mark.parametrize(
    ("medication", "label"),
    [
        (concept({"system": RXNORM, "code": TABLET, "display": "As coded"}, text="T"), "As coded"),
        (concept((RXNORM, TABLET), text="As written"), "As written"),
        (concept((RXNORM, TABLET)), "furosemide 40 MG Oral Tablet"),
    ],
)
def test_what_it_is_called(medication: Resource, label: str) -> None:
    assert one(order(medicationCodeableConcept=medication)).label == label


# ------------------------------------------------------------------------------- references

MEDICATION = fhir.medication(TABLET, id="med")


def referring(reference: Resource, **members: Any) -> Resource:
    return order(medicationCodeableConcept=None, medicationReference=reference, **members)


@pytest.mark.parametrize(
    "reference",
    [
        "Medication/med",
        "Medication/med/_history/2",
        "https://ehr.example.org/fhir/Medication/med",
    ],
)
def test_a_medication_that_came_along(reference: str) -> None:
    assert one(referring({"reference": reference}), MEDICATION).of(LOOP)


def test_a_medication_known_by_its_full_url_alone() -> None:
    found = fhir.bundle([referring({"reference": "urn:uuid:77"})])
    without_id = {k: v for k, v in MEDICATION.items() if k != "id"}
    found["entry"].append({"fullUrl": "urn:uuid:77", "resource": without_id})
    (use,) = chart(medicationRequests=found).medications
    assert use.of(LOOP)


def test_a_medication_that_came_with_the_statements() -> None:
    found = chart(
        {
            "medicationRequests": [referring({"reference": "Medication/med"})],
            "medicationStatements": [MEDICATION],
        }
    )
    assert [u.reference for u in found.medications] == ["MedicationRequest/r"]


@pytest.mark.parametrize("inner_id", ["m1", "#m1"])
def test_a_contained_medication(inner_id: str) -> None:
    contained = [
        {"resourceType": "Organization", "id": "o"},
        {"resourceType": "Medication", "id": inner_id, "code": concept((RXNORM, TABLET))},
    ]
    assert one(referring({"reference": "#m1"}, contained=contained)).of(LOOP)


@pytest.mark.parametrize(
    ("reference", "members"),
    [
        ({"reference": "Medication/elsewhere"}, {}),
        ({"reference": "#m1"}, {}),
        ({"reference": "#m1"}, {"contained": [{"resourceType": "Medication", "id": "m2"}]}),
        ({"reference": "#m1"}, {"contained": [{"resourceType": "Medication", "id": "m1"}]}),
        ({"identifier": {"value": "9"}}, {}),
    ],
)
def test_a_medication_that_cannot_be_found_is_a_gap(
    reference: Resource, members: dict[str, Any]
) -> None:
    found = ordered(referring(reference, **members))
    assert found.requests.unresolved == ["MedicationRequest/r"]
    assert [in_words(g.why) for g in found.gaps("medicationRequests")] == [
        "names a medication that was not sent along"
    ]


def test_a_medication_without_code_is_not_found_either() -> None:
    without_code = {"resourceType": "Medication", "id": "med"}
    found = ordered(referring({"reference": "Medication/med"}), without_code)
    assert found.requests.unresolved == ["MedicationRequest/r"]


def test_a_medication_that_came_twice_is_known_by_the_one_with_a_code() -> None:
    summary = {"resourceType": "Medication", "id": "med"}
    assert one(referring({"reference": "Medication/med"}), MEDICATION, summary).of(LOOP)


def test_an_entry_without_a_resource_is_no_medication() -> None:
    entries = [{"fullUrl": "urn:uuid:1"}, {"resource": referring({"reference": "Medication/med"})}]
    found = chart(medicationRequests={"resourceType": "Bundle", "entry": entries}).requests
    assert found.unresolved == ["MedicationRequest/r"]


def test_an_order_that_does_not_count_leaves_no_gap() -> None:
    found = ordered(referring({"reference": "Medication/elsewhere"}, status="stopped"))
    assert found.requests.unresolved == []
    assert found.gaps("medicationRequests") == ()


@pytest.mark.parametrize(("display", "found"), [("Furosemide 40 mg", 1), ("Amoxicillin", 0)])
def test_the_display_of_a_reference_is_a_text(display: str, found: int) -> None:
    chart_ = ordered(referring({"reference": "Medication/elsewhere", "display": display}))
    assert len(chart_.medications) == found
    assert chart_.requests.unresolved == []


# ------------------------------------------------------------------------------ how it is taken


@pytest.mark.parametrize(
    ("dosages", "regular"),
    [
        (None, True),
        ([], True),
        ([{}], True),
        ([{"asNeededBoolean": False}], True),
        ([{"asNeededBoolean": True}], False),
        ([{"asNeededCodeableConcept": {"text": "swelling"}}], False),
        ([{"asNeededBoolean": True}, {"asNeededBoolean": True}], False),
        ([{"asNeededBoolean": True}, {}], True),
        ({"asNeededBoolean": True}, False),  # an object where a list should be
        ("as needed", True),  # malformed: it may be regular
        ([{"asNeededBoolean": "true"}], True),
    ],
)
def test_as_needed(dosages: Any, regular: bool) -> None:
    assert one(order(dosageInstruction=dosages)).regular is regular


def test_a_malformed_dosage_is_known_as_such() -> None:
    assert one(order(dosageInstruction="twice")).dosages is None
    assert one(order()).dosages == ()


def test_a_statement_has_its_dosage_elsewhere() -> None:
    found = chart({"medicationStatements": [statement(dosage=[{"asNeededBoolean": True}])]})
    assert not found.medications[0].regular


def coded_route(code: str, system: str = SNOMED) -> Resource:
    return {"route": {"coding": [{"system": system, "code": code}]}}


@pytest.mark.parametrize(
    ("code", "dosage", "route"),
    [
        # The product's own route comes first, whatever the order says.
        (TABLET, coded_route("47625008"), "oral"),
        ("252484", coded_route("26643006"), "injectable"),
        # An ingredient has the route of the order: by code ...
        (FUROSEMIDE, coded_route("26643006"), "oral"),
        (FUROSEMIDE, coded_route("47625008"), "injectable"),
        (FUROSEMIDE, coded_route("47625008", "urn:oid:2.16.840.1.113883.6.96"), "injectable"),
        (FUROSEMIDE, coded_route("54485002"), "local"),
        (FUROSEMIDE, coded_route("46713006"), "nasal"),
        (FUROSEMIDE, coded_route("447694001"), "inhaled"),
        (FUROSEMIDE, coded_route("IV", V3_ROUTE), "injectable"),
        (FUROSEMIDE, coded_route("PO", V3_ROUTE), "oral"),
        # ... then by wording.
        (FUROSEMIDE, {"route": {"text": "intravenous use"}}, "injectable"),
        (FUROSEMIDE, {"route": {"coding": [{"display": "Oral route"}]}}, "oral"),
        (FUROSEMIDE, {"text": "40 mg IV twice daily"}, "injectable"),
        (FUROSEMIDE, {"patientInstruction": "one tablet by mouth"}, "oral"),
        (FUROSEMIDE, {"text": "inject 20 mg subcutaneous"}, "injectable"),
        # An unknown code says nothing.
        (FUROSEMIDE, coded_route("1"), "any"),
        (FUROSEMIDE, {**coded_route("1"), "text": "po"}, "oral"),
        (FUROSEMIDE, {}, "any"),
        # A product of which nobody knows how it is given has the route of the order too.
        (OMEPRAZOLE_GRANULES, {"text": "by mouth"}, "oral"),
        (OMEPRAZOLE_GRANULES, {}, "unknown"),
    ],
)
def test_the_route(code: str, dosage: Resource, route: str) -> None:
    use = one(order(code, dosageInstruction=[dosage]))
    assert use.route == route
    assert use.oral is (route in ("oral", "any", "unknown"))


def test_the_first_instruction_that_says_a_route_decides() -> None:
    steps = [{}, coded_route("47625008"), coded_route("26643006")]
    assert one(order(dosageInstruction=steps)).route == "injectable"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("ciprofloxacin eye drops", "local"),
        ("ciprofloxacin ear drops", "local"),
        ("ciprofloxacin 500 mg tablet", "oral"),
        ("ciprofloxacin infusion", "injectable"),
        ("tobramycin inhaled", "inhaled"),
        ("sumatriptan nasal spray", "nasal"),
        ("ciprofloxacin", "any"),
        ("ciprofloxacin oral or otic", "local"),
    ],
)
def test_the_route_in_a_name(text: str, route: str) -> None:
    named = order(None, medicationCodeableConcept={"text": text})
    assert one(named).route == route


def test_magnesium_among_what_is_taken() -> None:
    magnesium = fhir.medication_request("198741", id="mg", today=TODAY)
    found = ordered(order(), magnesium).medications
    assert [u.reference for u in magnesium_uses(found)] == ["MedicationRequest/mg"]


def test_what_is_taken_stands_newest_first() -> None:
    old, new = order(id="old", authoredOn=day(300)), order(id="new", authoredOn=day(3))
    undated = order(id="undated", authoredOn=None)
    found = ordered(undated, old, new).medications
    assert [u.reference.split("/")[1] for u in found] == ["new", "old", "undated"]


# ------------------------------------------------------------------------------- in a list

OTHERS = {"reference": "Patient/other"}
WATER = fhir.concept(None, text="water")
NAMELESS = {"coding": [{"system": "urn:local", "code": "77"}]}


def test_what_does_not_count_hides_no_order_behind_it() -> None:
    found = ordered(
        fhir.medication("1"),
        order(medicationCodeableConcept=WATER),
        order(subject=OTHERS),
        order(subject=OTHERS),
        order(medicationCodeableConcept=NAMELESS, id="n"),
        order(status="stopped"),
        order(),
    ).requests
    assert (len(found.uses), found.foreign, found.unnamed) == (1, 2, ["MedicationRequest/n"])
    assert [(s.resource, in_words(s.what)) for s in found.set_aside] == [
        ("MedicationRequest/r", "Furosemide")
    ]


def test_orders_without_an_id_are_named_by_their_place() -> None:
    entries = [
        {"resource": order(id=None)},
        {"resource": order(id=None, medicationCodeableConcept=NAMELESS)},
    ]
    bundle = {"resourceType": "Bundle", "entry": entries}
    found = chart(medicationRequests=bundle).requests
    assert [u.reference for u in found.uses] == ["MedicationRequest (entry 0, without id)"]
    assert found.unnamed == ["MedicationRequest (entry 1, without id)"]


def test_an_entry_without_a_resource_does_not_hide_the_medication_referred_to() -> None:
    refers = order(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}
    )
    entries = [{"fullUrl": "urn:uuid:1"}, {"resource": refers}]
    entries.append({"resource": fhir.medication(FUROSEMIDE, id="m")})
    found = chart(medicationRequests={"resourceType": "Bundle", "entry": entries}).requests
    assert [u.evidence.code for u in found.uses] == [FUROSEMIDE]


def test_a_medication_that_no_rule_knows_is_no_gap_for_being_referred_to() -> None:
    water = {"resourceType": "Medication", "id": "m", "code": WATER}
    refers = order(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[water],
    )
    found = ordered(refers)
    assert found.requests.unresolved == []
    assert found.gaps("medicationRequests") == ()


def test_only_a_medication_is_taken_for_one() -> None:
    refers = order(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}
    )
    task = {**fhir.medication(FUROSEMIDE, id="m"), "resourceType": "MedicationDispense"}
    assert ordered(refers, task).requests.unresolved == ["MedicationRequest/r"]


def test_the_code_that_names_the_drug_is_the_evidence() -> None:
    codings = [
        {"system": "urn:local", "code": "77"},
        {"system": RXNORM, "code": FUROSEMIDE},
    ]
    use = one(order(medicationCodeableConcept={"coding": codings}))
    assert use.evidence.code == FUROSEMIDE


@pytest.mark.parametrize(("days_ago", "counts"), [(1, True), (0, True), (-1, False)])
def test_a_statement_without_a_status_counts_from_the_day_it_starts(
    days_ago: int, counts: bool
) -> None:
    taken = statement(status="unknown", effectivePeriod={"start": day(days_ago)})
    found = chart({"medicationStatements": [taken]}).medications
    assert bool(found) is counts


def test_an_earlier_instruction_says_the_route_though_a_later_one_does_not() -> None:
    magnesium = fhir.concept(None, text="Magnesium")
    steps = [{"text": "IV infusion over one hour"}, {"text": "daily"}]
    assert one(order(medicationCodeableConcept=magnesium, dosageInstruction=steps)).route == (
        "injectable"
    )


# ------------------------------------------------------ without a usable status (12.1 U-6)

OXIDE_TABLET = "198741"


def statements(*resources: Resource) -> Chart:
    return chart({"medicationStatements": list(resources)})


@pytest.mark.parametrize("status", [None, "unknown", "Active", "current", 5])
def test_magnesium_without_a_usable_status_counts_as_taken(status: Any) -> None:
    requested = ordered(order(OXIDE_TABLET, status=status)).requests
    stated = statements({**statement(status=status), **medication_of(OXIDE_TABLET)}).statements
    for found in (requested, stated):
        assert [(u.of("magnesium"), u.status_unclear) for u in found.uses] == [(True, True)]
        assert (found.unclear, found.set_aside) == ([], [])


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (None, "is missing, which leaves open if it is taken"),
        ("current", "is current, which leaves open if it is taken"),
    ],
)
@pytest.mark.parametrize("code", [OXIDE_TABLET, "313988"])
def test_a_status_that_says_nothing_is_named(code: str, status: str | None, why: str) -> None:
    found = ordered(order(code, status=status))
    assert found.medications or found.requests.unclear
    assert [(n.resource, n.element, in_words(n.why)) for n in found.not_readable()] == [
        ("MedicationRequest/r", "status", why)
    ]
    assert found.gaps("medicationRequests") == ()


def medication_of(code: str) -> Resource:
    return {"medicationCodeableConcept": fhir.concept(code, "rxnorm")}


@pytest.mark.parametrize("status", [None, "unknown", "Active", 5])
def test_another_drug_without_a_usable_status_is_kept_apart(status: Any) -> None:
    requested = ordered(order(status=status)).requests
    stated = statements(statement(status=status)).statements
    for found in (requested, stated):
        assert [u.of(LOOP) for u in found.unclear] == [True]
        assert (found.uses, found.set_aside) == ([], [])


def test_a_status_that_is_clear_is_not_unclear() -> None:
    assert not one(order(OXIDE_TABLET)).status_unclear
    recorded = statement(status="unknown", effectivePeriod={"start": day(10)})
    (use,) = statements(recorded).medications
    assert not use.status_unclear


def test_an_unclear_order_that_is_old_does_not_count() -> None:
    found = ordered(order(status=None, authoredOn=day(800))).requests
    assert (found.uses, found.unclear) == ([], [])
    assert [in_words(s.why) for s in found.set_aside] == ["was ordered more than 730 days ago"]


@pytest.mark.parametrize(
    ("changes", "uses", "unclear"),
    [
        ({"effectivePeriod": {"start": day(10)}}, 1, 0),
        ({"effectivePeriod": {"end": day(-10)}}, 1, 0),
        ({"effectivePeriod": {"start": day(10), "end": day(1)}}, 0, 0),
        ({"effectivePeriod": {"start": day(-1)}}, 0, 0),
        ({}, 0, 1),
        ({"effectivePeriod": {"start": "odd"}}, 0, 1),
    ],
)
def test_a_statement_of_a_later_version_is_active_in_its_period(
    changes: Resource, uses: int, unclear: int
) -> None:
    found = statements(statement(status="recorded", **changes)).statements
    assert (len(found.uses), len(found.unclear)) == (uses, unclear)


def test_a_period_that_cannot_be_read_is_never_over() -> None:
    found = statements(statement(effectivePeriod={"end": "long ago"}))
    assert len(found.medications) == 1
    assert [n.element for n in found.not_readable()] == ["effectivePeriod.end"]


# --------------------------------------------------------------------- reported plans (U-6)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"intent": "plan", "reportedBoolean": True}, True),
        ({"intent": "proposal", "reportedBoolean": True}, True),
        ({"intent": "plan", "reportedReference": {"reference": "Patient/1"}}, True),
        ({"intent": "plan", "reportedBoolean": False}, False),
        ({"intent": "option", "reportedBoolean": True}, False),
        ({"intent": "plan", "reportedBoolean": True, "status": "stopped"}, False),
    ],
)
def test_a_reported_plan_is_what_is_taken(changes: Resource, counts: bool) -> None:
    found = ordered(order(**changes))
    assert bool(found.medications) is counts
    assert not list(found.reader("medicationRequests").lost)


# --------------------------------------------------------------------------- old orders (M-9)


@pytest.mark.parametrize(
    ("days_ago", "members", "old"),
    [
        (730, {}, False),
        (731, {}, True),
        (5000, {}, True),
        (800, {"dispenseRequest": {"validityPeriod": {"end": day(-1)}}}, False),
        (800, {"dispenseRequest": {"validityPeriod": {"end": day(1)}}}, True),
    ],
)
def test_an_active_magnesium_order_of_any_age_counts(
    days_ago: int, members: Resource, old: bool
) -> None:
    use = one(order(OXIDE_TABLET, authoredOn=day(days_ago), **members))
    assert use.old is old
    assert use.since is not None


# ------------------------------------------------------------------- what was stopped (M-15)


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"status": "stopped"}, None),
        ({"status": "completed"}, None),
        ({"status": "stopped", "dispenseRequest": {"validityPeriod": {"end": day(50)}}}, day(50)),
        ({"status": "stopped", "dispenseRequest": {"validityPeriod": {"end": day(-50)}}}, None),
    ],
)
def test_a_stopped_supplement_is_remembered(changes: Resource, ended: str | None) -> None:
    found = ordered(order(OXIDE_TABLET, **changes)).requests
    (use,) = found.stopped
    assert (use.ended.written if use.ended else None) == ended
    assert found.uses == []
    assert len(found.set_aside) == 1


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"status": "stopped", "effectivePeriod": {"end": day(40)}}, day(40)),
        ({"status": "active", "effectivePeriod": {"end": day(40)}}, day(40)),
        ({"status": "completed", "effectivePeriod": {"start": day(40)}}, None),
        ({"status": "stopped", "effectivePeriod": {"end": "odd"}}, None),
    ],
)
def test_a_statement_of_a_supplement_that_is_over(changes: Resource, ended: str | None) -> None:
    found = statements({**statement(**changes), **medication_of(OXIDE_TABLET)}).statements
    (use,) = found.stopped
    assert (use.ended.written if use.ended else None) == ended


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (OXIDE_TABLET, {"status": "cancelled"}),
        (OXIDE_TABLET, {"status": "entered-in-error"}),
        (OXIDE_TABLET, {"status": "on-hold"}),
        (OXIDE_TABLET, {"status": "draft"}),
        (OXIDE_TABLET, {"intent": "plan"}),
        ("307747", {"status": "stopped"}),  # an antacid
        ("4603", {"status": "stopped"}),
    ],
)
def test_what_was_never_taken_or_is_no_supplement_is_not_stopped(
    code: str, changes: Resource
) -> None:
    assert ordered(order(code, **changes)).requests.stopped == []


@pytest.mark.parametrize("status", ["entered-in-error", "not-taken", "intended", "on-hold"])
def test_a_statement_of_what_was_not_taken_is_not_stopped(status: str) -> None:
    found = {**statement(status=status, effectivePeriod={"end": day(9)}), **medication_of("198741")}
    assert statements(found).statements.stopped == []


def test_magnesium_that_was_injected_is_no_stopped_supplement() -> None:
    injected = {"route": {"coding": [{"system": SNOMED, "code": "47625008"}]}}
    stopped = order("6579", status="stopped", dosageInstruction=[injected])
    assert ordered(stopped).requests.stopped == []
