"""Spans for OpenTelemetry: one for each call, and for its steps (fetch, decide, look up).

A span contains only names that are defined here or configured, and numbers. It contains no path,
query, body, header or exception text, and not which card was returned: other spans of the same
trace may name the patient.

Spans are exported by a thread of the library. It starts with the first call of a process, so it
lives in the worker and not in the parent of the workers. A queue between the calls and that thread
drops spans when it is full, so a collector that is slow or down delays no call.

Source of the names: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from multiprocessing.util import Finalize
from threading import Lock
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec
from flask import Flask, g
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from cds_service.correlation import Correlation, correlation_of
from cds_service.fetching.failures import UnavailableError
from cds_service.fetching.sending import Get, Request
from cds_service.version import VERSION
from cds_service.web.operate.logs import PROBES
from cds_service.web.operate.record import CallRecord, current_record
from cds_service.web.operate.tracing import Function
from cds_service.web.parts import current_parts

_log = logging.getLogger(__name__)

_LIBRARY: Final = "opentelemetry"
_NAME: Final = "magnesium-migraine-cds"
_NO_ROUTE: Final = CallRecord().route
_UNKNOWN: Final = "HTTP"
"""The name of a request to an address that does not exist. Its method may be any text."""
_NAMES: Final = ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES")
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
_SECONDS: Final = 3.0
"""How long one export may take, unless a variable says otherwise. A stop waits for so long."""


class Traced:
    """Traces of the calls of this process, exported as these environment variables say.

    Raises `ValueError` if the library refuses the value of a variable. It would use its default
    instead, and only log that.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        has_timeout = any(environ.get(name, "").strip() for name in _TIMEOUTS)
        with _without_warnings():
            self._exporter = _Exporter(OTLPSpanExporter(timeout=None if has_timeout else _SECONDS))
            self._resource = Resource.create(_attributes(environ))
            self._new_provider(_Exporter(OTLPSpanExporter())).shutdown()
        # The library logs responses of the collector, and a line for each span that is dropped.
        logging.getLogger(_LIBRARY).setLevel(logging.CRITICAL)
        self._starting = Lock()
        self._provider: TracerProvider | None = None
        self._made: Tracer | None = None

    def _new_provider(self, exporter: SpanExporter) -> TracerProvider:
        """A provider with a thread of its own."""
        provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return provider

    @property
    def _tracer(self) -> Tracer:
        """The tracer of this process. Its thread starts with the first use."""
        if self._made is None:
            with self._starting:
                if self._made is None:
                    try:
                        self._made = self._start()
                    except RuntimeError:  # no thread can be started: the next call tries again
                        return NoOpTracer()
        return self._made

    def _start(self) -> Tracer:
        provider = self._new_provider(self._exporter)
        # A worker ends without running the functions of `atexit`.
        Finalize(None, self.close, exitpriority=0)
        self._provider = provider
        return provider.get_tracer(_NAME)

    def close(self) -> None:
        """Export the rest when the process ends, but do not wait for a collector that is down."""
        self._exporter.is_stopping = True
        if self._provider is not None:
            self._provider.shutdown()
            self._provider = None

    def correlate(self, environ: Mapping[str, Any]) -> Correlation:
        """Begin the span of a request, as a part of the caller's trace if it named one.

        Requests of probes have no span.
        """
        ids = correlation_of(environ)
        if environ["PATH_INFO"].rstrip("/") in PROBES:
            return ids
        parent = _context(ids, ids.parent) if ids.parent else Context()
        span = self._tracer.start_span("request", parent, SpanKind.SERVER)
        g.span = span, attach(set_span_in_context(span, Context()))
        own, new = span.get_span_context(), _new_id(span, ids.parent)
        if new is None:
            return ids
        return msgspec.structs.replace(
            ids,
            trace=f"{own.trace_id:032x}",
            span=new,
            sampled=own.trace_flags.sampled,
        )

    def register(self, app: Flask) -> None:
        """End the span of each request after its response, also after one that failed."""
        app.teardown_request(_end)

    def send(self, request: Request, ids: Correlation, get: Get) -> bytes:
        """Make one request to a FHIR server, with a span. Runs in a thread of fetching."""
        address = urlsplit(request.server.base)
        attributes: dict[str, str | int] = {
            "http.request.method": "GET",
            "url.template": request.path,
            "server.address": address.hostname or "",
            "cds.prefetch.key": request.key,
            "cds.fetch.page": request.page,
        }
        if address.port is not None:
            attributes["server.port"] = address.port
        parent = _context(ids, ids.span)
        span = self._tracer.start_span(f"GET {request.path}", parent, SpanKind.CLIENT, attributes)
        with _ended(span):
            body = get(ids.of_a_part(_new_id(span, ids.span)).headers)
            span.set_attribute("http.response.body.size", len(body))
            return body

    def wrap(self, name: str, function: Function) -> Function:
        """The function with a span for each of its calls, within the span of the request."""

        def traced(*given: Any, **named: Any) -> Any:
            span = self._tracer.start_span(name)
            token = attach(set_span_in_context(span))
            try:
                with _ended(span):
                    return function(*given, **named)
            finally:
                detach(token)

        return cast("Function", traced)


