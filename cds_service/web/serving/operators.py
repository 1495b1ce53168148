"""The operators' port: metrics, and whether the service responds on its own port.

It is served by a process of its own, so it responds even if the workers do not.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flask import Flask

from cds_service.web.calls.auth import OPERATOR, OPERATOR_PATHS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_ASKED_OF_A_WORKER = ("/health", "/ready")
_PATIENCE_SECONDS = 5.0
_JSON = ("Content-Type", "application/json")
_SILENT = (
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient",'
    b'"details":{"text":"No worker responds."}}]}'
)
_NOTHING = (
    b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found",'
    b'"details":{"text":"This address does not exist."}}]}'
)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 10

    def log_message(self, *_: Any) -> None:
        """No output, because the application writes its own line."""


class Operators:
    """The application on the operators' port."""

    def __init__(self, app: Flask, host: str, port: int) -> None:
        self._app = app
        self._service = host, port

    def __call__(self, environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] in {"GET", "HEAD"} and path in _ASKED_OF_A_WORKER:
            return self._asked(path, start)
        if path in OPERATOR_PATHS:
            return self._app(environ | {OPERATOR: True}, start)
        start("404 Not Found", [_JSON])
        return [_NOTHING]

    def _asked(self, path: str, start: StartResponse) -> Iterable[bytes]:
        connection = http.client.HTTPConnection(*self._service, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            status, body = f"{answer.status} {answer.reason}", answer.read()
        except (OSError, http.client.HTTPException):
            status, body = "503 Service Unavailable", _SILENT
        finally:
            connection.close()
        start(status, [_JSON])
        return [body]


def serve_operators(app: Flask, address: str, service: tuple[str, int]) -> int:
    """Start serving in a thread. Returns the port. Raises `OSError` if the address cannot be used."""
    host, _, port = address.rpartition(":")
    server = make_server(host.strip("[]"), int(port), Operators(app, *service), _Server, _Silent)
    Thread(target=server.serve_forever, name="operators", daemon=True).start()
    return server.server_port
