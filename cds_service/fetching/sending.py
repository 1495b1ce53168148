"""How one request of a call is made: as a part of the trace of its call.

Apart from the rest, because a service without FHIR servers starts without what fetches from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cds_service.correlation import Correlation
from cds_service.fetching.servers import Server


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a request to a FHIR server without its values: nothing of a patient.

    `key` is the prefetch key, "" for the Medications that others refer to. `path` has `{id}` in
    place of an id, and no query. `page` counts the pages of a search from 1.
    """

    server: Server
    key: str
    path: str
    page: int


Get = Callable[[Mapping[str, str]], bytes]
"""Makes a request with these headers. Raises `UnavailableError`."""
Send = Callable[[Request, Correlation, Get], bytes]
"""Makes one request of a call with these ids, and returns its response."""


def send(_: Request, ids: Correlation, get: Get) -> bytes:
    """Make a request as a part of the trace of its call."""
    return get(ids.of_a_part().headers)
