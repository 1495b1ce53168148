"""Damage any one element of many calls, and print what the service made of it.

    python -m tests.property.damage --seed 1 --number 20000

A table by kind of element, how many faults of which kind, and the first fault of each kind with the
smallest call that shows it. `damages.py` defines a fault, `confidence.py` what "more confident" means.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from multiprocessing import get_context

from ..support.places import Place, below, value_at
from .calls import Body, Call
from .confidence import Answer, newly_named
from .damages import VERDICTS, Case, body_of, is_fault, planned, pool, run, verdict
from .elements import containers_of
from .service import Service

# --------------------------------------------------------------- on every processor


@cache
def service_here() -> Service:
    """The service of this process."""
    return Service()


def _run_named(task: tuple[int, str, list[int], str]) -> list[Case]:
    seed, name, numbers, kind = task
    return list(run(service_here(), named(name), seed, numbers, kind))


@cache
def _by_name() -> dict[str, Call]:
    return {call.name: call for _, of_source in pool() for call in of_source}


def named(name: str) -> Call:
    return _by_name()[name]


def run_all(seed: int, number: int, processes: int, kind: str = "") -> list[Case]:
    tasks = [(seed, call.name, numbers, kind) for call, numbers in planned(seed, range(number))]
    if processes == 1:
        return [case for task in tasks for case in _run_named(task)]
    with get_context("fork").Pool(processes) as workers:
        done = workers.imap_unordered(_run_named, tasks, chunksize=4)
        return [case for cases in done for case in cases]


# ------------------------------------------------------------------ what to print


def smallest(case: Case, service: Service) -> tuple[Body, Answer, Answer]:
    """The call of a fault with every entry left out that the fault does not need."""
    call = named(case.call)
    body = body_of(call)
    assert body is not None
    damage = case.damage

    def answers(small: Body) -> tuple[Answer, Answer]:
        damaged = copy.deepcopy(small)
        damage.apply(damaged)
        return tuple(service.ask(small["hook"], each, call.now) for each in (small, damaged))

    best = body
    for entry in reversed(_other_entries(body, damage.place)):
        smaller = copy.deepcopy(best)
        del value_at(smaller, entry[:-1])[entry[-1]]
        try:
            if verdict(*answers(smaller), damage) == case.verdict:
                best = smaller
        except (AssertionError, LookupError, TypeError):
            continue
    return (best, *answers(best))


def _other_entries(body: Body, place: Place) -> list[Place]:
    """Entries behind which no place changes when they go: all in other Bundles, later ones in the same."""
    found: list[Place] = []
    for container in dict.fromkeys(containers_of(body)):
        value = value_at(body, container)
        entries = value.get("entry") if isinstance(value, dict) else None
        inside = place[: len(container) + 1] == (*container, "entry")
        first = (
            int(place[len(container) + 1]) + 1 if inside and len(place) > len(container) + 1 else 0
        )
        if inside and len(place) == len(container) + 1:
            continue
        found += [(*container, "entry", n) for n in range(first, len(entries or ()))]
    return found


def described(case: Case, service: Service) -> str:
    body, before, after = smallest(case, service)
    was = json.dumps(value_at(body, case.damage.place), ensure_ascii=False)
    becomes = (
        "nothing" if case.damage.is_gone else json.dumps(case.damage.value, ensure_ascii=False)
    )
    place = ".".join(str(step) for step in case.damage.place)
    entries = sum(place[-2] == "entry" for place in _every_place(body) if len(place) > 1)
    return "\n".join(
        [
            f"case {case.number}: {case.verdict}",
            f"  {case.call}, {entries} entries are enough",
            f"  {place} ({case.element}, {case.damage.what})",
            f"  {was[:160]} -> {becomes[:160]}",
            f"  cards: {_cards(before)} -> {_cards(after)}",
            *(f"  {line}" for line in _differences(before, after)),
        ]
    )


def _every_place(body: Body) -> Iterator[Place]:
    return (place for place in below(body) if isinstance(place[-1] if place else None, int))


def _cards(answer: Answer) -> str:
    return ", ".join(
        f"{card['extension']['org.magnesium-migraine.decision']['card']} {card['indicator']}"
        for card in answer.cards
    ) or str(answer.status if not answer.is_served else "none")


def _differences(before: Answer, after: Answer) -> Iterator[str]:
    if before.states and after.states:
        facts = before.states["facts"], after.states["facts"]
        for name in sorted({*facts[0], *facts[1]}):
            if facts[0].get(name) != facts[1].get(name):
                yield f"{name}: {facts[0].get(name)} -> {facts[1].get(name)}"
        for name in ("kidney", "magnesium"):
            if before.states[name] != after.states[name]:
                yield f"{name}: {before.states[name]} -> {after.states[name]}"
    for new in sorted(newly_named(before, after)):
        yield f"named: {' | '.join(new)}"


def table(cases: Iterable[Case]) -> str:
    """One row for each kind of element: its resource and its first name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        kind = ".".join(case.element.split(".")[:2]) or "the whole call"
        counts[kind]["fault" if is_fault(case.verdict) else case.verdict] += 1
    columns = (*VERDICTS, "fault")
    rows = [("element", *columns)]
    rows += [
        (kind, *(str(row[name] or "") for name in columns)) for kind, row in sorted(counts.items())
    ]
    total = sum(counts.values(), Counter())
    rows.append(("all", *(str(total[name]) for name in columns)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def summary(cases: Sequence[Case], most: int) -> Iterator[str]:
    """The table, the kinds of faults, and at most so many of them described."""
    yield table(cases)
    faults: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        if is_fault(case.verdict):
            kind = case.element, case.damage.what, case.verdict.partition(":")[0]
            faults[kind].append(case)
    for kind, found in sorted(faults.items()):
        yield f"{len(found):5} {', '.join(kind)}"
    for found in list(faults.values())[:most]:
        yield "\n" + described(found[0], service_here())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--show", type=int, default=10, help="how many kinds of faults to describe")
    parser.add_argument("--kind", default="", help='only damage of one kind, such as "null"')
    chosen = parser.parse_args()
    began = time.monotonic()
    found = run_all(chosen.seed, chosen.number, chosen.processes, chosen.kind)
    cases = sorted(found, key=lambda case: case.number)
    for text in summary(cases, chosen.show):
        sys.stdout.write(f"{text}\n")
    faults = sum(is_fault(case.verdict) for case in cases)
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"\nseed {chosen.seed}: {len(cases)} cases, {faults} faults, {seconds:.0f} s\n"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
