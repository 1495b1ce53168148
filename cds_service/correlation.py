"""The ids with which a request is found in the logs and traces of others: request id and trace.

Both come from the caller, or are made here. Only an id of 128 bits in hexadecimal digits is
accepted, so that no name, number or other text about a patient gets into the log. Everything else
is replaced, without an error, as the specification of the trace context requires. They are sent on
to the FHIR server of the call, so that its log can be compared.

Sources: https://www.w3.org/TR/trace-context/ (`traceparent`). `X-Request-ID` has no specification.
nginx and Envoy send ids of the accepted forms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

REQUEST_ID: Final = "X-Request-ID"
TRACEPARENT: Final = "traceparent"

_HEX: Final = "[0-9A-Fa-f]"
_REQUEST_ID = re.compile(f"{_HEX}{{32}}|{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}")
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<parent>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_FIRST_VERSION: Final = "00"
_LONGEST: Final = 512
_SAMPLED: Final = 1


class Correlation(msgspec.Struct, frozen=True):
    """The ids of one request: its request id, the trace it belongs to, and our part of that trace.

    `sampled` is the caller's flag whether the trace is recorded. `parent` is the caller's part of the
    trace, "" if the caller named none.
    """

    request: str
    trace: str
    span: str
    sampled: bool = False
    parent: str = ""

    @property
    def traceparent(self) -> str:
        """The header for the response: the caller's trace, with our part of it as parent."""
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that is made in this part of the trace."""
        return {REQUEST_ID: self.request, TRACEPARENT: self.traceparent}

    def of_a_part(self, span: str | None = None) -> Correlation:
        """The ids of a step within this request: the same trace, with this span id or a new one."""
        return msgspec.structs.replace(self, span=span or os.urandom(8).hex())


def correlation_of(environ: Mapping[str, Any]) -> Correlation:
    """The ids of the request with this WSGI environment. Missing and invalid ids are replaced."""
    fresh = os.urandom(40).hex()
    asked = environ.get("HTTP_X_REQUEST_ID")
    request = asked if asked is not None and _REQUEST_ID.fullmatch(asked) else fresh[:32]
    trace, parent, sampled = _trace_of(environ.get("HTTP_TRACEPARENT")) or (fresh[32:64], "", False)
    return Correlation(request, trace, fresh[64:], sampled, parent)


def _trace_of(header: str | None) -> tuple[str, str, bool] | None:
    """Trace id, caller's span id, whether recorded. `None` if the header is missing or invalid."""
    if header is None or len(header) > _LONGEST:
        return None
    found = _TRACEPARENT.fullmatch(header)
    # A later version may add members. The first one has none.
    if found is None or (found["more"] and found["version"] == _FIRST_VERSION):
        return None
    return found["trace"], found["parent"], bool(int(found["flags"], 16) & _SAMPLED)
