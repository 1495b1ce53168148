"""One parameter changed: cards, `/explain`, `/evidence` and the documents change alike, or the start stops.

Each row of `changed_parameters.csv` is a parameter with another value. `scenario` is one whose card or
account differs with it. `stops` says what refuses the other value: the `start`, or the `check` of the
knowledge (`make knowledge`). Each row has one of the two.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, time
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from cards.context import CardContext
from cards.explanation import explanation
from cards.registered import load_knowledge
from cards.render import render
from cds_service.chart.chart import open_chart
from cds_service.hooks.envelope import read_call
from cds_service.hooks.services import services_of
from cds_service.knowledge import lint
from cds_service.knowledge.loader import Knowledge, KnowledgeError
from cds_service.reasoning.decide import decide
from cds_service.site.force import of_defaults
from cds_service.web.pages.evidence_document import document
from tests.property.calls import DAY, scenarios
from tests.support.decisions import knowledge
from tools.knowledge_docs import pages

DATA = Path(lint.__file__).parent / "data"
PARAMETERS = "parameters.json"
TABLE = Path(__file__).parent / "changed_parameters.csv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))


class Overlay:
    """The knowledge folder with other parameters."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def joinpath(self, name: str) -> Any:
        return self if name == PARAMETERS else DATA / name

    def read_bytes(self) -> bytes:
        return self._content


def changed(parameter: str, value: Any) -> Knowledge:
    """The knowledge with one parameter changed."""
    rows = json.loads((DATA / PARAMETERS).read_text(encoding="utf-8"))
    (row,) = (row for row in rows if row["id"] == parameter)
    assert row["value"] != value
    row["value"] = value
    return load_knowledge(cast("Traversable", Overlay(json.dumps(rows).encode())))


@cache
def bodies() -> dict[str, Any]:
    return {call.name.removeprefix("scenario/"): call for call in scenarios()}


def told(scenario: str, known: Knowledge) -> str:
    """The account of a scenario with its cards, without the version of the knowledge."""
    body = bodies()[scenario].load()
    call = read_call(msgspec.json.encode(body), body["hook"])
    chart = open_chart(call.prefetch, call.patient_id, DAY, known)
    drafts = call.hook.read_orders(chart, call.context)
    decision = decide(call.hook.name, call.hook.policy, chart, drafts, True)
    now = datetime.combine(DAY, time(12), UTC)
    context = CardContext(
        patient_id=call.patient_id,
        user_id=call.user_id,
        now=now,
        base_url="http://127.0.0.1",
        new_uuid=lambda: "uuid",
        encounter_id=call.encounter_id,
    )
    cards = render(decision, context, known)
    account = explanation(decision, cards, known)
    return json.dumps(account, default=str).replace(known.version, "version")


def test_each_parameter_is_changed_and_noticed() -> None:
    assert [row["id"] for row in ROWS] == [row.id for row in knowledge().parameter_rows]
    assert [row["id"] for row in ROWS if bool(row["scenario"]) is bool(row["stops"])] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_changed_parameter_changes_all_or_stops_the_start(row: dict[str, str]) -> None:
    value = json.loads(row["value"])
    if row["stops"] == "start":
        with pytest.raises(KnowledgeError) as stopped:
            changed(row["id"], value)
        assert str(stopped.value).startswith("knowledge file ")
        assert "\n" not in str(stopped.value)
        return
    other = changed(row["id"], value)
    if row["stops"] == "check":
        assert set(lint.problems_of(other)) - set(lint.problems_of(knowledge()))
    else:
        assert told(row["scenario"], other) != told(row["scenario"], knowledge())

    evidence = document(of_defaults(other), services_of(other), other)
    (shown,) = (line for line in evidence["thresholds"] if line["id"] == row["id"])
    assert float(shown["value"]) == float(value)

    usual, page = pages(knowledge())["parameters.md"], pages(other)["parameters.md"]
    (line,) = (line for line in page.splitlines() if line.startswith(f"| `{row['id']}` |"))
    assert line not in usual.splitlines()
    assert other.version != knowledge().version


def test_the_pages_of_the_knowledge_are_up_to_date() -> None:
    for name, text in pages(knowledge()).items():
        assert (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8") == text