class _Warnings(logging.Handler):
    """Keeps whether the library has warned. Its texts have values, which may be secret."""

    has_any = False

    def emit(self, _: logging.LogRecord) -> None:
        """Notice a record."""
        self.has_any = True


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Raise `ValueError` if the library warns."""
    logger, found = logging.getLogger(_LIBRARY), _Warnings(logging.WARNING)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(found)
    try:
        yield
    finally:
        logger.removeHandler(found)
        logger.setLevel(level)
        logger.propagate = propagates
    if found.has_any:
        raise ValueError(_LIBRARY)


def _attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """The version, and the name of the service unless a variable has one, which the library reads."""
    service, resource = (environ.get(name, "") for name in _NAMES)
    is_named = bool(service.strip()) or "service.name=" in resource
    version = {"service.version": VERSION}
    return version if is_named else {**version, "service.name": _NAME}


def _context(ids: Correlation, span: str) -> Context:
    """The context in which a part of this span begins."""
    flags = TraceFlags(TraceFlags.SAMPLED if ids.sampled else TraceFlags.DEFAULT)
    above = SpanContext(int(ids.trace, 16), int(span, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(above), Context())


def _new_id(span: Span, above: str) -> str | None:
    """The id of a new span. `None` without a tracer: the span is then the one above, or none."""
    found = f"{span.get_span_context().span_id:016x}"
    return found if span.get_span_context().is_valid and found != above else None


@contextmanager
def _ended(span: Span) -> Iterator[None]:
    """End a span. An error is recorded by its type, because its text may contain patient data."""
    try:
        yield
    except UnavailableError as unavailable:
        _failed(span, unavailable.code)
        raise
    except Exception as error:
        _failed(span, type(error).__name__)
        raise
    finally:
        span.end()


def _failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _end(_: BaseException | None) -> None:
    """End the span of a request with what its record contains."""
    opened = g.pop("span", None)
    if opened is None:
        return
    span, token = opened
    detach(token)
    record = current_record()
    span.update_name(f"{record.method} {record.route}" if record.route != _NO_ROUTE else _UNKNOWN)
    span.set_attributes(_of_call(record))
    if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not record.status:
        _failed(span, record.error or str(record.status))
    span.end()


def _of_call(record: CallRecord) -> dict[str, str | int]:
    """The attributes of a request. Kidney class and card ids are findings, and are left out."""
    parts = current_parts()
    found: dict[str, str | int | None] = {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.status,
        "cds.request": record.ids.request if record.ids is not None else None,
        "cds.client": record.caller.name if record.caller is not None else None,
        "cds.service": record.service,
        "cds.knowledge": parts.knowledge.version,
        "cds.site": parts.answering.force.label or None,
        "cds.cards": len(record.cards) if record.cards is not None else None,
        "cds.refused": record.refused,
    }
    return {name: value for name, value in found.items() if value is not None}


class _Exporter(SpanExporter):
    """Logs when the collector stops accepting spans, and when it accepts them again."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False
        self.is_stopping = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch. Never raises."""
        if self.is_stopping and self._fails:
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - the thread must live
            result = SpanExportResult.FAILURE
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            _log.warning("the collector of traces does not accept spans")
        elif self._fails and not fails:
            _log.info("the collector of traces accepts spans again")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)
