"""Draft orders: which are meant, what each triggers, why it is ordered, and what it replaces."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service import reasons
from cds_service.chart.chart import Chart
from cds_service.reasoning.orders import (
    Drafts,
    ordered_labs,
    read_drafts,
    reason_of,
    replaced,
    trigger_of,
)
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart

TOPIRAMATE, PROPRANOLOL, SUMATRIPTAN, FUROSEMIDE = "199888", "856519", "313161", "313988"
ERENUMAB, GLYCINATE, RIMEGEPANT = "2120193", "476818", "2282307"
MIGRAINE = fhir.concept("G43.009", "icd-10-cm")
HYPERTENSION = fhir.concept("I10", "icd-10-cm", "Hypertension")


def order(code: str = TOPIRAMATE, **changes: Any) -> Resource:
    usual = fhir.draft_order(code, id=f"d-{code}")
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def entries(*resources: Any) -> Resource:
    return {"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}


def read(
    orders: Any, selections: Any = None, sign: bool = False, on: Chart | None = None
) -> Drafts:
    context: dict[str, Any] = {"draftOrders": orders}
    if selections is not None:
        context["selections"] = selections
    return read_drafts(on or chart(), context, all_selected=sign)


def selected(drafts: Drafts) -> list[str]:
    return [d.ref.reference for d in drafts.selected]


# --------------------------------------------------------------------------- which are meant

FIRST = f"MedicationRequest/d-{TOPIRAMATE}"
SECOND = f"MedicationRequest/d-{FUROSEMIDE}"
BOTH = {FIRST, "MedicationRequest/old"}
TWO = entries(order(), order(FUROSEMIDE))


@pytest.mark.parametrize(
    ("selections", "meant"),
    [
        ([FIRST], [FIRST]),
        ([f"d-{TOPIRAMATE}"], [FIRST]),
        ([f"https://ehr.example.org/fhir/{FIRST}"], [FIRST]),
        ([f"{FIRST}/_history/1"], [FIRST]),
        ([FIRST, SECOND], [FIRST, SECOND]),
        ([SECOND, "MedicationRequest/unknown"], [SECOND]),
        ([FIRST, 5, None], [FIRST]),
        (["MedicationRequest/unknown"], []),
        ([], []),
        (None, []),
    ],
)
def test_the_selections_name_the_drafts(selections: Any, meant: list[str]) -> None:
    assert selected(read(TWO, selections)) == meant


def test_at_order_sign_all_are_meant() -> None:
    assert selected(read(TWO, sign=True)) == [FIRST, SECOND]


def test_a_draft_that_has_only_a_full_url() -> None:
    nameless = order(id=None)
    orders = {"entry": [{"fullUrl": "urn:uuid:77", "resource": nameless}]}
    found = read(orders, ["urn:uuid:77"])
    assert selected(found) == ["MedicationRequest/77"]
    assert selected(read(orders, ["MedicationRequest/77"])) == ["MedicationRequest/77"]


def test_drafts_without_any_id_are_meant_where_the_selections_name_none() -> None:
    found = read(entries(order(id=None), order(FUROSEMIDE)), ["MedicationRequest/new"])
    assert selected(found) == [""]
    assert selected(read(entries(order(id=None), order(FUROSEMIDE)), [SECOND])) == [SECOND]


@pytest.mark.parametrize(
    "orders",
    [
        None,
        {},
        [],
        "odd",
        5,
        {"entry": None},
        {"entry": "odd"},
        {"entry": []},
    ],
)
def test_odd_draft_orders_are_none(orders: Any) -> None:
    assert read(orders, sign=True) == Drafts()


def test_bare_resources_and_other_types_are_tolerated() -> None:
    nutrition = {"resourceType": "NutritionOrder", "id": "n"}
    found = read([order(), nutrition, {"resourceType": ["odd"]}], sign=True)
    assert [(d.kind, d.ref.reference, d.use is not None) for d in found.orders] == [
        ("MedicationRequest", FIRST, True),
        ("NutritionOrder", "NutritionOrder/n", False),
        ("", "", False),
    ]


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"status": "draft"}, False),
        ({"status": "active"}, False),
        ({"status": None}, False),
        ({"status": ["stopped"]}, False),
        ({"status": "stopped"}, True),
        ({"status": "cancelled"}, True),
        ({"status": "completed"}, True),
        ({"status": "on-hold"}, True),
        ({"status": "entered-in-error"}, True),
        ({"doNotPerform": True}, True),
        ({"doNotPerform": False}, False),
    ],
)
def test_a_draft_that_ends_something_starts_nothing(changes: dict[str, Any], ending: bool) -> None:
    found = read(entries(order(**changes)), sign=True)
    assert [d.ending for d in found.orders] == [ending]
    assert bool(found.selected) is bool(found.starting) is not ending


def test_a_medication_among_the_drafts_is_no_order_but_may_be_named_by_one() -> None:
    medication = fhir.medication(GLYCINATE, id="m")
    by_reference = order(
        medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"}
    )
    found = read(entries(by_reference, medication), sign=True)
    assert [d.is_magnesium() for d in found.orders] == [True]


@pytest.mark.parametrize(
    ("code", "changes", "silences"),
    [
        (GLYCINATE, {}, True),
        ("253017", {}, True),  # milk of magnesia
        ("307747", {}, True),  # an antacid
        ("1116179", {}, False),  # a multivitamin
        ("1658244", {}, False),  # an injection
        (TOPIRAMATE, {}, False),
        (GLYCINATE, {"status": "stopped"}, False),
    ],
)
def test_magnesium_being_ordered_silences_suggestions(
    code: str, changes: dict[str, Any], silences: bool
) -> None:
    assert read(entries(order(code, **changes)), sign=True).silences_suggestions is silences


# -------------------------------------------------------------------------- what it replaces


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({}, {FIRST}),
        ({"status": "stopped"}, {FIRST}),
        ({"id": None}, set()),
        ({"priorPrescription": {"reference": "MedicationRequest/old"}}, BOTH),
        ({"priorPrescription": {"reference": "https://e.example/MedicationRequest/old"}}, BOTH),
        ({"priorPrescription": {"display": "the old one"}}, {FIRST}),
        ({"priorPrescription": "MedicationRequest/old"}, {FIRST}),
        ({"priorPrescription": {"reference": 5}}, {FIRST}),
    ],
)  # fmt: skip
def test_what_is_replaced(changes: dict[str, Any], gone: set[str]) -> None:
    assert replaced(read(entries(order(**changes)), sign=True)) == gone


# ------------------------------------------------------------------------- what it triggers


def trigger(resource: Resource, on: Chart | None = None) -> str:
    on = on or chart()
    (draft,) = read(entries(resource), sign=True, on=on).orders
    return trigger_of(draft, on)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        (order(TOPIRAMATE), "preventive"),
        (order(ERENUMAB), "preventive"),
        (order(PROPRANOLOL), "preventive"),
        (order(SUMATRIPTAN), "acute"),
        (order("401978"), "acute"),  # nasal spray
        (order("313165"), "acute"),  # injection
        (order(FUROSEMIDE), "diuretic"),
        (order("310798"), "diuretic"),
        (order("252484"), ""),  # furosemide injection
        (order("310812"), ""),  # with triamterene
        (order("197885"), "diuretic"),  # lisinopril with hydrochlorothiazide
        (order("313096"), ""),  # spironolactone
        (order("1923428"), ""),  # timolol eye drops
        (order("856443"), ""),  # propranolol injection
        (order("1152399"), ""),  # ergotamine suppository: a local route
        (order("723"), ""),  # amoxicillin
        (order(GLYCINATE), ""),
        # A drug that is both: preventive, unless as needed.
        (order(RIMEGEPANT), "preventive"),
        (order(RIMEGEPANT, dosageInstruction=[{"asNeededBoolean": True}]), "acute"),
        # A stated reason that is not migraine: silence, but for a diuretic.
        (order(TOPIRAMATE, reasonCode=[HYPERTENSION]), ""),
        (order(ERENUMAB, reasonCode=[HYPERTENSION]), ""),
        (order(SUMATRIPTAN, reasonCode=[HYPERTENSION]), ""),
        (order(FUROSEMIDE, reasonCode=[HYPERTENSION]), "diuretic"),
        (order(TOPIRAMATE, reasonCode=[MIGRAINE]), "preventive"),
    ],
)
def test_what_an_order_triggers(resource: Resource, kind: str) -> None:
    assert trigger(resource) == kind


def test_another_kind_of_order_triggers_nothing() -> None:
    assert trigger(fhir.service_request_draft("2160-0")) == ""


# ------------------------------------------------------------------------------- the reason

ON_FILE = chart(
    {
        "conditions": [
            fhir.condition("G43.009", id="migraine", today=TODAY),
            fhir.condition("E11.9", id="diabetes", today=TODAY),
        ]
    }
)
ABDOMINAL = fhir.concept("G43.D0", "icd-10-cm")


NAMES_MIGRAINE = {"reasonReference": [{"reference": "Condition/migraine"}]}


def contained(code: Any) -> Resource:
    return {
        "reasonReference": [{"reference": "#c"}],
        "contained": [5, {"resourceType": "Condition", "id": "x"}, {"id": "c", "code": code}],
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"reasonCode": []}, ""),
        ({"reasonCode": [{}]}, ""),
        ({"reasonCode": "odd", "reasonReference": "odd"}, ""),
        ({"reasonCode": [5], "reasonReference": [5]}, ""),
        ({"reasonCode": [MIGRAINE]}, "migraine"),
        ({"reasonCode": [HYPERTENSION, MIGRAINE]}, "migraine"),
        ({"reasonCode": [{"text": "Migraine prevention"}]}, "migraine"),
        ({"reasonCode": [{"coding": [{"display": "chronic MIGRAINE"}]}]}, "migraine"),
        ({"reasonCode": [{"coding": "odd", "text": "migraine"}]}, "migraine"),
        ({"reasonCode": [{"coding": [5, {"system": 1, "code": 2}], "text": "cough"}]}, "other"),
        ({"reasonCode": [HYPERTENSION]}, "other"),
        ({"reasonCode": [ABDOMINAL]}, "other"),  # does not qualify
        ({"reasonCode": [{"text": "epilepsy"}]}, "other"),
        ({"reasonReference": [{"reference": "Condition/migraine"}]}, "migraine"),
        ({"reasonReference": [{"reference": "https://e.example/fhir/Condition/migraine"}]}, "migraine"),
        ({"reasonReference": [{"reference": "Condition/diabetes"}]}, "other"),
        ({"reasonReference": [{"reference": "Condition/elsewhere"}]}, "other"),
        ({"reasonReference": [{"display": "Migraine without aura"}]}, "migraine"),
        ({"reasonReference": [{"reference": "Condition/elsewhere", "display": "Migraine"}]}, "migraine"),
        ({"reasonReference": [{}]}, "other"),
        (contained(MIGRAINE), "migraine"),
        (contained(HYPERTENSION), "other"),
        (contained("odd"), "other"),
        ({"reasonCode": [HYPERTENSION], **NAMES_MIGRAINE}, "migraine"),
    ],
)  # fmt: skip
def test_the_reason(changes: dict[str, Any], reason: str) -> None:
    (draft,) = read(entries(order(**changes)), sign=True, on=ON_FILE).orders
    assert reason_of(draft, ON_FILE) == reason


# ------------------------------------------------------------------- tests among the drafts


def lab(loinc: str, **changes: Any) -> Resource:
    return {**fhir.service_request_draft(loinc), **changes}


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        (lab("2160-0"), {"lab_creatinine"}),
        (lab("14682-9"), {"lab_creatinine"}),
        (lab("98979-8"), {"lab_creatinine"}),
        (lab("19123-9"), {"lab_magnesium"}),
        (lab("2601-3"), {"lab_magnesium"}),
        (lab("2597-3"), set()),  # red cells
        (lab("2823-3"), {"lab_potassium"}),
        (lab("17861-6"), {"lab_calcium"}),
        # A basic panel holds creatinine, potassium and calcium, but no magnesium.
        (lab("51990-0"), {"lab_creatinine", "lab_potassium", "lab_calcium"}),
        (lab("24321-2"), {"lab_creatinine", "lab_potassium", "lab_calcium"}),
        (lab("8867-4"), set()),
        (lab("x", code={"text": "Creatinine, serum"}), {"lab_creatinine"}),
        (lab("x", code={"text": "Serum magnesium and potassium"}), {"lab_magnesium", "lab_potassium"}),
        (lab("x", code={"text": 5}), set()),
        (lab("x", code={"text": "x", "coding": [5, {"code": 5}]}), set()),
        (lab("x", code="odd"), set()),
        (lab("x", code={**fhir.concept("8867-4", "loinc"), "text": "creatinine?"}), set()),
        (lab("2160-0", status="cancelled"), set()),
        (lab("2160-0", resourceType="NutritionOrder"), set()),
    ],
)  # fmt: skip
def test_the_tests_that_are_being_ordered(resource: Resource, found: set[str]) -> None:
    on = chart()
    assert ordered_labs(read(entries(resource), sign=True, on=on), on) == found


# ------------------------------------------------------------------------ what nobody can look up


def test_why_drafts_cannot_be_identified_is_said_once_for_each_reason() -> None:
    unsent = {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/9"},
    }
    house = {"medicationCodeableConcept": {"coding": [{"system": "urn:house", "code": "77"}]}}
    drafts = read(entries(order(id="a", **unsent), order(id="b", **house), order(id="c", **house)))
    assert [(g.key, in_words(g.why)) for g in drafts.gaps] == [
        (
            "draftOrders",
            f"{in_words(reasons.MEDICATION_NOT_SENT)}; {in_words(reasons.MEDICATION_UNNAMED)}",
        )
    ]


def test_a_drug_known_by_its_words_is_identified_though_its_code_is_said_to_be_absent() -> None:
    absent = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
    words = {
        "coding": [{"system": absent, "code": "unknown"}],
        "text": "topiramate 25 mg tablet",
    }
    drafts = read(entries(order(medicationCodeableConcept=words)))
    assert [d.use is not None for d in drafts.orders] == [True]
    assert drafts.gaps == ()


def test_an_order_that_is_no_medicine_leaves_nothing_unidentified() -> None:
    assert read(entries(fhir.service_request_draft("2160-0"))).gaps == ()
