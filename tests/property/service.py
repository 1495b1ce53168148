"""The service in this process, asked at the hook and at `/explain`, with a clock of the caller's."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask.testing import FlaskClient

from ..support.cards import Card, actions, without_uuids
from ..support.fhir import service_id
from .calls import Body, Call
from .confidence import ANY_KEY, OK, Answer, Name

_JSON = "application/json"


class Service:
    """Calls go through the whole application, so that a fault in any layer shows."""

    def __init__(self) -> None:
        from cds_service import create_app
        from cds_service.settings import read_settings

        self._now = datetime.now(UTC)
        with tempfile.TemporaryDirectory() as directory:
            os.environ.setdefault("CDS_DATA_DIR", directory)
        settings = msgspec.structs.replace(read_settings(), log_level="ERROR")
        self._app = create_app(settings, now=lambda: self._now)
        self._usual: dict[str, tuple[Body | None, Answer]] = {}
        self.client: FlaskClient = self._app.test_client()

    def usual(self, call: Call) -> tuple[Body | None, Answer]:
        """The body of a call and the answer to it as it is; no body where the chart is not of one patient."""
        if call.name not in self._usual:
            body = call.load()
            answer = Answer(0) if body is None else self.ask(body["hook"], body, call.now)
            self._usual[call.name] = body, answer
        return self._usual[call.name]

    def ask(self, hook: str, body: Any, now: datetime) -> Answer:
        """The answer to a call made at a moment; `body` is JSON, or the bytes of it."""
        self._now = now
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        service = service_id(hook)
        answered = self.client.post(f"/cds-services/{service}", data=sent, content_type=_JSON)
        explained = self.client.post(f"/explain/{service}", data=sent, content_type=_JSON)
        if answered.status_code != explained.status_code:
            # One of the two found a fault that the other did not see: the worse counts.
            return Answer(max(answered.status_code, explained.status_code))
        if answered.status_code != OK:
            return Answer(answered.status_code)
        account = explained.get_json()
        cards = without_uuids(answered.get_json()["cards"])
        assert cards == without_uuids(account["cards"]), "the hook and /explain show other cards"
        return Answer(
            OK,
            tuple(_without_echo(card) for card in cards),
            frozenset((gap["key"], gap["why"]) for gap in account["unknown"]),
            frozenset(_not_readable(account)),
            _states(account),
        )


_WRITTEN = ("resourceType", "id", "dosageInstruction", "dispenseRequest")


def _without_echo(card: Card) -> Card:
    """A card whose updates hold only what the service writes: the rest of the order comes back as it was."""
    for action in actions(card):
        if action["type"] == "update":
            order = action["resource"]
            action["resource"] = {name: order[name] for name in _WRITTEN if name in order}
    return card


def _not_readable(account: dict[str, Any]) -> list[Name]:
    rows = account["notReadable"]
    names = [
        tuple(str(row.get(m, "")) for m in ("key", "resource", "element", "why")) for row in rows
    ]
    count = account["notReadableCount"]
    return [*names, (ANY_KEY, str(count))] if count > len(rows) else names


def _states(account: dict[str, Any]) -> dict[str, Any]:
    """What the decision rests on, without the evidence and the words."""
    kidney = account.get("kidney") or {}
    magnesium = account.get("magnesium") or {}
    return {
        "facts": {fact["id"]: fact["state"] for fact in account["facts"]},
        "kidney": (kidney.get("class"), sorted(kidney.get("flags", []))),
        "magnesium": (magnesium.get("state"), magnesium.get("unknown")),
    }
