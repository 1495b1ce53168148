"""Traces of calls: none, unless the environment variables of OpenTelemetry name a collector.

The choice is made once, at the start. Without a collector, calls run exactly the functions that
they would run if this module did not exist.

Only the variables of OpenTelemetry are read, from the environment. Its libraries are optional
(`make install-otel`), and `cds_service.web.operate.otel` is the only module that imports them.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (names and values).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from flask import Flask

from cds_service.correlation import Correlation, correlation_of
from cds_service.fetching.sending import Get, Request, send
from cds_service.settings import SettingsError

Function = TypeVar("Function", bound=Callable[..., Any])

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_DISABLED: Final = "OTEL_SDK_DISABLED"
_PROTOCOL: Final = "http/protobuf"
NOT_INSTALLED: Final = (
    "{name} is set, but the packages for OpenTelemetry are not installed."
    " Install them with `make install-otel`, or remove the variable."
)
REFUSED: Final = (
    "The library of OpenTelemetry refuses the value of one of its variables (OTEL_...)."
)


class Tracing(Protocol):
    """What is done for the trace of a call, in each step of it."""

    def correlate(self, environ: Mapping[str, Any]) -> Correlation:
        """The ids of the request with this WSGI environment. Its trace begins here."""

    def send(self, request: Request, ids: Correlation, get: Get) -> bytes:
        """Make one request to the FHIR server of a call."""

    def wrap(self, name: str, function: Function) -> Function:
        """A function that is a step of a call."""

    def register(self, app: Flask) -> None:
        """End the trace of a call with its response. Called before other steps are registered."""


class Untraced:
    """No traces. Each function is used as it is."""

    correlate = staticmethod(correlation_of)
    send = staticmethod(send)

    def wrap(self, _: str, function: Function) -> Function:
        """The function itself."""
        return function

    def register(self, app: Flask) -> None:
        """Nothing is needed."""


def tracing_of(environ: Mapping[str, str]) -> Tracing:
    """The traces that these variables ask for. Raises `SettingsError`."""
    name = _wanted(environ)
    if name is None:
        return Untraced()
    try:
        from cds_service.web.operate.otel import Traced
    except ImportError:
        raise SettingsError(NOT_INSTALLED.format(name=name)) from None
    try:
        return Traced(environ)
    except ValueError:
        raise SettingsError(REFUSED) from None


def _wanted(environ: Mapping[str, str]) -> str | None:
    """The variable that names the collector, or `None`. Raises `SettingsError` for a bad value."""
    name = _set(environ, _ENDPOINTS)
    exporter = environ.get(_EXPORTER, "").strip() or "otlp"
    if name is None or exporter == "none" or environ.get(_DISABLED, "").strip().lower() == "true":
        return None
    if exporter != "otlp":
        raise SettingsError(f"{_EXPORTER} must be otlp or none.")
    protocol = _set(environ, _PROTOCOLS)
    if protocol is not None and environ[protocol].strip() != _PROTOCOL:
        raise SettingsError(f"{protocol} must be {_PROTOCOL}, the only one that is supported.")
    if not _is_address(environ[name].strip()):
        raise SettingsError(f"{name} must be an http or https address.")
    return name


def _set(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if environ.get(name, "").strip()), None)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
