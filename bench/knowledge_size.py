"""Whether calls take longer if the value sets contain many times as many codes."""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, datetime

import msgspec

from bench.bodies import cases
from bench.rows import Budget, Row, spread
from cds_service.hooks.answering import Answering
from cds_service.hooks.envelope import read_call
from cds_service.knowledge.loader import Knowledge, load
from cds_service.knowledge.terminology import SetCode, Terminology, ValueSet
from cds_service.site.force import InForce

TIMES = (1, 10, 50)
BUDGET = Budget(1.2)
_SYSTEM = "http://snomed.info/sct"
_URL = "https://cds.example.org"


def measure(rounds: int = 41) -> list[Row]:
    """The time of one call with a card, for each size. The sizes alternate."""
    knowledge = load()
    own = sum(len(value_set.codes) for value_set in knowledge.sets.values())
    grown = {times: Answering(InForce(_grown(knowledge, own * (times - 1)))) for times in TIMES}
    hook, body = cases(100, datetime.now(UTC).date())["patient-view, card"]
    seconds: dict[int, list[float]] = {times: [] for times in TIMES}
    for _ in range(rounds):
        for times, answering in grown.items():
            seconds[times].append(_seconds(answering, body, hook))
    baseline = seconds[TIMES[0]]
    return [
        Row(
            what="a card, with more codes in the knowledge: CPU against the usual number",
            size=f"{own * times:,} codes",
            measured=f"{statistics.median(seconds[times]) * 1000:.2f} ms",
            baseline=f"{statistics.median(baseline) * 1000:.2f} ms",
            value=statistics.median(s / f for s, f in zip(seconds[times], baseline, strict=True)),
            spread=spread([s / f for s, f in zip(seconds[times], baseline, strict=True)]),
            budget=BUDGET,
        )
        for times in TIMES[1:]
    ]


def _grown(knowledge: Knowledge, more: int) -> Knowledge:
    """Add a value set with this many codes, none of which is in a chart."""
    extra = ValueSet(
        id="bench",
        title="bench",
        version="0",
        status="draft",
        purpose="bench",
        codes=tuple(SetCode(_SYSTEM, f"9{number:09}") for number in range(more)),
    )
    sets = [s for s in knowledge.sets.values() if not s.id.startswith("med_")]
    return msgspec.structs.replace(
        knowledge, terminology=Terminology(knowledge.systems, [*sets, extra])
    )


def _seconds(answering: Answering, body: bytes, hook: str) -> float:
    gc.disable()
    try:
        start = time.thread_time()
        answer = answering.answer(read_call(body, hook), _URL)
        taken = time.thread_time() - start
    finally:
        gc.enable()
    if not answer.cards:
        raise SystemExit("bench: no card")
    return taken
