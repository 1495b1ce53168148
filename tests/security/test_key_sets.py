"""Key sets on the network: fetched within limits, rarely, and kept while their issuer is down."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.trust.key_sets import (
    FRESH_SECONDS,
    PAUSE_SECONDS,
    STALE_SECONDS,
    KeySets,
    fetch_key_set,
)
from cds_service.trust.key_sets import FetchError as KeySetError
from cds_service.trust.ledger import FileLedger, LedgerError

from ..support import issuing
from ..support.issuing import KeyServer
from ..support.waiting import wait_for

ALG = "ES384"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def jwks() -> list[dict[str, object]]:
    return [issuing.public_jwk(issuing.new_key(ALG), f"key-{n}") for n in range(3)]


@pytest.fixture
def issuer(jwks: list[dict[str, object]]) -> Iterator[KeyServer]:
    with issuing.key_server() as server:
        server.keys = jwks[:1]
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trust.sqlite3"


@pytest.fixture
def key_sets(file: Path, clock: Clock) -> Iterator[KeySets]:
    ledger = FileLedger(file)
    yield KeySets(ledger, now=clock)
    ledger.close()


def another_worker(file: Path, clock: Clock) -> KeySets:
    return KeySets(FileLedger(file), now=clock)


def test_a_key_set_is_fetched_once(key_sets: KeySets, issuer: KeyServer) -> None:
    for _ in range(5):
        assert key_sets.key(issuer.url, "key-0", ALG) is not None
    assert issuer.asked == 1


def test_another_worker_uses_what_one_has_fetched(
    key_sets: KeySets, issuer: KeyServer, file: Path, clock: Clock
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    assert another_worker(file, clock).key(issuer.url, "key-0", ALG) is not None
    assert issuer.asked == 1


def test_an_unknown_key_has_the_set_fetched_at_most_once_a_minute(
    key_sets: KeySets, issuer: KeyServer, clock: Clock, jwks: list[dict[str, object]]
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    issuer.keys = jwks[:2]
    for _ in range(5):
        assert key_sets.key(issuer.url, "key-1", ALG) is None
    assert issuer.asked == 1
    clock.now += PAUSE_SECONDS + 1
    assert key_sets.key(issuer.url, "key-1", ALG) is not None
    for number in range(5):
        assert key_sets.key(issuer.url, f"made-up-{number}", ALG) is None
    assert issuer.asked == 2


def test_of_two_workers_one_fetches_and_the_other_waits_for_it(
    key_sets: KeySets, issuer: KeyServer, file: Path, clock: Clock
) -> None:
    issuer.delay = 0.4
    found = []
    other = another_worker(file, clock)
    threads = [
        threading.Thread(target=lambda k=k: found.append(k.key(issuer.url, "key-0", ALG)))
        for k in (key_sets, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in found
    assert issuer.asked == 1


def test_an_old_set_is_fetched_behind_the_back_of_the_call(
    key_sets: KeySets, issuer: KeyServer, clock: Clock, jwks: list[dict[str, object]]
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    clock.now += FRESH_SECONDS + 1
    issuer.keys, issuer.delay = jwks[:2], 0.3
    started = time.monotonic()
    assert key_sets.key(issuer.url, "key-0", ALG) is not None
    assert time.monotonic() - started < 0.2
    wait_for(lambda: issuer.asked == 2)
    wait_for(lambda: key_sets.key(issuer.url, "key-1", ALG) is not None)
    assert issuer.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"down"),
        (404, b"{}"),
        (302, b"http://127.0.0.1:9/elsewhere"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": {}}'),
        (200, b"[" * 100_000),
        (200, b" " * 300_000),
    ],
    ids=["500", "404", "redirect", "HTML", "a list", "no list", "deep", "large"],
)
def test_a_set_that_cannot_be_had_leaves_the_old_one(
    key_sets: KeySets, issuer: KeyServer, clock: Clock, answer: tuple[int, bytes]
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    issuer.answer = answer
    clock.now += PAUSE_SECONDS + 1
    assert key_sets.key(issuer.url, "key-1", ALG) is None
    assert issuer.asked == 2
    assert key_sets.key(issuer.url, "key-0", ALG) is not None


def test_a_stale_set_serves_while_the_issuer_is_down_also_after_a_restart(
    key_sets: KeySets, issuer: KeyServer, file: Path, clock: Clock
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    issuer.answer = (503, b"")
    clock.now += STALE_SECONDS - 10
    assert another_worker(file, clock).key(issuer.url, "key-0", ALG) is not None
    clock.now += 20
    assert another_worker(file, clock).key(issuer.url, "key-0", ALG) is None


def test_a_clock_that_was_set_back_does_not_stop_fetching(
    key_sets: KeySets, issuer: KeyServer, clock: Clock, jwks: list[dict[str, object]]
) -> None:
    key_sets.key(issuer.url, "key-0", ALG)
    issuer.keys = jwks[:2]
    clock.now -= 86_400
    assert key_sets.key(issuer.url, "key-1", ALG) is not None


def test_nobody_at_the_address_is_an_error_of_its_own() -> None:
    with pytest.raises(KeySetError):
        fetch_key_set("http://127.0.0.1:9/jwks.json")


def test_a_slow_answer_is_given_up(issuer: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds_service.trust.key_sets.FETCH_SECONDS", 0.2)
    issuer.delay = 1.0
    started = time.monotonic()
    with pytest.raises(KeySetError):
        fetch_key_set(issuer.url)
    assert time.monotonic() - started < 0.9


def test_keys_of_the_wrong_kind_are_not_used(key_sets: KeySets, issuer: KeyServer) -> None:
    short = issuing.public_jwk(issuing.new_key("RS384", 1024), "short")
    wrong_use = issuing.public_jwk(issuing.new_key(ALG), "enc") | {"use": "enc"}
    curve = issuing.public_jwk(issuing.new_key("ES256"), "curve")
    secret = {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}
    broken = {"kty": "EC", "crv": "P-384", "kid": "broken", "x": "AA", "y": "AA"}
    issuer.answer = (
        200,
        json.dumps({"keys": [short, wrong_use, curve, secret, broken, 7, None]}).encode(),
    )
    for kid in ("short", "enc", "curve", "oct", "broken"):
        assert key_sets.key(issuer.url, kid, "RS384" if kid == "short" else ALG) is None


def test_a_ledger_that_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = FileLedger(tmp_path / "file" / "trust.sqlite3")
    with pytest.raises(LedgerError):
        ledger.first_use("iss", "jti", time.time() + 60, time.time())


def test_expired_tokens_are_forgotten(file: Path) -> None:
    ledger = FileLedger(file)
    now = time.time()
    assert ledger.first_use("iss", "one", now + 1, now)
    assert not ledger.first_use("iss", "one", now + 1, now)
    assert ledger.first_use("iss", "two", now + 200, now + 100)
    assert ledger.first_use("iss", "one", now + 200, now + 100)


def test_a_failed_fetch_is_said_without_what_came(
    key_sets: KeySets, issuer: KeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.answer = (200, b"SENTINEL")
    with caplog.at_level(logging.DEBUG):
        key_sets.key(issuer.url, "key-0", ALG)
    assert "could not be fetched" in caplog.text
    assert "SENTINEL" not in caplog.text
