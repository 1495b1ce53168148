"""Laboratory results: which are results, what they say, when they were taken, and what is set aside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.chart import dates
from cds_service.chart.labs import (
    ASKED,
    LabResult,
    Labs,
    newest_first,
    observed,
    read_labs,
    results_of,
)
from cds_service.chart.quantities import EGFR, MG_DL, Measured
from cds_service.chart.reading import Reader
from cds_service.fhir.prefetch import KINDS, Content
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import SUBJECT, TODAY, content, raw

KIDNEY = ASKED["kidneyLabs"]
UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ABSENT = {"coding": [{"code": "not-performed"}]}
NOT_DONE = [{"url": "http://example.org/qicore-notDone", "valueBoolean": True}]


def read(found: Content[Any], reader: Reader | None = None) -> Labs:
    known = knowledge()
    reader = Reader("kidneyLabs") if reader is None else reader
    return read_labs(found, known.terminology, known.safety_words, SUBJECT, reader=reader)


def labs(*observations: Resource, reader: Reader | None = None, **of_bundle: Any) -> Labs:
    return read(content("kidneyLabs", observations, **of_bundle), reader)


def egfr(**changes: Any) -> Resource:
    """An eGFR of 58; a change to None takes the element away."""
    usual = fhir.observation(fhir.EGFR, 58, fhir.EGFR_UNIT, 10, id="o", today=TODAY)
    return {k: v for k, v in {**usual, **changes}.items() if v is not None}


def one(observation: Resource, reader: Reader | None = None) -> LabResult:
    (result,) = labs(observation, reader=reader).results
    return result


def lost(reader: Reader) -> list[str]:
    """The elements that were recorded as not readable."""
    return [found.element for found in reader.not_readable]


# ------------------------------------------------------------------------- which are results


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_results_that_are_final(status: str) -> None:
    reading = one(egfr(status=status)).read()
    assert reading.measured == Measured(Decimal(58), "", EGFR, fhir.EGFR_UNIT)
    assert in_words(reading.why) == ""


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error"])
def test_what_is_not_a_result_yet_or_any_more_is_set_aside(status: str) -> None:
    found = labs(egfr(status=status))
    assert found.results == []
    assert [(name, in_words(why)) for name, _, why in found.set_aside] == [
        ("Observation/o", f"status is {status}")
    ]


@pytest.mark.parametrize("status", [None, "unknown", "FINAL", "validated"])
def test_a_status_that_fhir_does_not_call_a_result_cannot_be_used(status: str | None) -> None:
    reading = one(egfr(status=status)).read()
    assert reading.measured is None
    assert "status" in in_words(reading.why)


@pytest.mark.parametrize(
    "changes",
    [
        {"valueQuantity": None, "dataAbsentReason": ABSENT},
        {"modifierExtension": NOT_DONE},
        {"valueQuantity": None, "modifierExtension": NOT_DONE},
    ],
)
def test_a_test_that_was_not_done_is_no_result(changes: dict[str, Any]) -> None:
    found = labs(egfr(**changes))
    assert found.results == []
    assert len(found.set_aside) == 1


def test_a_reason_for_absence_beside_a_value_does_not_take_the_value_away() -> None:
    assert one(egfr(dataAbsentReason=ABSENT)).read().measured is not None


@pytest.mark.parametrize(
    "modifier",
    [
        [{"url": "http://example.org/inverted"}],
        [{}],
        [{"url": None}],
        "malformed",
        {"url": "http://example.org/inverted"},
        [5],
    ],
)
def test_a_modifier_that_is_not_known_makes_a_result_unusable(modifier: Any) -> None:
    reading = one(egfr(modifierExtension=modifier)).read()
    assert reading.measured is None
    assert "modifierExtension" in in_words(reading.why)


@pytest.mark.parametrize("element", ["modifierExtension", "dataAbsentReason", "component"])
def test_null_is_like_absent(element: str) -> None:
    assert one({**egfr(), element: None}).read().measured is not None
    valueless = {**egfr(valueQuantity=None), element: None}
    assert in_words(one(valueless).read().why) == "has no number"


def test_an_empty_list_of_modifiers_changes_nothing() -> None:
    assert one(egfr(modifierExtension=[])).read().measured is not None


def test_a_reason_for_absence_that_cannot_be_read_is_recorded() -> None:
    reader = Reader("kidneyLabs")
    found = labs(egfr(valueQuantity=None, dataAbsentReason=5), reader=reader)
    assert (found.results, len(found.set_aside)) == ([], 1)
    assert lost(reader) == ["dataAbsentReason"]


@pytest.mark.parametrize(
    "other",
    [
        {"valueCodeableConcept": {"text": "see report"}},
        {"valueInteger": 58},
        {"valueBoolean": True},
        {"valueRange": {"low": {"value": 50}}},
        {"valueRatio": {"numerator": {"value": 50}}},
        {},
    ],
)
def test_a_result_without_quantity_or_text_is_kept_but_has_no_number(
    other: dict[str, Any],
) -> None:
    reading = one(egfr(valueQuantity=None, **other)).read()
    assert reading.measured is None
    assert in_words(reading.why) == "has no number"


@pytest.mark.parametrize("other", ["valueCodeableConcept", "valueInteger", "valueRange"])
def test_another_value_is_a_value_though_a_reason_for_absence_stands_beside_it(other: str) -> None:
    found = labs(egfr(valueQuantity=None, dataAbsentReason=ABSENT, **{other: 5}))
    assert len(found.results) == 1


HOUSE = "urn:oid:2.16.840.1.113883.3.9999.4.7"


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "GFR?"}]},
        {"coding": [{"system": "https://loinc.org/", "code": "8867-4"}], "text": "creatinine"},
        {"coding": [{"system": HOUSE, "code": "GFR"}, {"system": LOINC, "code": "8867-4"}]},
    ],
)
def test_a_result_with_a_loinc_code_of_another_test_is_passed_over(code: Any) -> None:
    reader = Reader("kidneyLabs")
    found = labs(egfr(code=code), reader=reader)
    assert found == Labs()
    assert reader.not_readable == ()


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ({"text": "eGFR"}, {"lab_egfr"}),
        ({"coding": [], "text": "GFR, estimated"}, {"lab_egfr"}),
        (
            {"coding": [{"system": HOUSE, "code": "1", "display": "Kreatinin i.S."}]},
            {"lab_creatinine"},
        ),
        (
            {"coding": [{"system": HOUSE, "code": "1"}], "text": "Cr\u00e9atinine"},
            {"lab_creatinine"},
        ),
        (
            {
                "coding": [
                    {"system": SNOMED, "code": "80274001", "display": "Glomerular filtration rate"}
                ]
            },
            {"lab_egfr"},
        ),
        ({"text": "GFR from creatinine"}, KIDNEY),
        # It looks like a LOINC code, but its system is another one.
        ({"coding": [{"system": HOUSE, "code": "123-4", "display": "GFR"}]}, {"lab_egfr"}),
        ({"coding": [{"system": LOINC, "display": "eGFR"}]}, {"lab_egfr"}),
        ({"coding": [{"system": LOINC, "code": "GFR", "display": "eGFR"}]}, {"lab_egfr"}),
        # Without any words it may be each of them.
        ({}, KIDNEY),
        ({"coding": [{"code": fhir.EGFR}]}, KIDNEY),
        ({"coding": [{"system": HOUSE, "code": "1"}], "text": " - "}, KIDNEY),
    ],
)
def test_a_result_whose_code_cannot_be_read_but_whose_words_name_a_test(
    code: Any, named: set[str]
) -> None:
    reader = Reader("kidneyLabs")
    found = labs(egfr(code=code), reader=reader)
    assert (found.results, found.set_aside, found.foreign) == ([], [], 0)
    (unread,) = found.unread
    assert unread.set_ids == named
    assert unread.when.written == fhir.moment(10, TODAY)
    assert unread.evidence.resource == "Observation/o"
    assert unread.evidence.note is not None
    assert "cannot be used" in in_words(unread.evidence.note)
    assert lost(reader) == ["code"]
    assert not reader.is_partial, "whether something is unknown depends on its date"


@pytest.mark.parametrize("words", ["Haemoglobin", "Creatine kinase", "Potassium"])
def test_a_result_whose_code_cannot_be_read_and_that_names_another_test_is_recorded(
    words: str,
) -> None:
    reader = Reader("kidneyLabs")
    found = labs(
        egfr(code={"coding": [{"system": HOUSE, "code": "1", "display": words}]}), reader=reader
    )
    assert found == Labs()
    assert [in_words(n.why) for n in reader.not_readable] == [
        f"its code is of no system that is read ({HOUSE})"
    ]
    assert not reader.is_partial


@pytest.mark.parametrize(
    ("changes", "foreign"),
    [({"status": "cancelled"}, 0), ({"subject": {"reference": "Patient/other"}}, 1)],
)
def test_what_is_no_result_of_this_patient_is_none_whatever_its_code(
    changes: dict[str, Any], foreign: int
) -> None:
    reader = Reader("kidneyLabs")
    found = labs(egfr(code={"text": "eGFR"}, **changes), reader=reader)
    assert (found.results, found.unread, found.foreign) == ([], [], foreign)
    assert len(found.set_aside) == 1 - foreign
    assert labs(egfr(code={"text": "Haemoglobin"}, **changes), reader=reader) == Labs()
    assert reader.not_readable == ()


def test_a_result_without_a_code_may_be_any() -> None:
    reader = Reader("kidneyLabs")
    (unread,) = labs(egfr(code=None), reader=reader).unread
    assert unread.set_ids == KIDNEY
    assert lost(reader) == ["code"]


@pytest.mark.parametrize(
    "system", ["http://loinc.org", "https://loinc.org", "urn:oid:2.16.840.1.113883.6.1"]
)
def test_the_code_may_stand_second_and_under_another_name_of_loinc(system: str) -> None:
    code = {
        "coding": [{"system": "urn:local", "code": "GFR"}, {"system": system, "code": fhir.EGFR}]
    }
    result = one(egfr(code=code))
    assert (result.set_id, result.entry.code) == ("lab_egfr", fhir.EGFR)
    assert result.read().evidence.system == system


def test_another_patients_result_is_counted_but_not_read() -> None:
    found = labs(egfr(subject={"reference": "Patient/other"}))
    assert (found.results, found.foreign) == ([], 1)


def test_an_entry_without_a_resource_is_passed_over() -> None:
    bundle = fhir.bundle([egfr()])
    bundle["entry"].insert(0, {"fullUrl": "urn:uuid:1"})
    assert len(read(KINDS["kidneyLabs"].read(raw(bundle))).results) == 1


# ------------------------------------------------------------- under the key of another search

MAGNESIUM = fhir.observation(fhir.MAGNESIUM, 2, "mg/dL", today=TODAY, id="mg")


def test_a_key_gives_the_results_of_all_tests_and_each_is_asked_for_its_own() -> None:
    found = labs(MAGNESIUM, egfr())
    assert [r.set_id for r in found.results] == ["lab_magnesium", "lab_egfr"]
    for sets, names in ((KIDNEY, ["Observation/o"]), ({"lab_magnesium"}, ["Observation/mg"])):
        assert [r.name for r in results_of(frozenset(sets), found, []).results] == names


@pytest.mark.parametrize("key", ["magnesiumLabs", "pregnancyStatus"])
def test_what_cannot_be_read_under_another_key_counts_if_its_words_name_a_test(key: str) -> None:
    named = {"coding": [{"system": HOUSE, "code": "1", "display": "eGFR"}]}
    reader = Reader(key)
    (unread,) = labs(egfr(code=named), reader=reader).unread
    assert unread.set_ids == {"lab_egfr"}
    assert lost(reader) == ["code"]


@pytest.mark.parametrize("code", [None, {"coding": [{"system": HOUSE, "code": "1"}]}, {}])
def test_without_words_it_may_be_what_its_key_was_asked_for(code: Any) -> None:
    (unread,) = labs(egfr(code=code), reader=Reader("magnesiumLabs")).unread
    assert unread.set_ids == {"lab_magnesium"}


@pytest.mark.parametrize(
    "code", [None, {"coding": [{"system": HOUSE, "code": "1"}]}, {"text": "X"}]
)
def test_what_names_no_test_among_pregnancy_statuses_is_left_to_them(code: Any) -> None:
    reader = Reader("pregnancyStatus")
    foreign = egfr(code=code, subject={"reference": "Patient/other"}, id="p")
    assert labs(egfr(code=code), foreign, reader=reader) == Labs()
    assert reader.not_readable == ()


def test_results_of_several_keys_come_together_and_each_key_accounts_for_itself() -> None:
    own = labs(
        egfr(),
        egfr(id="f", subject={"reference": "Patient/other"}),
        egfr(id="x", status="cancelled"),
    )
    other = labs(
        MAGNESIUM,
        egfr(id="p"),
        egfr(id="q", status="cancelled"),
        egfr(id="r", code={"text": "GFR"}),
        egfr(id="s", code={"text": "Magnesium"}),
        reader=Reader("magnesiumLabs"),
    )
    found = results_of(KIDNEY, own, [other])
    assert [r.name for r in found.results] == ["Observation/o", "Observation/p"]
    assert [u.evidence.resource for u in found.unread] == ["Observation/r"]
    assert ([row[0] for row in found.set_aside], found.foreign) == (["Observation/x"], 1)


def test_whether_a_page_is_newest_first_is_a_matter_of_the_tests_that_were_asked_for() -> None:
    stray = {**MAGNESIUM, "effectiveDateTime": "2026-11-20"}
    assert labs(dated("2026-11-01"), stray, dated("2026-10-01"), link=NEXT).complete
    assert not labs(dated("2026-10-01"), stray, dated("2026-11-01"), link=NEXT).complete


# ----------------------------------------------------------------------------- what they say


@pytest.mark.parametrize(
    ("quantity", "measured"),
    [
        ({"value": 58, "unit": fhir.EGFR_UNIT}, Measured(Decimal(58), "", EGFR, fhir.EGFR_UNIT)),
        ({"value": 58}, Measured(Decimal(58), "", "", "")),
        ({"value": "58.5"}, Measured(Decimal("58.5"), "", "", "")),
        (
            {"value": 60, "comparator": ">", "code": fhir.EGFR_UNIT, "system": UCUM},
            Measured(Decimal(60), ">", EGFR, fhir.EGFR_UNIT),
        ),
        ({"value": 60, "comparator": " >= "}, Measured(Decimal(60), ">=", "", "")),
        ({"value": 58, "unit": "strange"}, Measured(Decimal(58), "", None, "strange")),
        ({"value": 0}, Measured(Decimal(0), "", "", "")),
        ({"value": 1e12}, Measured(Decimal("1000000000000.0"), "", "", "")),
    ],
)
def test_a_quantity(quantity: dict[str, Any], measured: Measured) -> None:
    assert one(egfr(valueQuantity=quantity)).read().measured == measured


@pytest.mark.parametrize(
    ("element", "value"),
    [("unit", 5), ("code", ["mL/min"]), ("comparator", False), ("value", "high"), ("system", {})],
)
def test_a_quantity_of_which_a_part_is_lost_cannot_be_used(element: str, value: Any) -> None:
    """60 is not 60 without its comparator, and not of the unit of the code without its own."""
    reader = Reader("kidneyLabs")
    reading = one(egfr(valueQuantity={"value": 60, element: value}), reader).read()
    assert (reading.measured, in_words(reading.why)) == (None, "has no number that can be read")
    assert lost(reader) == [f"valueQuantity.{element}"]
    assert reader.is_partial


def test_ids_extensions_and_siblings_of_elements_change_nothing() -> None:
    extended = {"extension": [{"url": "http://example.org/precision", "valueCode": "about"}]}
    value = {"value": 58, "unit": fhir.EGFR_UNIT, "id": "v", **extended, "_unit": extended}
    observation = egfr(valueQuantity=value, _effectiveDateTime=extended, _status={"id": "s"})
    reader = Reader("kidneyLabs")
    reading = one(observation, reader).read()
    assert reading == one(egfr(valueQuantity={"value": 58, "unit": fhir.EGFR_UNIT})).read()
    assert reader.not_readable == ()


def test_a_decimal_is_read_digit_by_digit() -> None:
    written = b"59.99999999999999999999"
    body = raw(fhir.bundle([egfr(valueQuantity={"value": 0})]))
    exact = bytes(body).replace(b'"value": 0', b'"value": ' + written)
    assert exact != bytes(body)
    (result,) = read(KINDS["kidneyLabs"].read(type(body)(exact))).results
    measured = result.read().measured
    assert measured is not None
    assert measured.value == Decimal("59.99999999999999999999")
    assert measured.value < 60


@pytest.mark.parametrize(
    "quantity",
    [
        b"{}",
        b'{"unit": "mg/dL"}',
        b'{"value": null}',
        b'{"value": "high"}',
        b'{"value": true}',
        b'{"value": [58]}',
        b"58",
        b'"58"',
        b"null",
        # Numbers with which nobody can calculate.
        b'{"value": 1e999999}',
        b'{"value": 1e-999999}',
        b'{"value": 1e13}',
        b'{"value": "NaN"}',
        b'{"value": "Infinity"}',
        b'{"value": "-Infinity"}',
    ],
)
def test_a_quantity_that_holds_no_number(quantity: bytes) -> None:
    body = bytes(raw(fhir.bundle([egfr(valueQuantity="HERE")]))).replace(b'"HERE"', quantity)
    (result,) = read(KINDS["kidneyLabs"].read(type(raw(0))(body))).results
    reading = result.read()
    assert reading.measured is None
    assert in_words(reading.why)


def test_a_result_as_text() -> None:
    text = one(egfr(valueQuantity=None, valueString=">60"))
    assert text.read().measured == Measured(Decimal(60), ">", "", "")
    assert text.read().evidence.value == ">60"


def test_a_quantity_of_null_is_like_none() -> None:
    observation = {**egfr(valueQuantity=None), "valueQuantity": None, "valueString": "60"}
    assert one(observation).read().measured == Measured(Decimal(60), "", "", "")
    assert in_words(one({**observation, "valueString": None}).read().why) == "has no number"


@pytest.mark.parametrize("text", ["reduced", "60-90", 60, ["60"]])
def test_a_text_that_is_not_just_a_number(text: Any) -> None:
    observation = {**egfr(valueQuantity=None), "valueString": text}
    reading = one(observation).read()
    assert reading.measured is None
    assert in_words(reading.why) == "is a text that is not just a number"


def test_a_report_of_pages_is_no_result_and_is_recorded() -> None:
    reader = Reader("kidneyLabs")
    reading = one(egfr(valueQuantity=None, valueString="60 " + "x" * 20_000), reader).read()
    assert reading.measured is None
    assert lost(reader) == ["valueString"]


def test_a_creatinine_of_another_vessel_or_beside_dialysis_cannot_be_used() -> None:
    arterial = fhir.observation("21232-4", 1, "mg/dL", 10, today=TODAY)
    reading = one(arterial).read()
    assert reading.measured is None
    assert "kidney function" in in_words(reading.why)


def test_the_evidence_says_what_was_compared() -> None:
    evidence = one(egfr()).read().evidence
    assert evidence.resource == "Observation/o"
    assert (evidence.code, evidence.value, evidence.unit) == (fhir.EGFR, "58", EGFR)
    assert evidence.date == fhir.moment(10, TODAY)
    assert evidence.matched == "value"
    assert evidence.note is None
    assert evidence.display, "the value set names a code that the EHR did not"


def test_the_evidence_says_that_no_unit_was_given() -> None:
    evidence = one(egfr(valueQuantity={"value": 58})).read().evidence
    assert evidence.unit is None
    assert evidence.note is not None
    assert "unit" in in_words(evidence.note)


def test_an_odd_unit_is_shown_as_it_was_written() -> None:
    assert one(egfr(valueQuantity={"value": 58, "unit": "odd"})).read().evidence.unit == "odd"


# ------------------------------------------------------------------------------- components


def panel(*components: Any, **changes: Any) -> Resource:
    code = {"coding": [{"system": "http://loinc.org", "code": "24321-2"}], "text": "Basic panel"}
    return egfr(**{"code": code, "valueQuantity": None, "component": list(components), **changes})


def part(code: str = fhir.CREATININE, **members: Any) -> dict[str, Any]:
    return {"code": fhir.concept(code, "loinc"), **members}


CREATININE = part(valueQuantity={"value": 1.1, "unit": "mg/dL"})


def test_a_component_is_a_result_of_its_panel() -> None:
    (result,) = labs(panel(CREATININE, part("2823-3"), {"valueString": "x"})).results
    assert result.set_id == "lab_creatinine"
    assert result.read().measured == Measured(Decimal("1.1"), "", MG_DL, "mg/dL")
    assert result.when.written == fhir.moment(10, TODAY)


def test_a_component_without_a_value_that_says_why_is_no_result() -> None:
    found = labs(panel(CREATININE, part(fhir.EGFR, dataAbsentReason=ABSENT)))
    assert [r.set_id for r in found.results] == ["lab_creatinine"]


def test_a_component_with_a_value_is_one_whatever_else_it_says() -> None:
    odd = {**CREATININE, "dataAbsentReason": ABSENT}
    texts = part(fhir.EGFR, valueString="58", dataAbsentReason=ABSENT)
    assert len(labs(panel(odd, texts)).results) == 2


def test_a_code_that_stands_on_the_panel_too_is_not_read_twice() -> None:
    own = {"code": fhir.concept(fhir.CREATININE, "loinc")}
    found = labs(panel(CREATININE, **own))
    assert [r.read().measured is not None for r in found.results] == [True]


def test_a_value_of_its_own_beside_components_counts() -> None:
    found = labs(egfr(component=[CREATININE]))
    assert sorted(r.set_id for r in found.results) == ["lab_creatinine", "lab_egfr"]


@pytest.mark.parametrize(
    ("components", "element"),
    [("none", "component"), ({"code": {}}, "component"), ([5, CREATININE], "component[0]")],
)
def test_malformed_components_are_recorded(components: Any, element: str) -> None:
    reader = Reader("kidneyLabs")
    labs(panel(component=components), reader=reader)
    assert lost(reader) == [element]
    assert reader.is_partial


def test_one_malformed_component_does_not_hide_the_others() -> None:
    (result,) = labs(panel({"code": 5}, CREATININE)).results
    assert result.set_id == "lab_creatinine"


def test_what_is_lost_in_a_component_is_named_by_its_place() -> None:
    reader = Reader("kidneyLabs")
    broken = part(valueQuantity={"value": 1, "unit": 5})
    found = labs(panel(part("2823-3"), broken, part(fhir.EGFR, valueString=6)), reader=reader)
    for result in found.results:
        assert result.read().measured is None
    assert lost(reader) == ["component[1].valueQuantity.unit", "component[2].valueString"]


def test_a_component_whose_code_cannot_be_read_is_found_by_its_words() -> None:
    reader = Reader("kidneyLabs")
    house = {"code": {"text": "GFR (estimated)"}, "valueQuantity": {"value": 22}}
    other = {"code": {"text": "Sodium"}, "valueQuantity": {"value": 140}}
    panel_of_house = panel(other, house, code={"text": "Kidney panel with creatinine"})
    (unread,) = labs(panel_of_house, reader=reader).unread
    assert unread.set_ids == {"lab_egfr"}
    assert unread.evidence.display == "GFR (estimated)"
    assert lost(reader) == ["component[0].code", "component[1].code"]


def test_a_panel_known_by_its_code_has_no_number_if_none_of_its_components_is() -> None:
    own = fhir.concept(fhir.CREATININE, "loinc")
    (result,) = labs(panel(part("2823-3"), code=own)).results
    assert in_words(result.read().why) == "has no number"


# --------------------------------------------------------------------------------- the date


@pytest.mark.parametrize(
    ("members", "written"),
    [
        ({"effectiveDateTime": "2026-11-01"}, "2026-11-01"),
        ({"effectiveDateTime": "2026", "issued": "2026-11-01"}, "2026"),
        ({"effectiveInstant": "2026-11-01T08:00:00Z"}, "2026-11-01T08:00:00Z"),
        ({"effectivePeriod": {"start": "2026-10-01", "end": "2026-11-01"}}, "2026-11-01"),
        ({"effectivePeriod": {"start": "2026-10-01"}}, "2026-10-01"),
        ({"effectivePeriod": {}, "issued": "2026-11-01T08:00:00Z"}, "2026-11-01T08:00:00Z"),
        (
            {"effectivePeriod": {"start": "2026-10-01", "id": "p", "_end": {"id": "e"}}},
            "2026-10-01",
        ),
        ({"effectiveDateTime": None, "issued": "2026-11-01T08:00:00Z"}, "2026-11-01T08:00:00Z"),
        ({"effectivePeriod": None, "issued": "2026-11-01T08:00:00Z"}, "2026-11-01T08:00:00Z"),
        ({}, ""),
    ],
)
def test_effective_before_issued_and_the_end_of_a_period(
    members: dict[str, Any], written: str
) -> None:
    observation = {**egfr(effectiveDateTime=None), **members}
    (entry,) = content("kidneyLabs", [observation]).entries
    assert entry.resource is not None
    reader = Reader("kidneyLabs")
    assert observed(entry.resource, reader, "o").written == written
    assert one(observation).when.written == written
    assert reader.not_readable == ()


@pytest.mark.parametrize(
    ("members", "element"),
    [
        ({"effectiveDateTime": "?"}, "effectiveDateTime"),
        ({"effectiveDateTime": 20261101}, "effectiveDateTime"),
        ({"effectiveInstant": []}, "effectiveInstant"),
        ({"effectivePeriod": "odd"}, "effectivePeriod"),
        ({"effectivePeriod": {"start": "2026-10-01", "end": 5}}, "effectivePeriod.end"),
        ({"effectivePeriod": {"start": "2026-10-01", "end": "later"}}, "effectivePeriod.end"),
        ({"effectivePeriod": {"start": "once"}}, "effectivePeriod.start"),
        ({"issued": "soon"}, "issued"),
    ],
)
def test_a_date_that_cannot_be_read_leaves_the_result_undated(
    members: dict[str, Any], element: str
) -> None:
    """It may be the newest: the date of its issue does not take the place of a lost one."""
    issued = {"issued": "2026-11-01T08:00:00Z"}
    reader = Reader("kidneyLabs")
    result = one({**egfr(effectiveDateTime=None), **issued, **members}, reader)
    assert result.when == dates.undated()
    assert lost(reader) == [element]
    assert reader.is_partial


# ----------------------------------------------------------------------- parts of the whole

NEXT = [{"relation": "next", "url": "https://ehr.example.org/page/2"}]


def dated(written: str | None) -> Resource:
    return egfr(id=f"o-{written}", effectiveDateTime=written)


@pytest.mark.parametrize(
    ("written", "complete"),
    [
        (("2026-11-01", "2026-10-01", "2026-10-01", "2025"), True),
        (("2026-10-01", "2026-11-01"), False),
        (("2026-11-01", None), False),  # without a date it may be the newest
        ((None, "2026-11-01"), True),
        ((), False),
    ],
)
def test_a_first_page_is_enough_if_it_is_newest_first(
    written: tuple[str | None, ...], complete: bool
) -> None:
    assert labs(*map(dated, written), link=NEXT).complete is complete


def test_a_whole_answer_may_come_in_any_order() -> None:
    assert labs(dated("2025"), dated("2026-11-01")).complete


def test_newest_first() -> None:
    found = labs(dated("2025"), dated("2026-11-01"), dated(None), dated("2026")).results
    assert [r.when.written for r in newest_first(found)] == ["", "2026", "2026-11-01", "2025"]


# -------------------------------------------------------------------------- reference ranges


def high(ranges: Any) -> Measured | None:
    return one({**egfr(), "referenceRange": ranges}).high()


def limit(value: Any, *kinds: str, unit: str = "mg/dL") -> dict[str, Any]:
    found: dict[str, Any] = {"high": {"value": value, "unit": unit}}
    if kinds:
        found["type"] = {"coding": [{"code": kind} for kind in kinds]}
    return found


@pytest.mark.parametrize(
    ("ranges", "value"),
    [
        ([limit(2.6)], Decimal("2.6")),
        ([limit(2.6, "normal")], Decimal("2.6")),
        ([limit(2.8), limit(2.6)], Decimal("2.6")),
        ([limit(4.0, "therapeutic"), limit(2.8, "normal")], Decimal("2.8")),
        ([limit(4.0, "therapeutic")], None),
        ([{"type": {"text": "normal"}, **limit(2.7)}], Decimal("2.7")),
        ([{"low": {"value": 1.6}}], None),
        ([limit(None), limit("NaN"), limit(1e30)], None),
        ([], None),
        ("2.6", None),
        ({"high": {"value": 2.6}}, None),
    ],
)
def test_the_laboratorys_upper_limit(ranges: Any, value: Decimal | None) -> None:
    found = high(ranges)
    assert (found.value if found else None) == value


def test_without_a_range_there_is_no_limit() -> None:
    assert one(egfr()).high() is None


def test_a_range_that_cannot_be_read_is_recorded_and_hides_no_other() -> None:
    reader = Reader("magnesiumLabs")
    ranges = [{"high": {"value": "low"}}, limit(2.6)]
    high = one({**egfr(), "referenceRange": ranges}, reader).high()
    assert high is not None
    assert high.value == Decimal("2.6")
    assert lost(reader) == ["referenceRange[0].high.value"]


# ------------------------------------------------------------------------------- in a list


def test_what_does_not_count_hides_no_result_behind_it() -> None:
    others = egfr(subject={"reference": "Patient/other"})
    found = labs(
        egfr(code=None),
        egfr(code=fhir.concept("718-7", "loinc")),
        egfr(code={"coding": [{"code": "718-7"}, {"code": "4548-4"}]}),
        others,
        others,
        egfr(status="cancelled", code=fhir.concept(fhir.EGFR, "loinc", text="eGFR")),
        egfr(),
    )
    assert (len(found.results), found.foreign) == (1, 2)
    assert in_words(found.set_aside) == [("Observation/o", "eGFR", "status is cancelled")]


def test_results_without_an_id_are_named_by_their_place() -> None:
    part = {"code": fhir.concept(fhir.EGFR, "loinc"), "valueQuantity": {"value": 60}}
    panel = egfr(id=None, code={"text": "panel"}, valueQuantity=None, component=[part])
    entries = [{"resource": egfr(code=None)}, {"resource": egfr(id=None)}, {"resource": panel}]
    names = [f"Observation (entry {n}, without id)" for n in (1, 2)]
    found = labs(entry=entries).results
    assert [r.name for r in found] == names
    assert [r.read().evidence.resource for r in found] == names


@pytest.mark.parametrize("display", ["eGFR (CKD-EPI 2021)", None])
def test_a_result_is_called_by_its_display_else_by_its_text(display: str | None) -> None:
    code = fhir.concept(fhir.EGFR, "loinc", text="Kidney function", display=display)
    assert one(egfr(code=code)).read().evidence.display == (display or "Kidney function")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"valueQuantity": {"unit": "mL/min"}}, "has no number that can be read"),
        ({"valueQuantity": None, "valueString": "low"}, "is a text that is not just a number"),
        ({"valueQuantity": None, "valueString": "60"}, ""),
        ({"status": None}, "has no status, or one that FHIR does not define as a result"),
        (
            {"modifierExtension": [{"url": "http://example.org/odd"}]},
            "carries a modifierExtension that this service does not know",
        ),
    ],
)
def test_why_a_result_cannot_be_used(changes: dict[str, Any], why: str) -> None:
    assert in_words(one(egfr(**changes)).read().why) == why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"modifierExtension": NOT_DONE}, "was not done"),
        ({"valueQuantity": None, "dataAbsentReason": ABSENT}, "has no value (dataAbsentReason)"),
    ],
)
def test_why_an_observation_is_no_result(changes: dict[str, Any], why: str) -> None:
    assert [in_words(row[2]) for row in labs(egfr(**changes)).set_aside] == [why]


def test_a_unit_that_was_not_given_is_told() -> None:
    evidence = one(egfr(valueQuantity={"value": 60})).read().evidence
    assert in_words(evidence.note) == "no unit was given: that of the LOINC code"


def test_the_lowest_upper_limit_counts_and_those_without_a_number_hide_none() -> None:
    ranges = [
        {"low": {"value": 1}},
        {"high": {"value": 3}},
        {"high": {"value": 2, "unit": "mg/dL"}},
    ]
    high = one(egfr(referenceRange=ranges)).high()
    assert high is not None
    assert high.value == 2


@pytest.mark.parametrize(("code", "unit"), [("mg/dL", MG_DL), ("258797006", None)])
def test_a_unit_by_code_is_one_whatever_its_system(code: str, unit: str | None) -> None:
    """The unit of the LOINC code is assumed where none is stated, not where it cannot be read."""
    local = {"value": 60, "code": code, "system": "urn:local"}
    measured = one(egfr(valueQuantity=local)).read().measured
    assert measured is not None
    assert measured.unit == unit


def test_the_comparator_equals_is_none() -> None:
    measured = one(egfr(valueQuantity={"value": 60, "comparator": "="})).read().measured
    assert measured == Measured(Decimal(60), "", "", "")


def test_two_equal_upper_limits_in_different_units_are_read() -> None:
    ranges = [{"high": {"value": 2, "unit": unit}} for unit in ("odd", "mg/dL")]
    high = one(egfr(referenceRange=ranges)).high()
    assert high is not None
    assert high.value == 2


def test_why_a_creatinine_before_dialysis_cannot_be_used() -> None:
    before = egfr(code=fhir.concept("11042-9", "loinc"))
    assert (
        in_words(one(before).read().why) == "was taken in a way that does not show kidney function"
    )
