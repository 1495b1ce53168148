"""A collector of OpenTelemetry on the loopback address: real HTTP, real protobuf."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from .waiting import wait_for


class Collected(msgspec.Struct):
    """One span as it arrived."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    failed: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector:
    """What has arrived. `hold` lets no request be answered until it is released."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.spans: list[Collected] = []
        self.raw: list[bytes] = []
        self.statuses: list[int] = []
        self.answered = threading.Event()
        self.answered.set()

    def hold(self) -> None:
        self.answered.clear()

    def release(self) -> None:
        self.answered.set()

    def wait_for(self, number: int, name: str = "") -> list[Collected]:
        """At least so many spans whose name begins so."""
        wait_for(lambda: len(self.of(name)) >= number)
        return self.of(name)

    def of(self, name: str) -> list[Collected]:
        return [span for span in tuple(self.spans) if span.name.startswith(name)]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a service exports to it, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        self.raw.append(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _attributes(sent.resource.attributes)
            for scope in sent.scope_spans:
                self.spans += [_collected(span, resource) for span in scope.spans]


def _collected(span: Any, resource: dict[str, Any]) -> Collected:
    assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
    assert not span.events
    return Collected(
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        span=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == 2,
        attributes=_attributes(span.attributes),
        resource=resource,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {p.key: getattr(p.value, str(p.value.WhichOneof("value"))) for p in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.answered.wait(60)
            status = collector.statuses.pop() if collector.statuses else 200
            if status == 200:
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                collector.take(body)
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:  # the other side did not wait
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A service that stops closes its connection."""

    server = Server(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        collector.release()
        server.shutdown()
        server.server_close()
        thread.join()
