"""The ledger of used tokens: the same answers from a file and from a database, shared by instances."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cds_service.trust.ledger import DatabaseLedger, FileLedger, Ledger, LedgerError, ledger_of

from ..support import postgres
from ..support.fhir import PATIENT_VIEW
from ..support.serving import serving
from ..support.waiting import wait_for
from .conftest import NORTH, PUBLIC, Ehr

HOOK = f"/cds-services/{PATIENT_VIEW}"
NOW = 1_000_000.0
Opening = Callable[[], Ledger]


@pytest.fixture(scope="module")
def database() -> Iterator[postgres.Server]:
    try:
        with postgres.controlled("fsync=off") as server:
            yield server
    except postgres.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["file", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    """Opens the same ledger again and again, as several processes do."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("database").url
    with ExitStack() as stack:

        def opening() -> Ledger:
            ledger = ledger_of(url, str(tmp_path))
            stack.callback(ledger.close)
            wait_for(lambda: ready(ledger))
            return ledger

        yield opening


def test_a_token_is_new_once_whoever_asks(opened: Opening, request: Any) -> None:
    one, other, issuer = opened(), opened(), request.node.name
    assert one.first_use(issuer, "jti-1", NOW + 60, NOW)
    assert not other.first_use(issuer, "jti-1", NOW + 60, NOW)
    assert not one.first_use(issuer, "jti-1", NOW + 60, NOW)
    assert other.first_use(issuer, "jti-2", NOW + 60, NOW)
    assert one.first_use(f"{issuer}-other", "jti-1", NOW + 60, NOW)


def ready(ledger: Ledger) -> bool:
    """Whether it has its connection: on a busy machine that may take longer than callers wait."""
    try:
        ledger.check()
    except LedgerError:
        return False
    return True


def first_or_refused(ledger: Ledger, issuer: str, jti: str) -> bool | None:
    """Whether a token is new; `None` where a busy machine let the ledger give up."""
    try:
        return ledger.first_use(issuer, jti, NOW + 60, NOW)
    except LedgerError:
        return None


def test_of_many_that_ask_at_once_one_is_first(opened: Opening, request: Any) -> None:
    ledgers, issuer = [opened() for _ in range(4)], request.node.name
    answered = 0
    for number in range(20):
        with ThreadPoolExecutor(4) as pool:
            firsts = list(
                pool.map(lambda ledger, n=number: first_or_refused(ledger, issuer, f"{n}"), ledgers)
            )
        assert sum(first is True for first in firsts) <= 1
        if None not in firsts:
            assert sum(first is True for first in firsts) == 1
            answered += 1
    assert answered > 0


def test_a_token_is_forgotten_after_its_time(opened: Opening, request: Any) -> None:
    issuer = request.node.name
    assert opened().first_use(issuer, "old", NOW + 60, NOW)
    assert opened().first_use(issuer, "new", NOW + 600, NOW + 120)
    # It has expired, so it is refused for that; the ledger need not remember it.
    assert opened().first_use(issuer, "old", NOW + 60, NOW + 120)


def test_a_key_set_is_shared(opened: Opening, request: Any) -> None:
    one, other, url = opened(), opened(), f"https://ehr.example/{request.node.name}"
    assert one.key_set(url).body == b""
    assert one.claim_fetch(url, NOW, 60)
    assert not other.claim_fetch(url, NOW + 59, 60)
    one.end_fetch(url, NOW + 1, b'{"keys": []}')
    assert other.key_set(url).body == b'{"keys": []}'
    assert other.claim_fetch(url, NOW + 61, 60)
    other.end_fetch(url, NOW + 62, None)
    assert one.key_set(url).body == b'{"keys": []}'
    assert one.key_set(url).ended == NOW + 62


def test_a_database_that_hangs_is_given_up_and_used_again(database: postgres.Server) -> None:
    ledger = DatabaseLedger(database.url)
    assert ledger.first_use("hang", "1", NOW + 60, NOW)
    database.freeze()
    try:
        started = time.monotonic()
        for number in range(20):
            with pytest.raises(LedgerError):
                ledger.first_use("hang", f"frozen-{number}", NOW + 60, NOW)
        assert time.monotonic() - started < 5, "who comes later must not wait in turn"
    finally:
        database.thaw()
    wait_for(lambda: ready(ledger))
    assert ledger.first_use("hang", "2", NOW + 60, NOW)
    assert not ledger.first_use("hang", "1", NOW + 60, NOW)
    ledger.close()


def test_a_database_that_is_away_lets_nobody_in() -> None:
    ledger = DatabaseLedger("postgresql://cds@127.0.0.1:9/none")
    with pytest.raises(LedgerError):
        ledger.check()
    with pytest.raises(LedgerError, match="a moment ago"):
        ledger.first_use("a", "b", NOW + 60, NOW)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("", FileLedger),
        ("sqlite:////tmp/x.sqlite3", FileLedger),
        ("postgresql://db/cds", DatabaseLedger),
        ("postgres://db/cds", DatabaseLedger),
        ("postgresql+psycopg://db/cds", DatabaseLedger),
    ],
)
def test_the_ledger_is_where_the_store_is(url: str, kind: type[Ledger], tmp_path: Path) -> None:
    assert isinstance(ledger_of(url, str(tmp_path)), kind)


@pytest.mark.server
def test_a_token_that_one_instance_took_is_refused_by_another(
    tmp_path: Path, database: postgres.Server, clients: dict[str, Any], keys: dict[str, Any]
) -> None:
    file = tmp_path / "clients.json"
    file.write_text(json.dumps(clients))
    settings = {
        "CDS_CLIENTS_FILE": str(file),
        "CDS_PUBLIC_URL": PUBLIC,
        "CDS_DATABASE_URL": database.url,
    }
    with serving(tmp_path, **settings) as one, serving(tmp_path, **settings) as other:
        ehr = Ehr(one, NORTH, keys["ES384"], "north-1", "ES384", tenant="ward-a")
        elsewhere = Ehr(other, NORTH, keys["ES384"], "north-1", "ES384", tenant="ward-a")
        token = ehr.token(HOOK)
        assert ehr.send(HOOK, token).status == 200
        assert elsewhere.send(HOOK, token).status == 401
        assert elsewhere.send(HOOK, elsewhere.token(HOOK)).status == 200
