"""A site file as a client and its owner see it: what is returned, explained, recorded and locked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.store import remembering
from cds_service.store.records import Outcome
from cds_service.web.parts import parts_of
from tests.support.waiting import ready

from ..support import charts, fhir
from ..support.fhir import ORDER_SIGN, PATIENT_VIEW

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SITE = "site: {id: st-mary, title: St Mary}\n"
KEY = "a key of the site, 32 characters.".replace(" ", "-")
TRACE = ("X-Request-ID", "traceparent")  # another one for each request
MAGNESIUM = "magnesium oxide 400 mg tablet"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Hospital:
    """A service with a site file, called like an EHR calls it."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.parts = parts_of(client.application)

    def post(self, service: str, body: Any) -> Any:
        return self.client.post(f"/cds-services/{service}", json=body)

    def cards(self, service: str = PATIENT_VIEW, **changes: Any) -> list[str]:
        reply = self.post(service, call(service, **changes))
        assert reply.status_code == 200, reply.text
        self.parts.store.flush()
        return [_decision(card)["card"] for card in reply.json["cards"]]

    def withheld(self, service: str = PATIENT_VIEW, **changes: Any) -> list[dict[str, Any]]:
        reply = self.client.post(f"/explain/{service}", json=call(service, **changes))
        return reply.json.get("withheld", [])  # type: ignore[no-any-return]

    def history(self) -> Any:
        self.parts.store.flush()
        return self.parts.store.history(NOW - 400 * DAY, NOW + 400 * DAY)


def _decision(card: Any) -> Any:
    return card["extension"]["org.magnesium-migraine.decision"]


def call(service: str, encounter: str | None = None, **changes: Any) -> dict[str, Any]:
    body = charts.CALLS[service](NOW.date(), **changes)
    del body["context"]["encounterId"]
    if encounter is not None:
        body["context"]["encounterId"] = encounter
    return body


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hospital(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Hospital]]:
    """Services with a site file, all on one directory of data."""
    # A busy machine opens the store slowly; how long a call waits is tested with the store.
    monkeypatch.setattr(remembering, "MOST_SECONDS", 20.0)
    with ExitStack() as stack:

        def built(text: str = "", **settings: Any) -> Hospital:
            file = tmp_path / "site.yaml"
            file.write_text(SITE + text, encoding="utf-8")
            given = {"data_dir": str(tmp_path / "data"), "site_file": str(file)} | settings
            app = create_app(Settings(**given), now=clock)
            stack.callback(parts_of(app).store.close)
            return Hospital(app.test_client())

        yield built


TAKES_MAGNESIUM = [fhir.medication_request("198741", text=MAGNESIUM, authored_days=30)]
SEVERE = [fhir.observation(fhir.EGFR, 22, fhir.EGFR_UNIT, 20)]
HAZARD = {"medicationRequests": TAKES_MAGNESIUM, "kidneyLabs": SEVERE}


def test_every_card_names_the_site(hospital: Callable[..., Hospital]) -> None:
    (card,) = hospital().post(PATIENT_VIEW, call(PATIENT_VIEW)).json["cards"]
    assert _decision(card)["site"].startswith("st-mary+")


# ------------------------------------------------------------------ silent and never


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cards: {mg-suggest: {mode: silent}}", {"silentHere": True}),
        ("cards: {mg-suggest: {mode: never}}", {"neverHere": True}),
        ("hooks: {patient-view: {mode: silent}}", {"silentHere": True}),
        ("hooks: {patient-view: {mode: never}}", {"neverHere": True}),
        ("mode: {silent: true, until: 2026-11-29}", {"silentHere": True}),
    ],
)
def test_a_suggestion_that_is_withheld_is_explained_and_recorded(
    text: str, why: dict[str, Any], hospital: Callable[..., Hospital]
) -> None:
    here = hospital(text)
    assert here.cards() == []
    assert here.withheld() == [{"card": "mg-suggest", "indicator": "info", **why}]
    history = here.history()
    assert [(w.card, w.why, w.count) for w in history.withheld] == [("mg-suggest", *why, 1)]
    assert history.issues == ()


@pytest.mark.parametrize(
    "text", ["hooks: {patient-view: {mode: never}}", "hooks: {patient-view: {mode: silent}}"]
)
def test_a_hazard_is_shown_where_the_hook_is_silent(
    text: str, hospital: Callable[..., Hospital]
) -> None:
    assert hospital(text).cards(**HAZARD) == ["mg-hazard-renal"]


