"""The rehearsal gives exactly what the specification says, and what the running service says."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from cds_service import create_app
from cds_service.chart import dates
from cds_service.knowledge.as_it_stood import load_as_it_stood
from cds_service.rehearsal.deciding import Decider, clock_at
from cds_service.rehearsal.moments import HOOKS, Moment, Window
from cds_service.rehearsal.patients import Plan, Rehearsing
from cds_service.rehearsal.rules import rules_of
from cds_service.settings import Settings

from .population import lines_of, write_export
from .running import rows, run, summary
from .stories import told

COPIES = 9
AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}
EXTENSION = "org.magnesium-migraine.decision"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    resources = [r for _, _, story in told(COPIES) for r in story.resources]
    random.Random(3).shuffle(resources)  # noqa: S311
    folder = write_export(tmp_path_factory.mktemp("in") / "x", resources, manifest=AS_OF, parts=2)
    return run(folder, tmp_path_factory.mktemp("out") / "x")


def test_every_moment_of_every_story(out: Path) -> None:
    expected = Counter(
        (own, hook, first + timedelta(days=day), card)
        for own, first, story in told(COPIES)
        if story.decided
        for hook, day, card in story.answers
    )
    found = Counter((r["patient"], r["hook"], r["at"].date(), r["card"]) for r in rows(out))
    assert found == expected
    assert expected.total() > 400


def test_the_moments_of_patients_who_are_only_counted(out: Path) -> None:
    expected = Counter(
        (hook, (first + timedelta(days=day)).isoformat()[:7])
        for _, first, story in told(COPIES)
        if not story.decided
        for hook, day, _ in story.answers
    )
    found = {(hook, month): number for hook, month, number in summary(out)["ruled_out_by_month"]}
    assert found == expected


def test_the_numbers(out: Path) -> None:
    stories = [story for _, _, story in told(COPIES)]
    found = summary(out)
    assert found["patients"] == len(stories)
    assert found["patients_decided"] == sum(story.decided for story in stories)
    decided = Counter(hook for story in stories if story.decided for hook, _, _ in story.answers)
    by_hook: Counter[str] = Counter()
    for hook, _, number in found["by_month"]:
        by_hook[hook] += number
    assert by_hook == decided
    assert found["cannot_undo"] == {
        "Condition status without a date": 2 * COPIES,
        "MedicationRequest end of an order assumed": COPIES,
        "MedicationRequest without a date": COPIES,
    }


# -------------------------------------------------------------------- the running service


def calls() -> list[tuple[Moment, bytes]]:
    """The requests of all moments."""
    as_of = dates.parse(AS_OF["transactionTime"])
    assert as_of is not None
    rehearsing = Rehearsing(Decider(rules_of(None)), load_as_it_stood(), Plan(Window(as_of), HOOKS))
    return [
        call
        for own, _, story in told(COPIES)
        for call in rehearsing.calls(own, lines_of(story.resources), {})
    ]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[HTTPConnection, list[datetime]]]:
    """The service on a loopback port, with its clock."""
    clock = [datetime.now(UTC)]
    app = create_app(Settings(data_dir=str(tmp_path)), now=lambda: clock[0])
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection, clock
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()


def posted(connection: HTTPConnection, moment: Moment, body: bytes) -> list[tuple[str, str]]:
    path = f"/cds-services/magnesium-migraine-{moment.hook}"
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer: Any = json.loads(response.read())
    assert response.status == 200, answer
    return [(c["extension"][EXTENSION]["card"], c["indicator"]) for c in answer["cards"]]


@pytest.mark.server
def test_the_running_service_returns_the_same_cards(
    service: tuple[HTTPConnection, list[datetime]],
) -> None:
    connection, clock = service
    found = calls()
    sampled = random.Random(11).sample(found, 500)  # noqa: S311
    decider = Decider(rules_of(None))
    shown = 0
    for moment, body in sampled:
        clock[0] = clock_at(moment.at)
        cards = [(card, indicator) for card, indicator, _ in decider.decide(body, moment).cards]
        assert posted(connection, moment, body) == cards
        shown += bool(cards)
    assert shown > 200
