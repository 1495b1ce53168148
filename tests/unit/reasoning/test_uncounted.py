"""What a reader of the account might expect to count, but does not: each by its name, in order."""

from __future__ import annotations

from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY
from tests.unit.reasoning.test_account import takes, told

FUROSEMIDE_INJECTION, COMBINED_SPARING, PANTOPRAZOLE = "252484", "310812", "314200"


def aside(found: dict[str, list[Resource] | None]) -> list[tuple[str, str, str]]:
    return [(s.resource, in_words(s.what), in_words(s.why)) for s in told(found).set_aside]


def test_medicines_that_do_not_count_are_named_in_the_order_of_the_chart() -> None:
    found = aside(
        {
            "medicationRequests": [
                takes(PANTOPRAZOLE, text="pantoprazole", authored_days=5),
                takes(COMBINED_SPARING, text="with triamterene", authored_days=9),
                takes(FUROSEMIDE_INJECTION, text="furosemide injection", authored_days=20),
            ]
        }
    )
    assert [(resource, what) for resource, what, _ in found] == [
        (f"MedicationRequest/m-{PANTOPRAZOLE}", "pantoprazole"),
        (f"MedicationRequest/m-{COMBINED_SPARING}", "with triamterene"),
        (f"MedicationRequest/m-{FUROSEMIDE_INJECTION}", "furosemide injection"),
    ]


def test_a_course_that_is_over_is_named_as_such() -> None:
    over = takes("310798", text="hydrochlorothiazide", authored_days=300, supply_days=30)
    assert [(what, why) for _, what, why in aside({"medicationRequests": [over]})] == [
        ("hydrochlorothiazide", "is a course that is over")
    ]


def test_a_pregnancy_and_a_kidney_injury_of_long_ago_are_named() -> None:
    pregnant = fhir.condition("Z34.01", id="p", text="Pregnant", recorded_days=400, today=TODAY)
    injury = fhir.condition("N17.9", id="k", text="AKI", recorded_days=300, today=TODAY)
    assert aside({"conditions": [pregnant, injury]}) == [
        ("Condition/k", "AKI", "is undated, over, or followed by good kidney function"),
        ("Condition/p", "Pregnant", "began longer ago than a pregnancy lasts"),
    ]
    lately = fhir.condition("N17.9", id="k", text="AKI", recorded_days=20, today=TODAY)
    assert aside({"conditions": [lately]}) == []


def test_a_diagnosis_that_is_only_for_information_is_named_with_the_risk_that_it_is_not() -> None:
    without_stomach = fhir.condition("Z90.3", id="s", text="Stomach removed", today=TODAY)
    assert aside({"conditions": [without_stomach]}) == [
        ("Condition/s", "Stomach removed", "does not count as RF7")
    ]
