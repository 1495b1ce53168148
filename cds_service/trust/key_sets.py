"""Key sets at the addresses in the file of clients: fetched with limits, cached, shared by all workers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import urllib3
from jwt import PyJWK

from cds_service.trust.keys import keys_in, public_key
from cds_service.trust.ledger import Ledger, LedgerError

_log = logging.getLogger(__name__)

FETCH_SECONDS = 3.0
PAUSE_SECONDS = 60.0
"""The minimum time between two fetches of a key set, whatever key ids are requested."""
FRESH_SECONDS = 600.0
"""A key set older than this is fetched again in the background."""
STALE_SECONDS = 7 * 86_400.0
"""A key set older than this is no longer used, because its issuer has not responded for too long."""
_LARGEST_BYTES = 256 * 1024
_PIECE_BYTES = 16 * 1024
_POLL_SECONDS = 0.05
_REREAD_SECONDS = 5.0

Fetch = Callable[[str], bytes]
Watch = Callable[[str, float], None]
"""Takes the address of a key set, and when it was last fetched (seconds since 1970, 0: never)."""


class FetchError(Exception):
    """A key set could not be fetched. The message is the kind of the cause."""


def fetch_key_set(url: str) -> bytes:
    """Fetch the text of a key set. Raises `FetchError`.

    It does not follow redirects or retry, and limits time and size.
    """
    give_up = time.monotonic() + FETCH_SECONDS
    try:
        with urllib3.PoolManager(num_pools=1) as pool:
            answer = pool.request(
                "GET",
                url,
                headers={"Accept": "application/jwk-set+json, application/json"},
                timeout=urllib3.Timeout(connect=FETCH_SECONDS / 2, read=FETCH_SECONDS / 2),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return _read(answer, give_up)
            finally:
                answer.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise FetchError(type(error).__name__) from None


def _read(answer: urllib3.BaseHTTPResponse, give_up: float) -> bytes:
    if answer.status != 200:
        raise FetchError(f"status {answer.status}")
    body = bytearray()
    while piece := answer.read1(_PIECE_BYTES):
        body += piece
        if len(body) > _LARGEST_BYTES:
            raise FetchError("too large")
        if time.monotonic() > give_up:
            raise FetchError("too slow")
    keys_in(bytes(body))
    return bytes(body)


class _Held(msgspec.Struct, frozen=True):
    """The cached keys of a key set in this process. `read` is the monotonic time of the last read."""

    keys: list[dict[str, Any]]
    fetched: float
    read: float


def _not_watched(_: str, __: float) -> None:
    """Without metrics."""


class KeySets:
    """The keys of clients that publish them at an address."""

    def __init__(
        self,
        ledger: Ledger,
        fetch: Fetch = fetch_key_set,
        now: Callable[[], float] = time.time,
        watch: Watch = _not_watched,
    ) -> None:
        self._watch = watch
        self._ledger = ledger
        self._fetch = fetch
        self._now = now
        self._held: dict[str, _Held] = {}

    def key(self, url: str, kid: str, algorithm: str) -> PyJWK | None:
        """The key with this id, or `None` if the set does not contain it. Raises `LedgerError`."""
        held = self._known(url)
        found = public_key(held.keys, kid, algorithm)
        if found is not None:
            if self._now() - held.fetched > FRESH_SECONDS:
                self._refresh_behind(url)
            return found
        return public_key(self._asked_again(url).keys, kid, algorithm)

    def _known(self, url: str) -> _Held:
        held = self._held.get(url)
        if held is None or time.monotonic() - held.read > _REREAD_SECONDS:
            held = self._reread(url)
        return held

    def _reread(self, url: str) -> _Held:
        row = self._ledger.key_set(url)
        usable = row.body and self._now() - row.fetched <= STALE_SECONDS
        held = _Held(keys_in(row.body) if usable else [], row.fetched, time.monotonic())
        self._held[url] = held
        self._watch(url, row.fetched)
        return held

    def _asked_again(self, url: str) -> _Held:
        """The key set after an unknown id. This worker fetches it, unless another one is doing so."""
        if self._ledger.claim_fetch(url, self._now(), PAUSE_SECONDS):
            self._refresh(url)
        else:
            self._await_other(url)
        return self._reread(url)

    def _await_other(self, url: str) -> None:
        give_up = time.monotonic() + FETCH_SECONDS
        while time.monotonic() < give_up:
            row = self._ledger.key_set(url)
            in_flight = row.ended < row.tried and self._now() - row.tried < 2 * FETCH_SECONDS
            if not in_flight:
                return
            time.sleep(_POLL_SECONDS)

    def _refresh_behind(self, url: str) -> None:
        if self._ledger.claim_fetch(url, self._now(), PAUSE_SECONDS):
            threading.Thread(target=self._refresh, args=(url,), name="key-set", daemon=True).start()

    def _refresh(self, url: str) -> None:
        body: bytes | None = None
        try:
            body = self._fetch(url)
        except FetchError as error:
            # The address is configured and may be logged. The response may not.
            _log.warning(
                "a key set could not be fetched: %s", error, extra={"fields": {"url": url}}
            )
        finally:
            try:
                self._ledger.end_fetch(url, self._now(), body)
            except LedgerError as error:
                _log.error("a key set could not be kept: %s", error)
