"""Elemental magnesium a day: structured first, then by product strength, then by the text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cds_service import reasons
from cds_service.chart.dosage import DailyDose, daily_elemental, in_whole_units
from cds_service.knowledge.drugs import MagnesiumProduct
from tests.support import fhir
from tests.support.decisions import knowledge
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.unit.chart.reading import chart, drafted

from ...support.wording import in_words

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
    assert in_words(found) == DailyDose(None, "is not a magnesium product")


# -------------------------------------------------------------------------------- the amount


@each_row(
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


@each_row(
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


@each_row(
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
        # Of the steps of a course the largest counts, whichever it is.
        (GLYCINATE, "200 mg daily for 14 days, then 400 mg daily", "400"),
        (OXIDE_400, "1 tablet twice daily for 7 days then 2 tablets twice daily", "964.0"),
        (OXIDE_400, "2 tablets twice daily for 3 days, then 1 tablet daily", "964.0"),
        (OXIDE_400, "1 tablet daily. May increase to 2 tablets twice daily.", "964.0"),
        (OXIDE_400, "1 tablet bid for 5 days, then tid", "723.0"),
        (OXIDE_400, "1 tablet twice daily for a week, then 2 tablets", "964.0"),
        (OXIDE_400, "1 tablet twice daily for a week, then stop", "482.0"),
        (OXIDE_400, "take 2 now then 1 every 4 hours", "1446.0"),
        (OXIDE_400, "1-0-1, dann 2-0-2", "964.0"),
        (OXIDE_400, "2 tablets daily for a week, then 4", None),
        (OXIDE_400, "2 tablets now", None),
        (OXIDE_400, "twice daily, then 2 tablets", None),
        (OXIDE_400, "daily, then twice daily", None),
        (OXIDE_400, "2 tablets, then 1 tablet daily", None),
        # Parts of the day with an amount each are summed.
        (GLYCINATE, "200 mg in the morning and 400 mg at night", "600"),
        (OXIDE_400, "1 tablet in the morning, 2 tablets at night", "723.0"),
        (OXIDE_400, "morgens 1, abends 2", "723.0"),
        (OXIDE_400, "1 tablet in the morning, 1 at noon and 2 at bedtime", "964.0"),
        (GLYCINATE, "1,200 mg in the morning, 100 mg at night", "1300"),
        # What stands in brackets says again what stands before them.
        (OXIDE_400, "1 tablet twice daily (2 tablets)", "482.0"),
        (OXIDE_400, "1 tablet daily (30 tablets)", "241.0"),
        (GLYCINATE, "200 mg twice daily, total 400 mg", "400"),
        # An hour and a quantity to supply are no number of tablets.
        (OXIDE_400, "1 tablet daily at 8 pm", "241.0"),
        (OXIDE_400, "1 tablet at 8 am and 8 pm", "482.0"),
        (OXIDE_400, "2 tab(s), PO, BID, # 120 tab(s), 3 Refill(s)", "964.0"),
        # What is not said is not guessed.
        # Two amounts of which it is not said when each is taken.
        (OXIDE_400, "morgens 1 abends 2", None),
        (OXIDE_400, "1 tablet in the morning, 2 tablets daily", None),
        (OXIDE_400, "1 tablet in the morning and 2 tablets twice daily", None),
        (OXIDE_400, "1 tablet in the morning, 2 tablets in the morning on Sundays", None),
        (OXIDE_400, "1 tablet in the morning and evening, 2 at night", None),
        (OXIDE_400, "1 tablet daily (max 3 tablets)", None),
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
    assert dose(OXIDE_400, {"timing": ONCE, "text": "1-0-1"}) == mg("482.0")


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
    assert in_words(found) == DailyDose(None, "its dosage cannot be read")


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
        (supply(60, "1e-999999"), None),
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


def read_whole(code: str | None, daily: str, text: str | None = None) -> bool:
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
    assert read_whole(code, daily, text) is possible


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
    assert not read_whole(OXIDE_400, "400", "Mag-Ox")


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


# ------------------------------------------------------------ structure of how often (12.2 N-5)

DAILY = {"period": 1, "periodUnit": "d"}


@each_row(
    ("timing", "times"),
    [
        # Of frequency and times of one day the larger, not the product.
        (repeat(frequency=2, when=["MORN", "EVE"], **DAILY), "2"),
        (repeat(frequency=2, timeOfDay=["08:00:00", "20:00:00"], **DAILY), "2"),
        (repeat(frequency=3, when=["MORN", "NOON", "NIGHT"], **DAILY), "3"),
        (repeat(frequency=1, when=["MORN", "NOON", "EVE"], **DAILY), "3"),
        (repeat(frequency=4, when=["MORN"], **DAILY), "4"),
        (repeat(frequency=1, when=["MORN", "EVE"], timeOfDay=["08:00"], **DAILY), "2"),
        # Before or after a meal is no time of its own beside another of that part of the day.
        (repeat(frequency=1, when=["MORN", "ACM"], **DAILY), "1"),
        (repeat(when=["MORN", "ACM", "EVE", "PCV"], **DAILY), "2"),
        (repeat(when=["HS", "AC"], **DAILY), "1"),
        (repeat(when=["MORN", "ACV"], **DAILY), "2"),
        (repeat(when=["ACM", "PCM"], **DAILY), "2"),
        (repeat(when=["CM", "CD", "CV"], **DAILY), "3"),
        # Before meals is three times if nothing else is said; with meals alone says nothing.
        (repeat(when=["AC"], **DAILY), "3"),
        (repeat(when=["AC"]), "3"),
        (repeat(frequency=1, when=["AC"], **DAILY), "1"),
        (repeat(frequency=2, when=["PC"], **DAILY), "2"),
        (repeat(when=["PC"], **DAILY), None),
        (repeat(when=["C"], **DAILY), None),
        # A code that is not known is a time of its own.
        (repeat(when=["MORN", "lunchtime"], **DAILY), "2"),
        # Days of the week.
        (repeat(frequency=1, dayOfWeek=["mon", "wed", "fri"], **DAILY), "0.4285714"),
        (repeat(frequency=1, dayOfWeek=["mon"]), "0.1428571"),
        (repeat(dayOfWeek=["mon", "thu"], timeOfDay=["08:00"]), "0.2857143"),
        (repeat(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon", "wed"]), "0.2857143"),
        (repeat(frequency=3, period=1, periodUnit="wk", dayOfWeek=["mon"]), "0.4285714"),
        # In longer periods both count.
        (repeat(frequency=2, period=1, periodUnit="wk", when=["MORN", "EVE"]), "0.5714286"),
        (repeat(frequency=1, period=2, periodUnit="d", timeOfDay=["08:00", "20:00"]), "1"),
        # In hours.
        (repeat(frequency=1, period=8, periodUnit="h"), "3"),
        (repeat(frequency=1, period=4, periodMax=6, periodUnit="h"), "6"),
        (repeat(frequency=1, period=6, periodMax=4, periodUnit="h"), "6"),
        (repeat(frequency=1, period=12, periodUnit="h", when=["MORN", "NOON", "EVE"]), "3"),
        (repeat(frequency=1, periodMax=12, periodUnit="h"), "2"),
        # No number that could be meant.
        (repeat(frequency="NaN", **DAILY), None),
        (repeat(frequency=0, **DAILY), None),
        (repeat(frequency=-1, **DAILY), None),
        (repeat(frequency=1, periodMax="NaN", **DAILY), None),
        (repeat(frequency=100001, **DAILY), None),
        (repeat(frequency=1, period="1e-999999", periodUnit="d"), None),
        (repeat(frequency="1e-999999", **DAILY), None),
        (repeat(timeOfDay=["08:00"], periodUnit="d"), "1"),
        (repeat(frequency=2.0, **DAILY), "2"),
    ],
)  # fmt: skip
def test_frequency_beside_times_of_the_day(timing: Any, times: str | None) -> None:
    found = dose(GLYCINATE, amount(100, "mg", timing=timing))
    if times is None:
        assert found is None
    else:
        assert found == pytest.approx(Decimal(times) * 100, abs=Decimal("0.0001"))


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (coded(text="three times a week"), "0.4285714"),
        (coded("x", text="Daily before breakfast"), "1"),
        ({"code": {"coding": [{"code": "1", "display": "b.i.d."}, {"code": "2"}]}}, "2"),
        ({"code": {"coding": [{"system": "urn:local", "code": "TID"}], "text": "daily"}}, "3"),
        ({**repeat(dayOfWeek="mon"), **coded("BID")}, "2"),
    ],
)
def test_a_timing_code_is_read_by_code_display_and_text(timing: Any, times: str) -> None:
    found = dose(GLYCINATE, amount(100, "mg", timing=timing))
    assert found == pytest.approx(Decimal(times) * 100, abs=Decimal("0.0001"))


# ------------------------------------------------------------------------- units (12.2 N-6a)


@pytest.mark.parametrize(
    ("code", "instruction", "daily"),
    [
        (OXIDE_400, amount(3, "{pill}"), "723"),
        (OXIDE_400, amount(2, "tablet(s)"), "482"),
        (OXIDE_400, amount(3, "{blister}"), "723"),  # an unknown annotation is one unit
        (OXIDE_400, amount(1, "blister"), None),  # another word is not
        (GLYCINATE, amount(1, "{blister}"), None),  # of what strength?
        (GLYCINATE, amount(1, "{blister}", text="120 mg each"), "120"),
        (MILK_OF_MAGNESIA, amount(2, "tbsp"), "1000.8"),
        (MILK_OF_MAGNESIA, amount(1, "[tsp_us]"), "166.8"),
        (OXIDE_400, amount(400, "milligram(s)"), "241"),
        (OXIDE_400, amount(0.4, "grams"), "241"),
    ],
)
def test_a_unit_in_other_words(code: str, instruction: Resource, daily: str | None) -> None:
    assert dose(code, instruction) == (None if daily is None else mg(daily))


def test_a_snomed_unit() -> None:
    tablet = {"value": 2, "system": "http://snomed.info/sct", "code": "732936001"}
    assert dose(OXIDE_400, {"doseAndRate": [{"doseQuantity": tablet}], "timing": ONCE}) == mg("482")


# --------------------------------------------------------------------------- words (12.2 N-6)


@pytest.mark.parametrize(
    ("text", "daily"),
    [
        ("1 tab three times a week", "103.2857"),
        ("2 tablets twice weekly", "137.7143"),
        ("1 tab TDS", "723"),
        ("1 tab po q.i.d.", "964"),
        ("2-0-2", "964"),
        ("1-0-1 Tablette", "482"),
        ("1 tablet q4h", "1446"),
        ("1 tablet every 4 to 6 hours", "1446"),
        ("2 tds", "1446"),
        ("take 2 by mouth daily", "482"),
        ("1 tablet, max 3 per day", "723"),
        ("2 tablets (800 mg total) twice daily", "964"),
        ("1 (one) tablet twice a day", "482"),
        ("1,5 Tabletten täglich", "361.5"),
        ("une demi comprimé par jour", "120.5"),
        ("400 mg 2 daily", "482"),
        ("1 tablet every other day", "120.5"),
        ("1 tablet before meals", "723"),
        ("1 tablet in the morning and 1 at night", "482"),
        ("2 tablets in the morning and 1 at night", "723"),
        ("1 tablet 2 at bedtime", "482"),
        ("1 tablet and 2 twice daily", None),
        ("1 tablet as a single dose", None),
        ("2 heaped scoops with the main meal", None),
    ],
)
def test_a_dose_in_words(text: str, daily: str | None) -> None:
    found = dose(OXIDE_400, {"text": text})
    if daily is None:
        assert found is None
    else:
        assert found == pytest.approx(Decimal(daily), abs=Decimal("0.001"))


@pytest.mark.parametrize(
    ("label", "text", "daily"),
    [
        # "X mg total" is what all tablets hold.
        ("magnesium glycinate", "2 tablets (400 mg total) daily", "400"),
        ("magnesium glycinate 200 mg tablet", "2 tablets (400 mg total) daily", "400"),
        ("magnesium glycinate", "2 tablets (400 mg) daily", "800"),  # each, perhaps
        ("magnesium oxide", "2 tablets (800 mg total) daily", "482"),
        ("Mag-Ox 400", "1 tab daily", "241"),
        ("Milk of Magnesia 400 mg/5 mL", "30 mL daily", "1000.8"),
        ("Milk of Magnesia", "30 mL daily", None),
        ("Milk of Magnesia 400 mg/5 mL", "2 tablespoons nightly", "1000.8"),
        ("magnesium carbonate 500 mg/5 mL", "5 mL daily", "500"),
    ],
)
def test_a_dose_in_words_of_a_product_known_by_words(
    label: str, text: str, daily: str | None
) -> None:
    found = dose(None, {"text": text}, text=label)
    assert found == (None if daily is None else pytest.approx(Decimal(daily), abs=Decimal("0.001")))


def test_a_name_that_holds_the_dosage() -> None:
    assert dose(None, text="magnesium oxide 400 mg twice daily") == mg("482")
    assert found_dose(None, text="Mag-Ox 400 1 tab daily").said == "Mag-Ox 400 1 tab daily"
    assert found_dose(None, text="magnesium oxide 400 mg") == DailyDose(
        None, reasons.DOSE_NOT_STATED
    )


# ------------------------------------------------------------------ what is said and not read


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        ([{"text": " 2 Scoops with the main meal "}], "2 Scoops with the main meal"),
        ([{"text": "nightly"}], "nightly"),
        ([{"text": "two", "patientInstruction": "in the morning"}], "two in the morning"),
        ([{"text": "as directed"}], ""),
        ([{}], ""),
        ([amount(2, "scoop")], "2 scoop"),
        ([amount(2, None, timing=None)], "2"),
        ([{"doseAndRate": [{"doseQuantity": {"unit": "scoop"}}]}], ""),
        ([amount(1, "scoop", text="as directed")], "1 scoop"),
        ([amount(-1, "scoop")], "-1 scoop"),
        ([amount("1e99999", "scoop")], ""),
        ([amount("1e-99999", "scoop")], ""),
        ([amount("NaN", "scoop")], ""),
        ([amount(200, "mg"), {"text": "and 3 scoops"}], "and 3 scoops"),
        ([{"text": "3 scoops"}, {"text": "as directed"}, {"text": "1 cup"}], "3 scoops; 1 cup"),
    ],
)
def test_words_that_say_a_dose_but_are_not_read_are_quoted(
    instructions: list[Resource], said: str
) -> None:
    assert found_dose(GLYCINATE, *instructions) == DailyDose(None, reasons.DOSE_NOT_STATED, said)


def test_a_dose_that_is_read_quotes_nothing() -> None:
    assert found_dose(OXIDE_400, {"text": "1 tablet daily"}).said == ""


def test_a_text_without_end_is_not_read_and_quoted_by_its_beginning() -> None:
    words = "1 tablet daily " + "and rest " * 500
    found = found_dose(OXIDE_400, {"text": words})
    assert found == DailyDose(None, reasons.DOSE_NOT_STATED, f"{words[:200]}...")
    longest = "2 scoops".ljust(199) + "x"
    assert found_dose(OXIDE_400, {"text": longest}).said == longest


# --------------------------------------------------------------- salt or elemental (12.2 N-7)


@each_row(
    ("code", "label", "instruction", "daily", "up_to"),
    [
        # Oxide and hydroxide are always milligrams of the salt.
        ("6582", "magnesium oxide", amount(800, "mg"), "482", False),
        ("6582", "magnesium oxide", amount(400, "mg"), "241", False),
        ("6582", "magnesium oxide", amount(1200, "mg"), "723", False),
        ("6582", "magnesium oxide", amount(250, "mg"), "150.75", False),
        ("6581", "magnesium hydroxide", amount(2400, "mg"), "1000.8", False),
        (None, "magnesium oxide 500 mg tablet", {"text": "1 tablet daily"}, "301.5", False),
        # Other salts may be meant as magnesium: up to.
        (GLYCINATE, "magnesium glycinate", amount(600, "mg"), "600", True),
        ("52356", "magnesium citrate", amount(500, "mg"), "500", True),
        ("6574", "magnesium", amount(400, "mg"), "400", True),
        (None, "magnesium 250 mg tablet", amount(2, "tablet"), "500", True),
        (None, "magnesium citrate and oxide 250 mg", amount(1, "tablet"), "250", True),
        # ... unless the words say so.
        (
            GLYCINATE,
            "magnesium glycinate",
            amount(200, "mg", text="200 mg elemental"),
            "200",
            False,
        ),
        (GLYCINATE, "magnesium glycinate", amount(200, "mg", text="elemental dose"), "200", False),
        (None, "magnesium elemental 100 mg", amount(2, "capsule"), "200", False),
        ("6582", "magnesium oxide 400 mg (241 mg elemental)", amount(400, "mg"), "241", False),
        ("6582", "magnesium oxide 400 mg (241 mg elemental)", amount(800, "mg"), "482", False),
        ("6582", "magnesium oxide 400 mg (241 mg elemental)", amount(2, "tablet"), "482", False),
        ("6582", "oxide 100 mg elemental or 200 mg elemental", amount(300, "mg"), "300", True),
        # Known products keep their figures; the higher where these leave it open.
        (OXIDE_400, "Mag-Ox", amount(2, "tablet"), "482", False),
        (OXIDE_250, "Mag", amount(1, "tablet"), "250", True),
        (CHELATED_100, "Mag", amount(2, "tablet"), "200", True),
        (LACTATE_84, "Mag", amount(2, "tablet"), "168", False),
        (CHELATED_100, "Mag", amount(150, "mg"), "150", True),
        (GLYCINATE, "magnesium glycinate", amount(100, "mg"), "100", True),  # 849497
        ("52358", "magnesium gluconate", amount(500, "mg"), "29", False),  # 311425
        # What is measured in mmol is magnesium.
        (GLYCINATE, "magnesium glycinate", amount(10, "mmol"), "243.05", False),
        (None, "Mag-Ox 400", amount(2, "tablet"), "482", False),
        # One dose that may be less makes the sum one.
        (OXIDE_250, "Mag", {"text": "1 tablet twice daily"}, "500", True),
    ],
)
def test_salt_or_elemental(
    code: str | None, label: str, instruction: Resource, daily: str, up_to: bool
) -> None:
    found = found_dose(code, instruction, text=label)
    assert found.mg == mg(daily)
    assert found.up_to is up_to


def test_a_sum_is_up_to_where_one_dose_is() -> None:
    doses = [amount(200, "mg", text="200 mg elemental"), amount(100, "mg")]
    assert found_dose("6574", *doses) == DailyDose(mg("300"), up_to=True)
    steps = [{**d, "sequence": n} for n, d in enumerate(doses)]
    assert found_dose("6574", *steps) == DailyDose(mg("200"))


def test_a_supply_may_be_up_to() -> None:
    month = {"quantity": {"value": 60, "unit": "tablet"}, "expectedSupplyDuration": MONTH}
    assert found_dose(OXIDE_250, dispenseRequest=month) == DailyDose(mg("500"), up_to=True)
    assert found_dose(OXIDE_400, dispenseRequest=month) == DailyDose(mg("482"))
