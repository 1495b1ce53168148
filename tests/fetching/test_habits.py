"""Each habit of FHIR servers gives the answer that the table of the cases names, in time."""

from __future__ import annotations

import re
import time
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.fetching.servers import Server
from cds_service.settings import Settings

from ..support import fhir, http
from ..support.cards import card_id, offers, recommended, unknown_keys
from ..support.fhir import PATIENT_VIEW, PREFETCH_KEYS
from ..support.outcomes import assert_outcome
from ..support.wording import in_words
from .calling import fetched, ids_of
from .conftest import Serve
from .ehr import Ehr
from .habits import HABITS, having

LONGEST = 3.5


class Right(NamedTuple):
    """One right answer. `names` must be in `unknown` (or in the 412), `not_names` must not."""

    card: str = ""
    status: int = 200
    names: str = ""
    not_names: str = ""
    tests_only: bool = False
    not_recommended: bool = False


AVOID = Right("mg-avoid-renal")
NO_LABS = Right("mg-check-renal", names="kidneyLabs", tests_only=True)

RIGHT: dict[str, Right] = {
    **dict.fromkeys(HABITS, AVOID),
    "hostnext": Right("mg-avoid-renal", names="conditions"),
    "loop": Right("mg-avoid-renal", names="conditions"),
    "looplabs": Right("mg-suggest"),  # the newest ones came first, and in their order
    "suppressed": Right("mg-suggest", names="conditions", not_recommended=True),
    "suppressedlabs": NO_LABS,
    "nolabs": Right("mg-check-renal", not_names="kidneyLabs", tests_only=True),
    "forbidden200": NO_LABS,
    "wrongtype": NO_LABS,
    "medref": Right("mg-hazard-renal"),
    "slow": NO_LABS,
    "redirect": Right(status=412, names="conditions"),
    "gone": Right(status=412, names="patient"),
}
"""What this service answers. Where the table leaves a choice, it is the one that says most."""


@pytest.fixture
def call(serve: Serve, today: date) -> Any:
    """A call of the service as it is by default, at a server with a habit; and how long it took."""

    def make(mode: str) -> tuple[TestResponse, float, Ehr]:
        server = serve(having(mode, today))
        client = at(server)
        started = time.monotonic()
        response = http.call(client, PATIENT_VIEW, body_of(server))
        return response, time.monotonic() - started, server

    return make


def at(server: Ehr, **marks: Any) -> FlaskClient:
    listed = (Server(url=server.base, open=True, **marks),)
    return create_app(Settings(fhir_servers=listed)).test_client()


def body_of(server: Ehr) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "fhirServer": server.base,
        "context": {"userId": "Practitioner/1", "patientId": fhir.PATIENT_ID},
    }


@pytest.mark.parametrize("mode", HABITS)
def test_a_habit_gives_the_right_answer_in_time(call: Any, mode: str) -> None:
    response, seconds, _ = call(mode)
    assert seconds < LONGEST
    right = RIGHT[mode]
    if right.status == 412:
        assert f"key {right.names} " in assert_outcome(response, 412)
        return
    assert response.status_code == 200, response.get_data(as_text=True)
    (card,) = response.get_json()["cards"]
    assert card_id(card) == right.card
    assert right.names in ["", *unknown_keys(card)]
    assert right.not_names not in unknown_keys(card)
    if right.tests_only:
        assert offers(card) == ["labs"]
    if right.not_recommended:
        assert recommended(card) == []
    if not right.names:
        assert unknown_keys(card) == []


def test_the_table_of_the_cases_has_these_modes_and_these_answers(shared_dir: Path) -> None:
    text = (shared_dir / "cases/README.md").read_text(encoding="utf-8")
    table = text.partition("<!-- modes -->")[2].partition("<!-- /modes -->")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*?) \|$", table, re.MULTILINE))
    assert set(rows) == set(HABITS)
    for mode, text in rows.items():
        assert told(RIGHT[mode]) in [" ".join(each.split()) for each in text.split("; or ")]


def told(right: Right) -> str:
    """A right answer in the words of the table."""
    parts = [f"`{right.card}`" if right.card else str(right.status)]
    parts += ["tests only"] if right.tests_only else []
    parts += ["not recommended"] if right.not_recommended else []
    parts += [f"names {right.names}"] if right.names else []
    parts += [f"does not name {right.not_names}"] if right.not_names else []
    return ", ".join(parts)


def test_no_other_host_and_no_redirect_is_asked(call: Any) -> None:
    for mode in ("hostnext", "redirect"):
        server = call(mode)[2]
        assert len(server.asked) == len(PREFETCH_KEYS)
        assert not any("page" in asked.query or "moved" in asked.query for asked in server.asked)


# ---------------------------------------------------------------- through fetching alone

MISSING = {
    "looplabs": "kidneyLabs",
    **{mode: right.names for mode, right in RIGHT.items() if right.names},
}


@pytest.mark.parametrize("mode", HABITS)
def test_what_is_missing_is_marked_and_nothing_else(serve: Serve, today: date, mode: str) -> None:
    contents = fetched(serve(having(mode, today)))
    lacking = {
        key
        for key, content in contents.items()
        if not content.known or content.partial or content.withheld or content.unreadable
    }
    assert lacking == ({MISSING[mode]} if mode in MISSING else set())
    for key in lacking:
        assert (
            in_words(contents[key].why) or in_words(contents[key].beside) or contents[key].withheld
        )


@pytest.mark.parametrize("mode", ["relnext", "qnext", "basenext", "pipenext", "emptyfirst"])
def test_all_pages_are_read_once(serve: Serve, today: date, mode: str) -> None:
    server = serve(having(mode, today))
    contents = fetched(server)
    assert ids_of(contents, "conditions") == ["c1", "c2", "c3", "c4", "c5"]
    assert len({asked.target for asked in server.asked}) == len(server.asked)


def test_a_page_that_names_itself_is_read_once(serve: Serve, today: date) -> None:
    server = serve(having("loop", today))
    found = fetched(server)["conditions"]
    assert len(server.of("Condition")) == 1
    assert in_words(found.beside) == "the FHIR server's next page is one that was read already"


def test_a_server_that_does_not_sort_is_read_to_the_end(serve: Serve, today: date) -> None:
    contents = fetched(serve(having("badsort", today)))
    found = ids_of(contents, "kidneyLabs")
    assert len(found) == 250
    assert found[-1] == "egfr-0"
