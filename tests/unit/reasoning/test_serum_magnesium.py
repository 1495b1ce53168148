"""Serum magnesium: the latest usable result of the window, in its own unit (SPEC 4.1, 11.17)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.chart.evidence import Gap
from cds_service.reasoning.decision import MagnesiumState, SerumMagnesium
from cds_service.reasoning.magnesium import serum_magnesium
from tests.support import fhir
from tests.support.fhir import Resource
from tests.support.tables import each_row
from tests.support.wording import in_words
from tests.unit.chart.reading import TODAY, chart

NONE, SEVERE_LOW, LOW = MagnesiumState.NONE, MagnesiumState.SEVERE_LOW, MagnesiumState.LOW
NORMAL, SLIGHT = MagnesiumState.NORMAL, MagnesiumState.SLIGHTLY_HIGH
HIGH, CRITICAL = MagnesiumState.HIGH, MagnesiumState.CRITICAL_HIGH
MMOL, BLOOD, RED_CELLS = fhir.MAGNESIUM_MOLAR, "21377-7", "2597-3"


def mg(
    value: Any = None,
    unit: str | None = "mg/dL",
    days: int = 10,
    code: str = fhir.MAGNESIUM,
    **more: Any,
) -> Resource:
    return fhir.observation(code, value, unit, days, today=TODAY, **more)


def dated(result: Resource, written: str | None) -> Resource:
    moved = {**result, "id": f"{result['id']}-{written}", "effectiveDateTime": written}
    return {k: v for k, v in moved.items() if v is not None}


def serum(*results: Resource, **values: Any) -> SerumMagnesium:
    found = serum_magnesium(chart({"magnesiumLabs": list(results)}, **values))
    turned = serum_magnesium(chart({"magnesiumLabs": list(results)[::-1]}, **values))
    assert found == turned, "the order of the results does not matter"
    return found


@each_row(
    ("value", "unit", "state"),
    [
        (1.1, "mg/dL", SEVERE_LOW),
        (1.19, "mg/dL", SEVERE_LOW),
        (1.2, "mg/dL", LOW),
        (1.69, "mg/dL", LOW),
        (1.7, "mg/dL", NORMAL),
        (2.6, "mg/dL", NORMAL),
        (2.61, "mg/dL", SLIGHT),
        (2.99, "mg/dL", SLIGHT),
        (3.0, "mg/dL", HIGH),
        (4.9, "mg/dL", HIGH),
        (4.91, "mg/dL", CRITICAL),
        (0.49, "mmol/L", SEVERE_LOW),
        (0.50, "mmol/L", LOW),
        (0.66, "mmol/L", LOW),
        (0.69, "mmol/L", LOW),
        (0.70, "mmol/L", NORMAL),  # in mg/dL it would be 1.701
        (1.07, "mmol/L", NORMAL),
        (1.08, "mmol/L", SLIGHT),
        (1.22, "mmol/L", SLIGHT),
        (1.23, "mmol/L", HIGH),  # in mg/dL it would be 2.99
        (2.0, "mmol/L", HIGH),
        (2.01, "mmol/L", CRITICAL),
        # Milliequivalents are half as many millimoles.
        (0.98, "mEq/L", SEVERE_LOW),
        (1.0, "mEq/L", LOW),
        (1.39, "mEq/L", LOW),
        (1.4, "mEq/L", NORMAL),
        (2.14, "mEq/L", NORMAL),
        (2.16, "mEq/L", SLIGHT),
        (2.44, "mEq/L", SLIGHT),
        (2.46, "mEq/L", HIGH),
        (4.02, "mEq/L", CRITICAL),
        # Without a unit: that of the code (19123-9: mg/dL).
        (1.1, None, SEVERE_LOW),
        (2.0, None, NORMAL),
        # Plausible from 0.2 to 20 mg/dL; other units are not used.
        (0.2, "mg/dL", SEVERE_LOW),
        (0.19, "mg/dL", NONE),
        (20, "mg/dL", CRITICAL),
        (20.1, "mg/dL", NONE),
        (8.3, "mmol/L", NONE),
        (2.0, "umol/L", NONE),
        (20, "mg/L", NONE),
    ],
)
def test_where_a_result_lies(value: float, unit: str | None, state: MagnesiumState) -> None:
    found = serum(mg(value, unit))
    assert found.state is state
    assert found.unknown is (state is NONE)


@pytest.mark.parametrize(
    ("code", "value", "state"),
    [(MMOL, 0.66, LOW), (MMOL, 1.3, HIGH), (BLOOD, 1.5, LOW), (RED_CELLS, 0.66, NONE)],
)
def test_the_unit_of_the_code(code: str, value: float, state: MagnesiumState) -> None:
    assert serum(mg(value, None, code=code)).state is state


def test_red_cell_magnesium_never_gates() -> None:
    found = serum(mg(5.0, "mg/dL", code=RED_CELLS), mg(2.0, days=100))
    assert (found.state, found.unknown) == (NORMAL, False)


@pytest.mark.parametrize(("days", "state"), [(0, LOW), (180, LOW), (181, NONE)])
def test_the_window(days: int, state: MagnesiumState) -> None:
    assert serum(mg(1.5, days=days)).state is state


@pytest.mark.parametrize(
    ("written", "value", "state"),
    [
        # What is dangerous may be recent; what only gives an indication must be.
        ("2026", 3.0, HIGH),
        ("2026", 1.5, NONE),
        ("2026", 1.0, SEVERE_LOW),
        ("2025", 1.0, NONE),
        (None, 1.0, SEVERE_LOW),
        ("2025", 3.0, NONE),
        (None, 3.0, HIGH),
        (None, 1.5, NONE),
        ("9999-12-31", 3.0, HIGH),
    ],
)
def test_an_inexact_date(written: str | None, value: float, state: MagnesiumState) -> None:
    assert serum(dated(mg(value), written)).state is state


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ((mg(3.0, days=20), mg(2.0, days=10)), NORMAL),
        ((mg(2.0, days=20), mg(3.0, days=10)), HIGH),
        ((mg(2.0), mg(1.5, id="same-time")), LOW),  # the one that is furthest from harmless
        ((mg(1.5), mg(1.0, id="same-time")), SEVERE_LOW),
        ((mg(1.0), mg(2.8, id="same-time")), SLIGHT),
        ((mg(2.8), mg(3.4, id="same-time")), HIGH),
        ((mg(1.0), mg(3.0, id="same-time")), HIGH),
        # Whole blood competes by time and loses ties.
        ((mg(2.0), mg(3.0, code=BLOOD)), NORMAL),
        ((mg(2.0, days=20), mg(3.0, code=BLOOD, days=10)), HIGH),
        ((mg(3.0, code=BLOOD),), HIGH),
        # A year may hold the newest.
        ((dated(mg(3.0), "2026"), mg(2.0, days=10)), HIGH),
        ((dated(mg(3.0), "2025"), mg(2.0, days=10)), NORMAL),
        ((dated(mg(2.0), "2026"), mg(3.5, days=10)), HIGH),
    ],
)
def test_the_latest_decides(results: tuple[Resource, ...], state: MagnesiumState) -> None:
    assert serum(*results).state is state


HOUSE = {"coding": [{"system": "urn:oid:2.16.840.1.113883.3.9999.4.7", "code": "77"}]}
IN_A_HOUSE_CODE = {**mg(3.4), "code": {**HOUSE, "text": "Magnesium, serum"}}
UNUSABLE = (Gap("magnesiumLabs", "has a result that cannot be used"),)


@pytest.mark.parametrize(
    "newer", [mg(2.0, "odd"), mg(99), mg(value_string="see report"), IN_A_HOUSE_CODE]
)
def test_a_newer_result_that_cannot_be_used_leaves_a_doubt_and_is_named(newer: Resource) -> None:
    found = serum(newer, mg(2.0, days=100))
    assert (found.state, found.unknown, in_words(found.gaps)) == (NORMAL, True, UNUSABLE)
    assert in_words(found.why) == "a newer result has no usable value or unit"
    alone = serum(newer)
    assert (alone.state, alone.unknown, in_words(alone.gaps)) == (NONE, True, UNUSABLE)


@pytest.mark.parametrize("older", [mg(2.0, "odd", days=100), dated(IN_A_HOUSE_CODE, "2026-06")])
def test_an_older_result_that_cannot_be_used_does_not_matter(older: Resource) -> None:
    found = serum(older, mg(2.0))
    assert (found.unknown, found.gaps, in_words(found.why)) == (False, (), "")


@pytest.mark.parametrize(
    ("house", "doubt"),
    [
        ("2026-11-12T00:00:00Z", True),  # of the same moment
        ("2026-11", True),
        ("2026-11-11T23:59:59Z", False),
    ],
)
def test_a_result_in_a_house_code_matters_if_it_may_be_the_newest(house: str, doubt: bool) -> None:
    assert serum(dated(IN_A_HOUSE_CODE, house), mg(2.0)).unknown is doubt


def test_what_cannot_be_used_is_surely_older_than_one_of_two_that_may_be_the_newest() -> None:
    older = mg(2.0, "odd", days=100)
    assert not serum(dated(mg(2.1), "2026"), mg(2.0), older).unknown
    assert not serum(dated(mg(2.1), "2026"), mg(2.0), dated(IN_A_HOUSE_CODE, "2026-10")).unknown
    assert serum(dated(mg(2.1), "2026"), older).unknown


@pytest.mark.parametrize("old", [mg(2.0, "odd", days=181), dated(IN_A_HOUSE_CODE, "2025")])
def test_a_result_outside_the_window_that_cannot_be_used_does_not_matter(old: Resource) -> None:
    assert not serum(old).unknown


@pytest.mark.parametrize("lost", ["soon", 5])
def test_a_result_whose_date_is_lost_may_be_the_newest(lost: Any) -> None:
    found = serum({**mg(3.4), "effectiveDateTime": lost}, mg(2.0))
    assert (found.state, found.unknown) == (HIGH, True)
    harmless = serum({**mg(2.1), "effectiveDateTime": lost}, mg(2.0))
    assert (harmless.state, harmless.unknown) == (NORMAL, True)


def test_a_limit_of_the_laboratory_that_cannot_be_read_leaves_a_doubt() -> None:
    found = serum({**mg(2.5), "referenceRange": [{"high": {"value": "2.4?"}}]})
    assert (found.state, found.unknown) == (NORMAL, True)
    assert in_words(found.why).startswith("magnesiumLabs ")


@pytest.mark.parametrize("status", ["preliminary", "registered", "cancelled", "entered-in-error"])
def test_what_is_not_final_is_no_result(status: str) -> None:
    found = serum(mg(3.0, status=status), mg(2.0, days=100))
    assert (found.state, found.unknown) == (NORMAL, False)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (mg(1.7, comparator="<"), LOW),  # surely low
        (mg(1.2, comparator="<"), SEVERE_LOW),
        (mg(1.2, comparator="<="), SEVERE_LOW),
        (mg(1.8, comparator="<"), NONE),
        (mg(2.6, comparator=">"), HIGH),  # it may be far above: not slightly high
        (mg(2.6, comparator=">="), HIGH),
        (mg(4.9, comparator=">"), CRITICAL),
        (mg(2.5, comparator=">"), NONE),
        (mg(2.0, comparator="~"), NONE),
        (mg(value_string="<1.2 mg/dL"), SEVERE_LOW),
        (mg(value_string="2.0"), NORMAL),
        (mg(value_string="1,3 mmol/l"), HIGH),
        (mg(value_string="3,2 mg/100 mL"), HIGH),
        (mg(3.2, "mg%"), HIGH),
    ],
)
def test_a_comparator_counts_where_it_is_sure(result: Resource, state: MagnesiumState) -> None:
    found = serum(result)
    assert found.state is state
    assert found.unknown is (state is NONE)


def limit(result: Resource, value: Any, unit: str | None) -> Resource:
    high = {"value": value} | ({"unit": unit} if unit else {})
    return {**result, "referenceRange": [{"high": high}]}


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (limit(mg(2.5), 2.4, "mg/dL"), SLIGHT),
        (limit(mg(3.1), 3.0, "mg/dL"), HIGH),
        (limit(mg(2.8), 3.0, "mg/dL"), NORMAL),
        (limit(mg(2.8), 3.0, None), NORMAL),
        (limit(mg(1.15, "mmol/L"), 1.2, "mmol/L"), NORMAL),
        (limit(mg(2.3, "mEq/L"), 2.5, "mEq/L"), NORMAL),
        # A limit in another unit, or one that makes no sense, is not used.
        (limit(mg(2.8), 1.2, "mmol/L"), SLIGHT),
        (limit(mg(2.8), 26, "mg/dL"), SLIGHT),
        (limit(mg(2.0), 1.7, "mg/dL"), NORMAL),
        (limit(mg(2.0), 1.71, "mg/dL"), SLIGHT),
        (limit(mg(4.95), 4.9, "mg/dL"), CRITICAL),
        (limit(mg(4.85), 4.9, "mg/dL"), NORMAL),
    ],
)
def test_the_laboratorys_own_limit(result: Resource, state: MagnesiumState) -> None:
    assert serum(result).state is state


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (mg(1.1), "1.1 mg/dL"),
        (mg(1.2, "mmol/L"), "1.2 mmol/L"),
        (mg(2.5, "mEq/L"), "2.5 mEq/L"),
        (mg(3.0, None), "3 mg/dL"),
        (mg(1.2, comparator="<"), "<1.2 mg/dL"),
        (mg(2.60009), "2.6 mg/dL"),  # cut, not rounded
        (mg(1.1999), "1.199 mg/dL"),
    ],
)
def test_it_is_said_as_it_was_reported(result: Resource, text: str) -> None:
    found = serum(result)
    assert found.text == text
    assert found.evidence is not None
    assert found.evidence.resource == f"Observation/{result['id']}"


def test_nothing_on_file_is_not_unknown_and_nothing_sent_is() -> None:
    assert serum() == SerumMagnesium(NONE)
    assert in_words(serum_magnesium(chart(without=["magnesiumLabs"]))) == SerumMagnesium(
        NONE, unknown=True, why="magnesiumLabs was not sent"
    )
    assert serum_magnesium(chart(magnesiumLabs=fhir.operation_outcome())).unknown