def test_the_silent_mode_withholds_everything_until_its_day(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    here = hospital("mode: {silent: true, until: 2026-12-01}")
    assert here.cards(**HAZARD) == []
    clock.now = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert here.cards(ORDER_SIGN, kidneyLabs=SEVERE) == []
    clock.now = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    assert here.cards(**HAZARD) == ["mg-hazard-renal"]


def test_a_silent_answer_equals_one_without_a_card(hospital: Callable[..., Hospital]) -> None:
    here = hospital("mode: {silent: true, until: 2026-12-01}")
    silent = here.post(PATIENT_VIEW, call(PATIENT_VIEW))
    empty = here.post(PATIENT_VIEW, call(PATIENT_VIEW, conditions=[]))
    assert silent.data == empty.data == b'{"cards":[]}'
    headers = [[(k, v) for k, v in r.headers if k not in TRACE] for r in (silent, empty)]
    assert headers[0] == headers[1]


def test_the_silent_mode_is_said_in_discovery_ready_and_metrics(
    hospital: Callable[..., Hospital],
) -> None:
    client = hospital("mode: {silent: true, until: 2026-12-01}").client
    services = client.get("/cds-services").json["services"]
    assert all("no card is returned before 2026-12-01" in s["usageRequirements"] for s in services)
    said = ready(client)
    assert (said["silentUntil"], said["site"][:8]) == ("2026-12-01", "st-mary+")
    end = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert f"cds_silent_until_timestamp_seconds {end}" in client.get("/metrics").text.replace(
        "1.7960832e+09", str(end)
    )


def test_discovery_does_not_list_a_hook_that_is_never_shown(
    hospital: Callable[..., Hospital],
) -> None:
    services = hospital("hooks: {patient-view: {mode: never}}").client.get("/cds-services").json
    assert PATIENT_VIEW not in {service["id"] for service in services["services"]}
    assert ORDER_SIGN in {service["id"] for service in services["services"]}


def test_an_indicator_is_changed_on_card_and_record(hospital: Callable[..., Hospital]) -> None:
    here = hospital("cards: {mg-suggest: {indicator: critical}}")
    (card,) = here.post(PATIENT_VIEW, call(PATIENT_VIEW)).json["cards"]
    assert card["indicator"] == "critical"


# -------------------------------------------------------------------------- lock-outs


def test_without_a_key_a_suggestion_is_shown_each_time(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    here = hospital()
    for _ in range(3):
        assert here.cards() == ["mg-suggest"]
        clock.now += DAY


def test_a_suggestion_stays_away_for_its_days(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    here = hospital(lockout_key=KEY)
    assert [here.cards(), here.cards()] == [["mg-suggest"], ["mg-suggest"]]
    clock.now += DAY
    assert here.cards() == []
    assert here.withheld() == [
        {"card": "mg-suggest", "indicator": "info", "lockedUntil": "2027-02-26"}
    ]
    clock.now = NOW + 90 * DAY
    assert here.withheld() == []


def test_a_lock_out_holds_on_every_machine_and_ends_with_a_change(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    first, second = hospital(lockout_key=KEY), hospital(lockout_key=KEY)
    assert first.cards() == ["mg-suggest"]
    clock.now += DAY
    assert second.cards() == []
    moderate = [fhir.observation(fhir.EGFR, 48, fhir.EGFR_UNIT, 20)]
    assert second.cards(kidneyLabs=moderate) == ["mg-suggest-reduced"]


def test_an_encounter_sees_the_same_card_again(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    here = hospital(lockout_key=KEY)
    assert here.cards(encounter="e1") == ["mg-suggest"]
    clock.now += DAY
    assert here.cards(encounter="e2") == []
    assert here.cards(encounter="e1") == ["mg-suggest"]


def test_safety_cards_have_no_lock_out(hospital: Callable[..., Hospital], clock: Clock) -> None:
    here = hospital(lockout_key=KEY)
    for _ in range(3):
        assert here.cards(**HAZARD) == ["mg-hazard-renal"]
        clock.now += DAY


def test_the_key_can_be_replaced(hospital: Callable[..., Hospital], clock: Clock) -> None:
    new = KEY[::-1]
    assert hospital(lockout_key=KEY).cards() == ["mg-suggest"]
    clock.now += DAY
    assert hospital(lockout_key=new, lockout_key_old=KEY).cards() == []
    assert hospital(lockout_key=new).cards() == ["mg-suggest"]


def test_feedback_begins_the_lock_out_again(
    hospital: Callable[..., Hospital], clock: Clock
) -> None:
    here = hospital("cards: {mg-suggest: {lockoutDays: 30}}", lockout_key=KEY)
    (card,) = here.post(PATIENT_VIEW, call(PATIENT_VIEW)).json["cards"]
    here.parts.store.flush()
    clock.now += 20 * DAY
    said = {
        "card": card["uuid"],
        "outcome": Outcome.OVERRIDDEN,
        "overrideReason": {"reason": card["overrideReasons"][0]},
        "outcomeTimestamp": clock.now.isoformat().replace("+00:00", "Z"),
    }
    reply = here.post(f"{PATIENT_VIEW}/feedback", {"feedback": [said]})
    assert reply.status_code == 200, reply.text
    ends = (clock.now + 30 * DAY).date().isoformat()
    clock.now += DAY
    assert here.withheld()[0]["lockedUntil"] == ends


def test_a_store_that_is_down_hides_no_card(
    hospital: Callable[..., Hospital], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = hospital(lockout_key=KEY)
    assert here.cards() == ["mg-suggest"]
    clock.now += DAY
    monkeypatch.setattr(here.parts.store._remembering, "_rest_until", float("inf"))
    assert here.cards() == ["mg-suggest"]


def test_nothing_in_the_store_names_the_patient(
    hospital: Callable[..., Hospital], tmp_path: Path
) -> None:
    here = hospital(lockout_key=KEY)
    here.cards(encounter="encounter-of-the-patient")
    here.parts.store.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    body = call(PATIENT_VIEW, encounter="encounter-of-the-patient")
    for secret in (body["context"]["patientId"], "encounter-of-the-patient", KEY):
        assert json.dumps(secret).strip('"').encode() not in kept
