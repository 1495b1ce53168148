"""Send one request to a FHIR server, as a part of the trace of its hook call.

Tracing imports this module at every start. A service without FHIR servers does not import the HTTP
client, so this module must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from cds_service.correlation import Correlation
from cds_service.fetching.servers import Server


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a FHIR server, described without patient data.

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
"""Makes one request of a call that has these ids, and returns its response."""


def send(_: Request, ids: Correlation, get: Get) -> bytes:
    """Make a request as a part of the trace of its call."""
    return get(ids.of_a_part().headers)
