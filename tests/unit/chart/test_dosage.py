"""Elemental magnesium a day: structured first, then by product strength, then by the text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cds_service.chart.dosage import DailyDose, daily_elemental, in_whole_units
from cds_service.knowledge.drugs import MagnesiumProduct
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.unit.chart.reading import chart, drafted

OXIDE_400 = "198741"  # salt or elemental not in doubt: 241 mg a tablet
OXIDE_250 = "311429"  # 250 mg of salt or of magnesium: the higher figure counts
CHELATED_100 = "198959"  # ambiguous
LACTATE_84 = "198936"  # elemental
MILK_OF_MAGNESIA = "210887"  # 33.36 mg a mL
GLYCINATE = "476818"  # the ingredient
ONCE = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
FUROSEMIDE = "4603"
MG_200: Resource = {"value": 200, "unit": "mg"}
MG_400: Resource = {"value": 400, "unit": "mg"}
SPOONS: Resource = {"value": 4, "unit": "spoons"}
MONTH: Resource = {"value": 30, "unit": "days"}
NOT_SAID = "its dosage does not say it"


def dose(code: str | None, *dosages: Any, **members: Any) -> Decimal | None:
    """The elemental mg a day of a draft order; `dosages` are its instructions."""
    return found_dose(code, *dosages, **members).mg


def found_dose(code: str | None, *dosages: Any, **members: Any) -> DailyDose:
    """All that is found out about the dose of a draft order."""
    details: dict[str, Any] = {"id": "d", **members}
    order = fhir.draft_order(code, **{k: v for k, v in details.items() if k in ("text", "id")})
    order |= {k: v for k, v in details.items() if k not in ("text", "id")}
    if dosages:
        order["dosageInstruction"] = list(dosages)
    use = chart().draft(drafted(order), "MedicationRequest/d")
    assert use is not None
    return daily_elemental(use, knowledge().drugs, knowledge().dosage)


def amount(value: Any, unit: str | None = None, timing: Any = ONCE, **members: Any) -> Resource:
    quantity = {"value": value} | ({"unit": unit} if unit else {})
    found = {"doseAndRate": [{"doseQuantity": quantity}], "timing": timing, **members}
    return {k: v for k, v in found.items() if v is not None}


def mg(written: str) -> Decimal:
    return Decimal(written)


def test_another_drug_has_no_magnesium() -> None:
    found = found_dose(FUROSEMIDE, amount(1, "tablet"))
    assert found == DailyDose(None, "is not a magnesium product")


# -------------------------------------------------------------------------------- the amount


@pytest.mark.parametrize(
    ("code", "instruction", "daily"),
    [
        (OXIDE_400, amount(1, "tablet"), "241.0"),
        (OXIDE_400, amount(3, "tablet"), "723.0"),
        (OXIDE_400, amount(0.5, "tablet"), "120.50"),
        (OXIDE_400, amount(1), "241.0"),  # no unit: of the product
        (OXIDE_400, amount(1, "{tbl}"), "241.0"),
        (OXIDE_400, amount(1, "Oral Tablet"), "241.0"),
        (OXIDE_400, amount(400, "mg"), "241.0"),  # the strength: one tablet
        (OXIDE_400, amount(800, "mg"), "482.0"),
        (OXIDE_400, amount(300, "mg"), "180.900"),  # no multiple of it: still of the salt
        (OXIDE_400, amount(400, "mg", text="400 mg elemental magnesium"), "400"),
        (OXIDE_250, amount(1, "tablet"), "250"),
        (CHELATED_100, amount(2, "tablet"), "200"),
        (LACTATE_84, amount(2, "tablet"), "168"),
        (LACTATE_84, amount(84, "mg"), "84"),
        (MILK_OF_MAGNESIA, amount(30, "mL"), "1000.80"),
        (OXIDE_400, amount(30, "mL"), None),  # a tablet has no mL
        (GLYCINATE, amount(200, "mg"), "200"),
        (GLYCINATE, amount(0.2, "g"), "200.0"),
        (GLYCINATE, amount(1, "tablet"), None),  # of what strength?
        (GLYCINATE, amount(1, "tablet", text="1 tablet of 120 mg daily"), "120"),
        (GLYCINATE, amount(1, "tablet", text="100 mg or 120 mg tablets"), None),
        (GLYCINATE, amount(1, "tablet", text="1 tablet of １２０ mg daily"), None),
        # RxNorm has a single-salt product of this strength.
        ("6582", amount(400, "mg"), "241.0"),
        ("6582", amount(333, "mg"), "200.799"),  # no such product: the share of the salt by weight
        (GLYCINATE, amount(10, "mmol"), "243.050"),
        (GLYCINATE, amount(20, "mEq"), "243.050"),
        (GLYCINATE, amount("200", "mg"), "200"),
        (GLYCINATE, amount(0, "mg"), "0"),
        (GLYCINATE, amount(100000, "mg"), "100000"),
        # What cannot be computed is not guessed.
        (GLYCINATE, amount(200, "units"), None),
        (GLYCINATE, amount(-200, "mg"), None),
        (GLYCINATE, amount(100001, "mg"), None),
        (GLYCINATE, amount(None, "mg"), None),
        (GLYCINATE, amount("NaN", "mg"), None),
        (GLYCINATE, amount("1e999999", "mg"), None),
        (GLYCINATE, amount("Infinity", "mg"), None),
    ],
)
def test_an_amount(code: str, instruction: Resource, daily: str | None) -> None:
    found = dose(code, instruction)
    assert found == (None if daily is None else mg(daily))


def test_the_ucum_code_says_the_unit_too() -> None:
    quantity = {"value": 200, "system": "http://unitsofmeasure.org", "code": "mg"}
    assert dose(GLYCINATE, {"doseAndRate": [{"doseQuantity": quantity}], "timing": ONCE}) == mg(
        "200"
    )
    with_text = {**quantity, "unit": "milligram(s)"}
    assert dose(GLYCINATE, {"doseAndRate": [{"doseQuantity": with_text}], "timing": ONCE}) == mg(
        "200"
    )


@pytest.mark.parametrize(
    ("members", "daily"),
    [
        ({"doseAndRate": [{"doseRange": {"low": MG_200, "high": MG_400}}]}, "400"),
        ({"doseAndRate": [{"doseRange": {"low": MG_200}}]}, None),
        ({"doseAndRate": {"doseQuantity": MG_200}}, "200"),  # no list
        ({"doseAndRate": [{"doseQuantity": MG_200}, {"doseQuantity": MG_400}]}, "400"),
        ({"doseAndRate": [{"doseQuantity": MG_200}, {"doseQuantity": SPOONS}]}, None),
        ({"doseQuantity": MG_200}, "200"),  # as DSTU2 had it
        ({"doseAndRate": [{}], "text": "200 mg daily"}, "200"),
        ({"doseAndRate": "200 mg", "text": "300 mg daily"}, "300"),
        ({"doseAndRate": None, "text": "300 mg daily"}, "300"),
    ],
)  # fmt: skip
def test_where_an_amount_may_stand(members: dict[str, Any], daily: str | None) -> None:
    found = dose(GLYCINATE, {"timing": ONCE, **members})
    assert found == (None if daily is None else mg(daily))


# -------------------------------------------------------------------------------- how often


def repeat(**members: Any) -> Resource:
    return {"repeat": members}


def coded(code: str | None = None, **members: Any) -> Resource:
    codings = [{"code": code}] if code else []
    return {"code": {"coding": codings, **members}}


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (repeat(frequency=2, period=1, periodUnit="d"), "2"),
        (repeat(frequency=1, frequencyMax=3, period=1, periodUnit="d"), "3"),
        (repeat(frequency=1, period=2, periodUnit="d"), "0.5"),
        (repeat(frequency=7, period=1, periodUnit="wk"), "1"),
        (repeat(frequency=30, period=1, periodUnit="mo"), "1"),
        (repeat(frequency=365, period=1, periodUnit="a"), "1"),
        (repeat(period=1, periodUnit="d"), "1"),  # no frequency means once
        (repeat(frequency=1, period=0.5, periodUnit="d"), "2"),
        (repeat(period=1, periodUnit="d", timeOfDay=["08:00", "20:00"]), "2"),
        (repeat(period=1, periodUnit="d", when=["ACM", "ACD", "ACV"]), "3"),
        (repeat(when=["HS"]), "1"),
        (repeat(timeOfDay=["08:00", "20:00"]), "2"),
        (repeat(frequency=3), "3"),  # no period: the usual day
        (repeat(frequency=1, periodUnit="d"), None),
        (repeat(frequency=1, period=0, periodUnit="d"), None),
        (repeat(frequency=1, period=-1, periodUnit="d"), None),
        (repeat(frequency=1, period="NaN", periodUnit="d"), None),
        (repeat(frequency=1, period=100000, periodUnit="d"), "0.00001"),
        (repeat(frequency=1, period=1e9, periodUnit="d"), None),
        (repeat(frequency=1, period=1, periodUnit="fortnight"), None),
        (repeat(), None),
        ({}, None),
        ("daily", None),
        (coded("BID"), "2"),
        (coded("bid"), "2"),
        (coded("TID"), "3"),
        (coded("QID"), "4"),
        (coded("QD"), "1"),
        (coded("QOD"), "0.5"),
        (coded("Q4H"), "6"),
        (coded("Q6H"), "4"),
        (coded("Q8H"), "3"),
        (coded("Q12H"), "2"),
        (coded("BED"), "1"),
        (coded(text="TID"), "3"),
        (coded(text="twice a day"), "2"),
        (coded("local", text="BID"), "2"),
        ({"code": {"coding": [{"code": "local", "display": "three times daily"}]}}, "3"),
        ({"code": {"coding": [{"display": "QID"}]}}, "4"),
        (coded("local", text="as directed"), None),
        (coded(), None),
        # A repeat that says nothing leaves it to the code.
        ({**repeat(), **coded("BID")}, "2"),
        ({**repeat(frequency=3, period=1, periodUnit="d"), **coded("BID")}, "3"),
    ],
)
def test_how_often(timing: Any, times: str | None) -> None:
    found = dose(GLYCINATE, amount(100, "mg", timing=timing))
    if times is None:
        assert found is None
    else:
        assert found == Decimal(times) * 100


def test_every_eight_hours_is_three_times_a_day() -> None:
    timing = repeat(frequency=1, period=8, periodUnit="h")
    found = dose(GLYCINATE, amount(100, "mg", timing=timing))
    assert found is not None
    assert abs(found - 300) < Decimal("0.01")


# ---------------------------------------------------------------------------------- the text


@pytest.mark.parametrize(
    ("code", "text", "daily"),
    [
        (GLYCINATE, "200 mg daily", "200"),
        (GLYCINATE, "200\u00a0mg daily", "200"),  # blanks that do not break, and narrow ones
        (GLYCINATE, "200\u202fmg  daily", "200"),
        (GLYCINATE, "200mg twice daily", "400"),
        (GLYCINATE, "200 mg by mouth TID", "600"),
        (GLYCINATE, "take 200 mg every 8 hours", "600"),
        (GLYCINATE, "200 mg every other day", "100.0"),
        (GLYCINATE, "100-200 mg at bedtime", "200"),
        (GLYCINATE, "100 to 200 mg nightly", "200"),
        (GLYCINATE, "200 mg in the morning and at bedtime", "400"),
        (GLYCINATE, "200 mg with breakfast and dinner", "400"),
        (GLYCINATE, "100 mg with each meal", "300"),
        (GLYCINATE, "100 mg every 4 hours", "600"),
        (GLYCINATE, "0.2 g daily", "200.0"),
        (GLYCINATE, "10 mmol daily", "243.050"),
        (OXIDE_400, "1 tablet daily", "241.0"),
        (OXIDE_400, "one tablet twice a day", "482.0"),
        (OXIDE_400, "take a tablet every morning", "241.0"),
        (OXIDE_400, "half tablet daily", "120.50"),
        (OXIDE_400, "1/2 tablet daily", "120.50"),
        (OXIDE_400, "1 1/2 tablets daily", "361.50"),
        (OXIDE_400, "1/2 to 1 tablet daily", "241.0"),
        (GLYCINATE, "1,000 mg daily", "1000"),
        (GLYCINATE, "0.5 g daily", "500.0"),
        (OXIDE_400, "1 or 2 tablets daily", "482.0"),
        # Tablets before milligrams: the milligrams are the strength.
        (OXIDE_400, "take 2 tablets (800 mg) once daily", "482.0"),
        (MILK_OF_MAGNESIA, "15 ml at night", "500.40"),
        (GLYCINATE, "1 tablet (120 mg) twice daily", "240"),
        # A total that agrees with the single dose is no second amount.
        (GLYCINATE, "200 mg twice daily (400 mg)", "400"),
        (GLYCINATE, "200 mg daily. Take 200 mg with food", "200"),
        # What is not said is not guessed.
        (GLYCINATE, "200 mg in the morning and 400 mg at night", None),
        (GLYCINATE, "200 mg daily for 14 days, then 400 mg daily", None),
        (OXIDE_400, "1 tablet in the morning, 2 tablets at night", None),
        (GLYCINATE, "0,5 g daily", "500"),
        (GLYCINATE, "1 000 mg daily", None),  # a thousand, which must not be read as nothing
        (GLYCINATE, "1\u00a0000 mg daily", None),
        (GLYCINATE, "10 000 mg daily", None),
        (GLYCINATE, "100 000 mg daily", None),
        (GLYCINATE, "take 2 200 mg tablets daily", None),
        (GLYCINATE, "with vitamin b6 100 mg daily", "100"),
        (GLYCINATE, "２００ mg daily", None),
        (GLYCINATE, "1/0 mg daily", None),
        (GLYCINATE, "200 mg", None),
        (GLYCINATE, "daily", None),
        (GLYCINATE, "as directed", None),
        (GLYCINATE, "two puffs daily", None),
        (GLYCINATE, "1 tablet daily", None),
        (GLYCINATE, "", None),
    ],
)
def test_a_text(code: str, text: str, daily: str | None) -> None:
    found = dose(code, {"text": text})
    assert found == (None if daily is None else mg(daily))


def test_the_words_for_the_patient_are_read_too() -> None:
    assert dose(GLYCINATE, {"patientInstruction": "200 mg twice daily"}) == mg("400")
    assert dose(GLYCINATE, {"text": "200 mg", "patientInstruction": "twice a day"}) == mg("400")


def test_the_structure_comes_before_the_text() -> None:
    assert dose(GLYCINATE, amount(200, "mg", text="400 mg twice daily")) == mg("200")
    assert dose(GLYCINATE, amount(200, "mg", timing=None, text="twice daily")) == mg("400")
    assert dose(GLYCINATE, {"timing": ONCE, "text": "400 mg twice daily"}) == mg("400")


@pytest.mark.parametrize(
    ("text", "instruction", "daily"),
    [
        ("magnesium oxide 400 mg tablet", amount(1, "tablet"), "241.0"),
        ("magnesium 250 mg tablet", amount(2, "tablet"), "500"),
        ("magnesium", amount(1, "tablet"), None),
        ("magnesium elemental 200 mg capsule", amount(1, "capsule"), "200"),
    ],
)
def test_a_product_known_by_its_name_alone(
    text: str, instruction: Resource, daily: str | None
) -> None:
    found = dose(None, instruction, text=text)
    assert found == (None if daily is None else mg(daily))


# -------------------------------------------------------------------- several instructions


@pytest.mark.parametrize(
    ("steps", "daily"),
    [
        # Given together: summed.
        ([(None, 200), (None, 100)], "300"),
        ([(1, 200), (1, 100)], "300"),
        # One after the other: the largest step.
        ([(1, 200), (2, 400)], "400"),
        ([(1, 400), (2, 200)], "400"),
        ([(1, 200), (2, 200), (2, 250)], "450"),
        # Something without a number is given beside every step.
        ([(None, 100), (1, 200), (2, 400)], "500"),
    ],
)
def test_steps_and_parallel_instructions(steps: list[tuple[int | None, int]], daily: str) -> None:
    assert dose(GLYCINATE, *(amount(a, "mg", sequence=s) for s, a in steps)) == mg(daily)


def test_one_instruction_that_cannot_be_computed_makes_the_whole_unknown() -> None:
    found = dose(GLYCINATE, amount(200, "mg"), {"text": "and as directed"})
    assert found is None


def test_a_malformed_dosage_is_unknown() -> None:
    found = found_dose(GLYCINATE, dosageInstruction=5)
    assert found == DailyDose(None, "its dosage cannot be read")


# -------------------------------------------------------------------------- what is supplied


def supply(value: Any, days: Any, unit: str = "d", of: str | None = "tablet") -> Resource:
    quantity = {"value": value} | ({"unit": of} if of else {})
    return {"quantity": quantity, "expectedSupplyDuration": {"value": days, "code": unit}}


@pytest.mark.parametrize(
    ("dispense", "daily"),
    [
        (supply(60, 30), "482.0"),
        (supply(60, 30, of=None), "482.0"),
        (supply(28, 4, "wk"), "241.0"),
        (supply(100000, 100000), "241.0"),
        ({"quantity": {"value": 30, "unit": "tablet"}, "expectedSupplyDuration": MONTH}, "241.0"),
        (supply(60, 0), None),
        (supply(60, -30), None),
        (supply(60, "NaN"), None),
        (supply(60, 30, "fortnights"), None),
        (supply(60, 30, of="boxes"), None),
        (supply(60, None), None),
        ({"quantity": {"value": 60}}, None),
        ({"expectedSupplyDuration": MONTH}, None),
        ("odd", None),
    ],
)  # fmt: skip
def test_quantity_over_days(dispense: Any, daily: str | None) -> None:
    expected = None if daily is None else mg(daily)
    assert dose(OXIDE_400, dispenseRequest=dispense) == expected
    unclear = {"text": "as directed"}
    assert dose(OXIDE_400, unclear, dispenseRequest=dispense) == expected


def test_the_dosage_comes_before_the_supply() -> None:
    assert dose(OXIDE_400, amount(1, "tablet"), dispenseRequest=supply(90, 30)) == mg("241.0")


def test_without_dosage_and_supply_nothing_is_known() -> None:
    assert dose(OXIDE_400) is None


# ------------------------------------------------------------------ in whole tablets


def whole(code: str | None, daily: str, text: str | None = None) -> bool:
    use = chart().draft(drafted(fhir.draft_order(code, text=text, id="d")), "MedicationRequest/d")
    assert use is not None
    return in_whole_units(use, Decimal(daily), knowledge().drugs, knowledge().dosage)


@pytest.mark.parametrize(
    ("code", "text", "daily", "possible"),
    [
        (LACTATE_84, None, "84", True),
        (LACTATE_84, None, "168", True),
        (LACTATE_84, None, "85", False),
        (LACTATE_84, None, "100", False),
        (OXIDE_400, None, "241", True),
        (OXIDE_400, None, "400", False),
        # A liquid can be measured, whatever the amount.
        (MILK_OF_MAGNESIA, None, "350", True),
        # The ingredient alone leaves the strength open; its wording may name one.
        (GLYCINATE, None, "350", True),
        (GLYCINATE, "Magnesium 100 MG elemental tablet", "300", True),
        (GLYCINATE, "Magnesium 100 MG elemental tablet", "350", False),
        (GLYCINATE, "Magnesium 0 mg elemental", "350", False),
        (GLYCINATE, "Magnesium 0.5 mg elemental", "350", True),
        (GLYCINATE, "Magnesium 100 mg or 120 mg elemental", "350", False),
        ("6582", "magnesium oxide 400 mg", "241", True),
        ("6582", "magnesium oxide 400 mg", "400", False),
        ("6582", "magnesium oxide 1 000 mg", "241", False),  # a strength, though it cannot be read
    ],
)
def test_whether_whole_tablets_make_a_daily_dose(
    code: str, text: str | None, daily: str, possible: bool
) -> None:
    assert whole(code, daily, text) is possible


# ------------------------------------------------------------------ what stands beside


def test_of_several_doses_the_largest_counts() -> None:
    doses = [{"doseQuantity": MG_400}, {"doseQuantity": MG_200}]
    assert dose(LACTATE_84, {"doseAndRate": doses, "timing": ONCE}) == (
        dose(LACTATE_84, amount(400, "mg"))
    )


def test_an_amount_in_milliequivalents_may_stand_in_the_text() -> None:
    assert dose(GLYCINATE, {"text": "20 meq daily"}) == dose(GLYCINATE, amount(20, "meq"))
    assert dose(GLYCINATE, {"text": "20 meq daily"}) is not None


def test_the_strength_in_the_name_counts_for_the_text_and_for_the_supply() -> None:
    named = {"text": "Magnesium 100 MG Elemental Tablet"}
    supplied = {"quantity": {"value": 60, "unit": "tablet"}, "expectedSupplyDuration": MONTH}
    assert dose(GLYCINATE, {"text": "2 tablets daily"}, **named) == mg("200")
    assert dose(GLYCINATE, **named, dispenseRequest=supplied) == mg("200")
    oxide = {"text": "magnesium oxide 400 MG"}
    assert dose("6582", **oxide, dispenseRequest=supplied) == mg("482")


def test_a_supply_for_half_a_day_is_computed_too() -> None:
    half = {"quantity": {"value": 1, "unit": "tablet"}}
    half["expectedSupplyDuration"] = {"value": 0.5, "unit": "d"}
    assert dose(LACTATE_84, dispenseRequest=half) == mg("168")


def test_a_supply_that_says_nothing_gives_no_dose() -> None:
    unclear = amount(1, "spoons")
    assert dose(GLYCINATE, unclear, dispenseRequest={"quantity": SPOONS}) is None


@pytest.mark.parametrize("text", ["bid", "BID", " bid "])
def test_the_code_of_how_often_may_stand_in_a_text(text: str) -> None:
    assert dose(LACTATE_84, amount(1, "tablet", {"code": {"text": text}})) == mg("168")


def test_a_product_called_otherwise_keeps_its_strength() -> None:
    """The label names no strength; the higher figure counts where the product's is in doubt."""
    one_a_day = amount(1, "tablet")
    assert dose(OXIDE_400, one_a_day, text="Mag-Ox") == mg("241")
    assert dose(OXIDE_250, one_a_day, text="Mag tablets") == mg("250")
    assert not whole(OXIDE_400, "400", "Mag-Ox")


