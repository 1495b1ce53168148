"""What a moment sees of a resource: each row of the table of SPEC 13."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from cds_service.chart import dates
from cds_service.chart.dates import When
from cds_service.knowledge.as_it_stood import load_as_it_stood
from cds_service.knowledge.loader import KnowledgeError
from cds_service.rehearsal.history import Item, item_of

from .population import (
    DIABETES,
    MAGNESIUM_OXIDE,
    Resource,
    clinical,
    condition,
    egfr,
    of,
    order,
    patient,
)

ROWS = load_as_it_stood().rows()
LATE = "2030-01-01"


def when(text: str) -> When:
    found = dates.parse(text)
    assert found is not None
    return found


def seen(resource: Resource, moment: str) -> Any:
    """What a moment sees; `None` where it does not know the resource."""
    item = item_of(json.dumps(resource).encode(), ROWS[resource["resourceType"]], Counter())
    found = item.at(when(moment)) if item is not None else None
    return json.loads(found) if found is not None else None


def counted(resource: Resource) -> dict[str, int]:
    counts: Counter[str] = Counter()
    item_of(json.dumps(resource).encode(), ROWS[resource["resourceType"]], counts)
    return dict(counts)


def status_of(found: Any) -> str:
    status = found["clinicalStatus"]["coding"][0]["code"] if "clinicalStatus" in found else None
    return status or found["status"]


# ------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("more", "first_day"),
    [
        ({"recordedDate": "2020-03-01", "onsetDateTime": "2018-01-01"}, "2020-03-01"),
        ({"onsetDateTime": "2018-02-01"}, "2018-02-01"),
        ({"onsetPeriod": {"start": "2018-04-01", "end": "2018-05-01"}}, "2018-04-01"),
        (
            {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                        "valueDateTime": "2019-05-06",
                    }
                ]
            },
            "2019-05-06",
        ),
    ],
    ids=["recorded", "onset", "onset period", "asserted"],
)
def test_a_condition_is_known_from(more: Resource, first_day: str) -> None:
    found = condition("p", "c", DIABETES, None, **more)
    day = when(first_day).first_day
    assert seen(found, first_day) is not None
    assert seen(found, day.replace(day=day.day + 1).isoformat()) is not None
    assert seen(found, day.replace(year=day.year - 1).isoformat()) is None


def test_a_condition_without_a_date_is_known_from_the_beginning_and_counted() -> None:
    found = condition("p", "c", DIABETES, None)
    assert seen(found, "1950-01-01") is not None
    assert counted(found) == {"Condition without a date": 1}


def test_a_condition_is_active_until_it_abated() -> None:
    found = condition(
        *("p", "c", DIABETES, "2018-01-01"),
        clinicalStatus=clinical("resolved"),
        abatementDateTime="2020-06-01",
    )
    before, on_the_day = seen(found, "2020-05-31T23:00:00Z"), seen(found, "2020-06-01")
    assert status_of(before) == "active"
    assert "abatementDateTime" not in before
    assert on_the_day == found
    assert counted(found) == {}


@pytest.mark.parametrize("status", ["resolved", "inactive", "remission"])
def test_a_condition_that_is_over_without_a_date(status: str) -> None:
    found = condition("p", "c", DIABETES, "2018-01-01", clinicalStatus=clinical(status))
    assert status_of(seen(found, "2018-01-02")) == status
    updated = found | {"meta": {"lastUpdated": "2021-01-01T10:00:00Z"}}
    assert status_of(seen(updated, "2021-01-01T10:00:00Z")) == "active"
    assert status_of(seen(updated, "2021-01-01T10:00:01Z")) == status
    assert counted(found) == counted(updated) == {"Condition status without a date": 1}


@pytest.mark.parametrize("abatement", ["abatementString", "abatementAge"])
def test_an_abatement_without_a_date_is_not_seen_before_the_last_update(abatement: str) -> None:
    found = condition(
        *("p", "c", DIABETES, "2018-01-01"),
        clinicalStatus=clinical("resolved"),
        meta={"lastUpdated": "2021-01-01T10:00:00Z"},
        **{abatement: {"value": 40, "unit": "a"}},
    )
    assert abatement not in seen(found, "2020-01-01")
    assert abatement in seen(found, "2022-01-01")


# ---------------------------------------------------------------------------------- orders

OVER = {"status": "completed"}


def ordered(**more: Any) -> Resource:
    return order("p", "o", MAGNESIUM_OXIDE, "2020-01-01", **more)


def test_an_order_is_known_from_its_day() -> None:
    assert seen(ordered(), "2019-12-31T23:59:59Z") is None
    assert seen(ordered(), "2020-01-01") is not None


def test_an_order_without_a_date_is_never_known_and_counted() -> None:
    found = order("p", "o", MAGNESIUM_OXIDE, None)
    assert seen(found, LATE) is None
    assert counted(found) == {"MedicationRequest without a date": 1}


def supply(days: int, repeats: int | None = None) -> Resource:
    duration = {"expectedSupplyDuration": {"value": days, "unit": "days", "code": "d"}}
    return {"dispenseRequest": duration | ({"numberOfRepeatsAllowed": repeats} if repeats else {})}


BOUNDS = {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"end": "2020-02-10"}}}}]}


@pytest.mark.parametrize(
    ("more", "last_day", "first_day_after"),
    [
        (supply(30), "2020-01-30", "2020-01-31"),
        (supply(30, 2), "2020-03-30", "2020-03-31"),
        (
            {"dispenseRequest": {"validityPeriod": {"end": "2020-05-05"}}},
            "2020-05-05",
            "2020-05-06",
        ),
        (BOUNDS, "2020-02-10T23:59:59Z", "2020-02-11"),
        (BOUNDS | supply(30), "2020-01-30", "2020-01-31"),
        ({}, "2020-03-30", "2020-03-31"),
    ],
    ids=["supply", "repeats", "validity", "bounds", "the earliest", "90 days"],
)
@pytest.mark.parametrize("status", ["completed", "stopped", "cancelled", "on-hold"])
def test_an_order_that_is_over_was_active_until(
    status: str, more: Resource, last_day: str, first_day_after: str
) -> None:
    found = ordered(status=status, **more)
    assert status_of(seen(found, last_day)) == "active"
    assert status_of(seen(found, first_day_after)) == status


@pytest.mark.parametrize(
    ("end", "last", "first_after"),
    [
        ("2020-05-05", "2020-05-05T23:59:59Z", "2020-05-06T00:00:00Z"),
        ("2020-05-05T08:00:00Z", "2020-05-05T08:00:00Z", "2020-05-05T08:00:01Z"),
        ("2020-05", "2020-05-31T23:59:59Z", "2020-06-01T00:00:00Z"),
        ("9999-12-31", "2030-01-01", ""),
    ],
)
@pytest.mark.parametrize("where", ["validity", "bounds"])
def test_a_period_ends_with_its_last_day(where: str, end: str, last: str, first_after: str) -> None:
    """FHIR: a period whose end is a date without a time includes that day."""
    period = {"end": end}
    bounds = {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": period}}}]}
    more = {"dispenseRequest": {"validityPeriod": period}} if where == "validity" else bounds
    found = ordered(**OVER, **more)
    assert status_of(seen(found, last)) == "active"
    if first_after:
        assert status_of(seen(found, first_after)) == "completed"


def test_an_assumed_end_is_counted() -> None:
    assert counted(ordered(**OVER)) == {"MedicationRequest end of an order assumed": 1}
    assert counted(ordered(**OVER, **supply(30))) == {}


@pytest.mark.parametrize("more", [{}, supply(30), BOUNDS])
def test_an_order_that_is_active_today_stayed_active(more: Resource) -> None:
    assert status_of(seen(ordered(**more), LATE)) == "active"
    assert counted(ordered(**more)) == {}


def test_steps_of_an_order_end_with_the_last_one() -> None:
    first = {"timing": {"repeat": {"boundsDuration": {"value": 2, "unit": "wk"}}}}
    last = {"timing": {"repeat": {"boundsDuration": {"value": 4, "unit": "wk"}}}}
    steps = ordered(**OVER, dosageInstruction=[first, last])
    assert status_of(seen(steps, "2020-01-28")) == "active"
    assert status_of(seen(steps, "2020-01-29")) == "completed"
    open_step = ordered(**OVER, dosageInstruction=[first, {"text": "daily"}])
    assert status_of(seen(open_step, "2020-03-01")) == "active"


@pytest.mark.parametrize("odd", [{"value": 1e300, "unit": "d"}, {"value": -1, "code": "d"}, 7, {}])
def test_an_odd_supply_is_no_end(odd: Any) -> None:
    found = ordered(**OVER, dispenseRequest={"expectedSupplyDuration": odd})
    assert status_of(seen(found, "2020-03-30")) == "active"
    assert counted(found) == {"MedicationRequest end of an order assumed": 1}


# --------------------------------------------------------------------------- other resources


def statement(**more: Any) -> Resource:
    return {"resourceType": "MedicationStatement", "id": "s", "subject": of("p"), **more}


def test_a_statement_holds_in_its_period() -> None:
    period = {"start": "2020-01-01", "end": "2020-07-01"}
    found = statement(status="completed", effectivePeriod=period)
    assert seen(found, "2019-12-31") is None
    before = seen(found, "2020-07-01T23:00:00Z")
    assert (before["status"], before["effectivePeriod"]) == ("active", {"start": "2020-01-01"})
    assert seen(found, "2020-07-02") == found


def test_a_statement_that_is_over_without_an_end_was_over_when_asserted() -> None:
    found = statement(status="completed", effectiveDateTime="2020-01-01", dateAsserted="2020-05-01")
    assert status_of(seen(found, "2020-04-30")) == "active"
    assert status_of(seen(found, "2020-05-01")) == "completed"
    assert counted(found) == {"MedicationStatement end of a statement assumed": 1}


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({"issued": "2020-01-05T10:00:00Z"}, "2020-01-05T10:00:01Z"),
        ({}, "2020-01-01"),
    ],
)
def test_a_result_is_known_when_it_was_issued(more: Resource, first: str) -> None:
    found = egfr("p", "e", 25, "2020-01-01", **more)
    assert seen(found, first) == found
    before = dates.parse(first)
    assert before is not None
    assert seen(found, "2019-12-31T10:00:00Z") is None
    if more:
        assert seen(found, more["issued"]) is None


def test_an_amended_result_is_counted() -> None:
    found = egfr("p", "e", 25, "2020-01-01", status="amended")
    assert counted(found) == {"Observation amended result taken as known in its last form": 1}


def test_an_allergy_has_the_status_of_today_and_is_counted() -> None:
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "recordedDate": "2020-01-01"}
    found = allergy | {"clinicalStatus": clinical("inactive")}
    assert seen(found, "2019-12-31") is None
    assert status_of(seen(found, "2020-01-01")) == "inactive"
    assert counted(found) == {"AllergyIntolerance allergy with the status it has today": 1}


def test_a_procedure_is_in_progress_until_its_end() -> None:
    found = {
        "resourceType": "Procedure",
        "id": "x",
        "status": "completed",
        "performedPeriod": {"start": "2020-01-01", "end": "2020-06-01"},
    }
    assert seen(found, "2019-12-31") is None
    before = seen(found, "2020-06-01T23:00:00Z")
    assert (before["status"], before["performedPeriod"]) == ("in-progress", {"start": "2020-01-01"})
    assert seen(found, "2020-06-02") == found


def test_a_death_counts_from_its_date() -> None:
    found = patient("p", deceasedDateTime="2020-01-01T10:00:00Z")
    assert "deceasedDateTime" not in seen(found, "2020-01-01T10:00:00Z")
    assert "deceasedDateTime" in seen(found, "2020-01-01T10:00:01Z")


def test_a_death_without_a_date_counts_never_and_is_counted() -> None:
    found = patient("p", deceasedBoolean=True)
    assert "deceasedBoolean" not in seen(found, LATE)
    assert counted(found) == {"Patient death without a date": 1}


def test_a_date_that_cannot_be_read_is_counted() -> None:
    found = condition("p", "c", DIABETES, "yesterday", onsetDateTime="2019-01-01")
    assert seen(found, "2018-01-01") is None
    assert counted(found) == {"Condition with a date that cannot be read": 1}


@pytest.mark.parametrize(
    ("since", "moment", "known"),
    [
        ("2020-01-01", "2020-01-01", True),
        ("2020-01-01", "2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00Z", "2020-01-01", False),
        ("2020-01-01T08:00:00Z", "2020-01-01T08:00:00Z", False),
        ("2020-01-01T08:00:00+02:00", "2020-01-01T07:00:00Z", True),
        ("2020", "2020-03-01", True),
        ("2020-04", "2020-03-31", False),
    ],
)
def test_before_a_moment_or_on_its_day_without_a_time(
    since: str, moment: str, *, known: bool
) -> None:
    item = Item("Condition", "c", when(since), None, b"{}", b"{}")
    assert (item.at(when(moment)) is not None) is known


def test_numbers_are_kept_as_they_were_written() -> None:
    text = (
        '{"resourceType":"MedicationRequest","authoredOn":"2020-01-01","status":"stopped","x":1.10}'
    )
    item = item_of(text.encode(), ROWS["MedicationRequest"], Counter())
    assert item is not None
    assert b'"x":1.10' in item.before


def test_a_table_that_cannot_be_read_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.knowledge.as_it_stood._FILE", "wording.json")
    with pytest.raises(KnowledgeError, match=r"wording\.json"):
        load_as_it_stood()
