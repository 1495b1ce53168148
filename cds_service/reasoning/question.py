"""A question about the chart, evaluated at most once in a call.

The answer is a pure function of the chart and is cached in the chart of the call. So nothing is
evaluated that is not needed, and nothing is kept after the call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from cds_service.chart.chart import Chart

Answer = TypeVar("Answer")


def question(evaluate: Callable[[Chart], Answer]) -> Callable[[Chart], Answer]:
    """Evaluate a function of the chart on first use. Later calls return the same result."""

    @wraps(evaluate)
    def answer(chart: Chart) -> Answer:
        if evaluate not in chart.answers:
            chart.answers[evaluate] = evaluate(chart)
        remembered: Answer = chart.answers[evaluate]
        return remembered

    return answer