def test_a_salt_in_the_label_counts_for_the_supply_of_an_unclear_dose() -> None:
    supplied = {"quantity": {"value": 60, "unit": "tablet"}, "expectedSupplyDuration": MONTH}
    unclear = amount(1, "spoons")
    named = "magnesium oxide 400 MG"
    assert dose("6582", unclear, text=named, dispenseRequest=supplied) == mg("482")


def test_a_strength_of_which_nobody_knows_the_magnesium_counts_as_magnesium() -> None:
    order = fhir.draft_order(GLYCINATE, id="d") | {"dosageInstruction": [amount(400, "mg")]}
    use = chart().draft(drafted(order), "MedicationRequest/d")
    assert use is not None
    drug = msgspec.structs.replace(use.drug, magnesium=MagnesiumProduct(strength_mg=400.0))
    found = msgspec.structs.replace(use, drug=drug)
    assert daily_elemental(found, knowledge().drugs, knowledge().dosage).mg == mg("400")


@pytest.mark.parametrize(("text", "daily"), [("q2h", "1008"), ("AM", "84"), ("twice a day", "168")])
def test_a_timing_code_written_as_text_is_known(text: str, daily: str) -> None:
    assert dose(LACTATE_84, amount(1, "tablet", {"code": {"text": text}})) == mg(daily)
