"""A question on the chart, answered at most once in a call.

The answer is a pure function of the chart. The chart of the call remembers it, so nothing that is
not asked is evaluated, and nothing is kept after the call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from cds_service.chart.chart import Chart

Answer = TypeVar("Answer")


def question(evaluate: Callable[[Chart], Answer]) -> Callable[[Chart], Answer]:
    """Evaluates a function of the chart when it is first called; later calls return the same answer."""

    @wraps(evaluate)
    def answer(chart: Chart) -> Answer:
        if evaluate not in chart.answers:
            chart.answers[evaluate] = evaluate(chart)
        remembered: Answer = chart.answers[evaluate]
        return remembered

    return answer
