"""An EHR as an issuer of tokens: its keys, its key set on the network, its tokens."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_numbers = itertools.count(int(time.time() * 1000))

CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


def new_key(algorithm: str, bits: int = 2048) -> PrivateKey:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(65537, bits)


def public_jwk(key: PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    public: Any = key.public_key()
    family = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**family.to_jwk(public, as_dict=True), "kid": kid, "use": "sig", **more}


def claims(iss: str, aud: Any, /, **changes: Any) -> dict[str, Any]:
    """The claims of a good token; `None` leaves one out, a timedelta is counted from now."""
    now = int(time.time())
    usual = {"iss": iss, "aud": aud, "iat": now, "exp": now + 300, "jti": f"token-{next(_numbers)}"}
    return {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in (usual | changes).items()
        if value is not None
    }


def signed(
    payload: Mapping[str, Any],
    key: Any,
    kid: str | None,
    algorithm: str = "ES384",
    **header: Any,
) -> str:
    headers = {"kid": kid, **header} if kid is not None else header
    return jwt.encode(dict(payload), key, algorithm, headers)


class KeyServer:
    """A key set at an address; it counts how often it was asked, and can be made to fail."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.answer: tuple[int, bytes] | None = None
        self.delay = 0.0
        self.url = ""

    def reply(self) -> tuple[int, bytes]:
        self.asked += 1
        time.sleep(self.delay)
        return self.answer or (200, json.dumps({"keys": self.keys}).encode())


@contextmanager
def key_server() -> Iterator[KeyServer]:
    state = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = state.reply()
            self.send_response(status)
            if status in {301, 302}:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            with suppress(ConnectionError):  # whoever asked may have had enough
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
