"""A question on the chart is evaluated when it is asked, once, and for its own chart alone."""

from __future__ import annotations

from cds_service.chart.chart import Chart
from cds_service.reasoning import blocks, indication
from cds_service.reasoning.kidney import kidney_function
from cds_service.reasoning.question import question
from tests.unit.chart.reading import chart


def test_a_question_is_evaluated_once_for_each_chart() -> None:
    asked: list[Chart] = []

    @question
    def count(of: Chart) -> int | None:
        asked.append(of)
        return None

    one, other = chart(), chart()
    assert [count(one), count(one), count(other), count(one)] == [None] * 4
    assert [of is one for of in asked] == [True, False]


def test_what_is_not_asked_is_not_evaluated() -> None:
    on = chart()
    assert on.answers == {}
    indication.migraine(on)
    assert len(on.answers) == 1
    assert blocks.hypermagnesaemia(on) is blocks.hypermagnesaemia(on)
    assert kidney_function(on) is kidney_function(on)
