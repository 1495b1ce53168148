"""Draft orders that cannot be read, or not wholly: none is left out, and what is lost is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.reasoning.orders import (
    Drafts,
    ordered_labs,
    read_drafts,
    reason_of,
)
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart
from tests.unit.reasoning.asking import decide, is_settled

GLYCINATE, TOPIRAMATE = "476818", "199888"
MAGNESIUM = fhir.concept(GLYCINATE, "rxnorm", text="Magnesium glycinate 200 mg")
MIGRAINE = fhir.concept("G43.009", "icd-10-cm")


def order(**changes: Any) -> Resource:
    usual = fhir.draft_order(GLYCINATE, dosage=fhir.dosage(200), id="d", text="Magnesium")
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def read(*rows: Any, on: Chart | None = None, selections: Any = None) -> Drafts:
    context = {"draftOrders": {"resourceType": "Bundle", "entry": list(rows)}}
    if selections is None:
        return read_drafts(on or chart(), context, all_selected=True)
    return read_drafts(on or chart(), {**context, "selections": selections}, all_selected=False)


def lost(*rows: Any) -> list[tuple[str, str]]:
    """The elements of drafts that are named as not readable and leave them partly known."""
    on = chart()
    read(*rows, on=on)
    return [(one.resource, one.element) for one in on.reader("draftOrders").lost]


# ------------------------------------------------------------ entries that are no orders


@pytest.mark.parametrize(
    "row",
    [
        None,
        5,
        "order",
        [],
        {},
        {"resource": None},
        {"resource": 5},
        {"resource": []},
        {"resource": {}},
        {"resource": {"id": "d"}},
        {"resource": {"resourceType": 5, "id": "d"}},
        {"resource": {"resourceType": "MedicationRequst", "id": "d"}},
        {"resource": {"resourceType": "MedicationOrder", "medicationCodeableConcept": MAGNESIUM}},
        {"resource": {"resourceType": "MedicationPrescription"}},
        {"resource": {"resourceType": "Bundle", "entry": []}},
        {"fullUrl": "urn:uuid:1"},
    ],
)
def test_an_entry_that_is_no_readable_order_is_an_order_nobody_can_identify(row: Any) -> None:
    found = read(row, {"resource": order()})
    assert [(d.unidentified, d.selected) for d in found.orders] == [
        (reasons.NO_ORDER, True),
        (None, True),
    ]
    assert [(g.key, in_words(g.why)) for g in found.gaps] == [
        ("draftOrders", in_words(reasons.NO_ORDER))
    ]
    assert lost(row) == [("entry 0", "")]


@pytest.mark.parametrize(
    "kind", ["ServiceRequest", "NutritionOrder", "DeviceRequest", "Task", "ProcedureRequest"]
)
def test_orders_of_other_things_are_readable(kind: str) -> None:
    found = read({"resource": {"resourceType": kind, "id": "x", "status": 5}})
    assert [d.unidentified for d in found.orders] == [None]
    assert found.gaps == ()


def test_what_cannot_be_read_may_be_magnesium_and_concerns_us() -> None:
    for entry in (5, {"resource": {"resourceType": "MedicationOrder"}}):
        context = {"draftOrders": {"entry": [entry]}}
        assert not is_settled("order-sign", chart(), context)
    nutrition = {"resource": {"resourceType": "NutritionOrder"}}
    assert is_settled("order-sign", chart(), {"draftOrders": {"entry": [nutrition]}})


@pytest.mark.parametrize(
    ("selections", "selected"),
    [
        (["d"], [False, True]),
        (["d", "gone"], [True, True]),
        (["gone"], [True, False]),
        ([], [True, False]),
    ],
)
def test_what_is_selected_but_not_there_may_be_what_cannot_be_read(
    selections: list[str], selected: list[bool]
) -> None:
    found = read(5, {"resource": order()}, selections=selections)
    assert [d.selected for d in found.orders] == selected


# ------------------------------------------------------------------ one element is odd


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"intent": 1}, "intent"),
        ({"status": ["draft"]}, "status"),
        ({"subject": "Patient/pat-1"}, "subject"),
        ({"authoredOn": 2026}, "authoredOn"),
        ({"doNotPerform": "no"}, "doNotPerform"),
        ({"id": 5}, "id"),
        ({"priorPrescription": "MedicationRequest/1"}, "priorPrescription"),
        ({"reasonCode": MIGRAINE}, "reasonCode"),
        ({"reasonCode": [{"value": MIGRAINE}]}, "reasonCode[0]"),
        (
            {"medicationCodeableConcept": {**MAGNESIUM, "coding": [{"value": 5}]}},
            "medicationCodeableConcept.coding[0]",
        ),
        ({"reasonReference": [{"reference": 5}]}, "reasonReference[0].reference"),
        (
            {"medicationCodeableConcept": {"coding": [None, *MAGNESIUM["coding"]]}},
            "medicationCodeableConcept.coding[0]",
        ),
        (
            {"medicationCodeableConcept": {**MAGNESIUM, "text": 5}},
            "medicationCodeableConcept.text",
        ),
    ],
)
def test_the_rest_of_an_order_is_read_and_what_is_lost_is_named(
    changes: Resource, element: str
) -> None:
    (draft,) = read({"resource": order(**changes)}).orders
    assert draft.is_magnesium()
    assert draft.unidentified is None
    name = "MedicationRequest (draft)" if "id" in changes else "MedicationRequest/d"
    assert lost({"resource": order(**changes)}) == [(name, element)]


@pytest.mark.parametrize(
    ("names", "named"),
    [
        ({"id": "m"}, "Medication/m"),
        ({"fullUrl": "urn:uuid:m"}, "urn:uuid:m"),
        ({}, "Medication (draft)"),
    ],
)
def test_what_is_lost_of_a_medication_beside_the_orders_is_named(
    names: dict[str, str], named: str
) -> None:
    medication: Resource = {"resourceType": "Medication", "code": {"coding": [{"system": ["x"]}]}}
    entry: Resource = {"resource": medication}
    (medication if "id" in names else entry).update(names)
    assert lost(entry) == [(named, "code.coding[0].system")]


def test_a_full_url_that_is_no_text_is_named() -> None:
    row = {"fullUrl": 5, "resource": order()}
    assert lost(row) == [("MedicationRequest/d", "fullUrl")]


def test_what_ends_leaves_nothing_open() -> None:
    ended = order(status="stopped", intent=1)
    assert lost({"resource": ended}) == []
    nameless = order(status="stopped", medicationCodeableConcept={"coding": [5]})
    assert read({"resource": nameless}).gaps == ()


@pytest.mark.parametrize(
    "medication",
    [
        {"medicationCodeableConcept": 5},
        {"medicationCodeableConcept": [MAGNESIUM]},
        {"medicationCodeableConcept": {"coding": [5], "text": 5}},
        {"medicationCodeableConcept": {"value": MAGNESIUM}},
        {"medicationReference": {"value": {"reference": "Medication/1"}}},
        {"medicationReference": 5},
        {"medicationReference": {"reference": 5}},
        {"medication": {"concept": MAGNESIUM}},  # FHIR R5
        {"medicationCodeableReference": {"concept": MAGNESIUM}},
    ],
)
def test_a_medication_in_a_form_that_cannot_be_read_is_nobodys_guess(medication: Resource) -> None:
    (draft,) = read({"resource": order(**{"medicationCodeableConcept": None, **medication})}).orders
    assert (draft.use, draft.unidentified) == (None, reasons.OTHER_FORM)


def test_another_form_beside_the_one_that_is_read_does_not_matter() -> None:
    (draft,) = read({"resource": order(medication={"concept": MAGNESIUM})}).orders
    assert draft.is_magnesium()
    water = order(medicationCodeableConcept={"text": "water"}, medication={})
    (draft,) = read({"resource": water}).orders
    assert (draft.use, draft.unidentified) == (None, None)


@pytest.mark.parametrize(
    "medication",
    [
        {"medicationCodeableConcept": None},
        {"medicationCodeableConcept": {}},
        {"medicationCodeableConcept": None, "medicationReference": {}},
    ],
)
def test_an_order_that_names_no_medication_may_be_of_magnesium(medication: Resource) -> None:
    on = chart()
    found = read({"resource": order(**medication)}, on=on)
    assert [(gap.key, in_words(gap.why)) for gap in found.gaps] == [
        ("draftOrders", "names no medication")
    ]
    assert [(n.resource, n.element) for n in on.not_readable()] == [("MedicationRequest/d", "")]


@pytest.mark.parametrize("element", ["status", "intent", "subject"])
def test_what_a_draft_lacks_is_listed_and_no_more(element: str) -> None:
    on = chart()
    found = read({"resource": order(**{element: None})}, on=on)
    assert (found.gaps, found.orders[0].is_magnesium()) == ((), True)
    assert [(n.element, in_words(n.why)) for n in on.not_readable()] == [(element, "is missing")]


@pytest.mark.parametrize("element", ["status", "intent"])
def test_a_code_of_a_draft_that_fhir_does_not_know_is_listed_and_no_more(element: str) -> None:
    on = chart()
    found = read({"resource": order(**{element: "ordered"})}, on=on)
    assert (found.gaps, found.orders[0].is_magnesium()) == ((), True)
    assert [(n.element, in_words(n.why)) for n in on.not_readable()] == [
        (element, "is not a code that FHIR defines")
    ]


def test_a_whole_draft_lacks_nothing() -> None:
    on = chart()
    read({"resource": order()}, on=on)
    assert on.not_readable() == ()


def test_a_dose_is_read_digit_by_digit() -> None:
    amount = fhir.dosage(1)
    amount["doseAndRate"][0]["doseQuantity"]["value"] = Decimal("200.10")
    (draft,) = read({"resource": order(dosageInstruction=[amount])}).orders
    assert draft.use is not None
    assert draft.ref.resource["dosageInstruction"][0] == amount
    assert lost({"resource": order(dosageInstruction=[amount])}) == []


def test_an_order_nested_too_deeply_is_no_readable_order() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert [d.unidentified for d in read({"resource": order(note=deep)}).orders] == [
            reasons.NO_ORDER
        ]
    finally:
        while deep:  # or the interpreter would free it by recursion
            deep = deep.pop()


# ---------------------------------------------------------------------------- references


def test_a_reason_may_refer_to_a_condition_of_any_bundle_of_the_call() -> None:
    named = {"resourceType": "Condition", "id": "c", "code": MIGRAINE}
    asked = order(reasonReference=[{"reference": "urn:uuid:reason"}])
    beside = {"fullUrl": "urn:uuid:reason", "resource": named}
    (draft,) = read({"resource": asked}, beside, on=(on := chart())).orders
    assert reason_of(draft, on) == "migraine"
    sent = chart(conditions={"resourceType": "Bundle", "entry": [beside]})
    (draft,) = read({"resource": asked}, on=sent).orders
    assert reason_of(draft, sent) == "migraine"
    (draft,) = read({"resource": asked}, on=(nowhere := chart())).orders
    assert reason_of(draft, nowhere) == "other"


@pytest.mark.parametrize(
    ("contained", "reason"),
    [
        ([{"resourceType": "Condition", "id": "c", "code": MIGRAINE}], "migraine"),
        ([{"resourceType": "Condition", "id": "#c", "code": MIGRAINE}], "migraine"),
        ([{"resourceType": "Condition", "id": "x", "code": MIGRAINE}], "other"),
        ([5, {"resourceType": "Condition", "id": "c", "code": MIGRAINE}], "migraine"),
        ([{"resourceType": "Condition", "id": "c", "code": 5}], "other"),
        ("odd", "other"),
    ],
)
def test_a_reason_may_refer_into_the_order(contained: Any, reason: str) -> None:
    on = chart()
    asked = order(reasonReference=[{"reference": "#c"}], contained=contained)
    (draft,) = read({"resource": asked}, on=on).orders
    assert reason_of(draft, on) == reason


def test_a_test_whose_code_is_odd_is_no_test_known_to_be_ordered() -> None:
    on = chart()
    asked = {"resourceType": "ServiceRequest", "id": "s", "code": {"coding": [5], "text": 5}}
    assert ordered_labs(read({"resource": asked}, on=on), on) == frozenset()
    assert on.gaps("draftOrders") == ()
    assert [n.element for n in on.not_readable()] == ["code.coding[0]", "code.text"]


# -------------------------------------------------------------------------- what is said


def test_the_decision_names_what_could_not_be_read_of_an_order() -> None:
    egfr = fhir.observation(fhir.EGFR, 22, fhir.EGFR_UNIT, 10, today=TODAY)
    context = {"draftOrders": {"entry": [{"resource": order(intent=1)}]}}
    decision = decide("order-sign", chart({"kidneyLabs": [egfr]}), context)
    assert [c.card for c in decision.cards] == ["rx-mg-renal-critical"]
    assert "draftOrders" in {gap.key for gap in decision.gaps}
    assert [(n.key, n.element) for n in decision.not_readable] == [("draftOrders", "intent")]


# ------------------------------------------------- an ingredient that cannot be identified

OXIDE, SPIRONOLACTONE, UNUSED, PRODUCT = "6582", "9997", "161", "198741"
"""Three ingredients, the last of which no rule uses, and a product of magnesium oxide."""


def compound(*items: Resource, code: Resource | None = None) -> Resource:
    product = {"resourceType": "Medication", "id": "m", "ingredient": [*items]}
    return order(
        medicationCodeableConcept=None,
        medicationReference={"reference": "#m"},
        contained=[product | ({"code": code} if code else {})],
    )


def item(code: str) -> Resource:
    return {"itemCodeableConcept": fhir.concept(code, "rxnorm")}


@each_row(
    ("known", "other", "lost_there"),
    [
        (known, other, is_lost)
        for known in (OXIDE, SPIRONOLACTONE, UNUSED)
        for other, is_lost in (
            ({}, True),
            ({"isActive": True}, True),
            ({"itemCodeableConcept": {}}, True),
            ({"itemReference": {"reference": "Medication/none"}}, True),
            ({"itemCodeableConcept": fhir.concept("7", "house")}, True),
            ({"itemCodeableConcept": {"text": "Excipient"}}, False),
            (item(UNUSED), False),
        )
    ],
)
def test_an_unidentifiable_ingredient_is_named_whatever_the_others_are(
    known: str, other: Resource, lost_there: bool
) -> None:
    for row in (compound(item(known), other), compound(other, item(known))):
        named = [place for place in lost({"resource": row}) if place[1] == ""]
        assert named == ([("MedicationRequest/d", "")] if lost_there else [])
        (found,) = read({"resource": row}).orders
        assert (found.unidentified is not None) is lost_there
        assert (found.use is not None) is (known != UNUSED)


def test_a_known_product_settles_its_ingredients() -> None:
    row = compound(item(OXIDE), {}, code=fhir.concept(PRODUCT, "rxnorm"))
    assert [
        g.why for g in read({"resource": row}).gaps if g.why == reasons.MEDICATION_UNNAMED
    ] == []


def test_the_account_of_a_partly_known_order_says_what_is_known() -> None:
    row = compound(item(OXIDE), {})
    found = decide("order-sign", chart(), {"draftOrders": fhir.bundle([row])}, complete=True)
    (rule,) = [r for r in found.rules if r.rule == "order MedicationRequest/d"]
    assert (rule.outcome, rule.why) == ("met", "magnesium")
    assert "draftOrders" in {gap.key for gap in found.gaps}
