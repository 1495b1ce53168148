"""The example configurations of nginx and HAProxy, with the real programs and the real service."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ..security.conftest import NORTH, Ehr, clients, hook_request, keys, published
from ..support.fhir import PATIENT_VIEW
from ..support.serving import HOST, ROOT, Running, free_port, serving
from ..support.waiting import wait_for

__all__ = ["clients", "keys", "published"]

pytestmark = pytest.mark.server
NAME = "cds.example.org"
PUBLIC = f"https://{NAME}"
HOOK = f"/cds-services/{PATIENT_VIEW}"
DEPLOY = ROOT / "deploy"


class Reply(msgspec.Struct):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Proxied(msgspec.Struct):
    """The service behind a proxy: calls go through the proxy."""

    server: Running
    ehr: Ehr
    port: int
    certificate: Path
    log: Path | None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        trust = ssl.create_default_context(cafile=str(self.certificate))
        trust.check_hostname = False
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=20, context=trust)
        with closing(connection):
            connection.request(method, path, body, {"Host": NAME, **headers})
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())

    def call(self, body: bytes | None = None) -> Reply:
        signed = {"Authorization": f"Bearer {self.ehr.token(HOOK)}"}
        data = json.dumps(hook_request()).encode() if body is None else body
        return self.ask("POST", HOOK, data, **{"Content-Type": "application/json"}, **signed)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the name in the examples; beside it its key, and both in one file."""
    folder = Path(tmp_path_factory.mktemp("certificate"))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "fullchain.pem").write_bytes(public)
    (folder / "private.pem").write_bytes(private)
    (folder / "combined.pem").write_bytes(public + private)
    return folder / "fullchain.pem"


def nginx(folder: Path, port: int, upstream: int, certificate: Path) -> list[str]:
    """nginx with the example as its only server; files where a test may write."""
    address = (DEPLOY / "nginx-upstream.conf").read_text()
    changed = _changed(address, {"server 127.0.0.1:8000": f"server 127.0.0.1:{upstream}"})
    (folder / "site.conf").write_text(_rules(folder, port, certificate) + changed)
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\n{temporary}\n    include {folder}/site.conf;\n}}\n"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def _rules(folder: Path, port: int, certificate: Path) -> str:
    return _changed(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "listen 443 ssl": f"listen {HOST}:{port} ssl",
            "/etc/ssl/magnesium-cds": str(certificate.parent),
            "/var/log/nginx": str(folder),
        },
    )


def compose(folder: Path, port: int, upstream: int, certificate: Path) -> list[str]:
    """nginx as in deploy/compose.yaml, but for the look-up of a container's address: this nginx may
    be older than the one of the example, and no such name is there.
    """
    text = _changed(
        (DEPLOY / "compose" / "nginx.conf").read_text(),
        {
            "server service:8000 resolve": f"server 127.0.0.1:{upstream}",
            "    resolver 127.0.0.11 valid=5s;\n": "",
            "/tmp/": f"{folder}/",  # noqa: S108
            "/dev/stderr": f"{folder}/error.log",
            "/etc/magnesium-cds/": f"{folder}/",
        },
    )
    (folder / "nginx.conf").write_text(f"daemon off;\nuser root;\n{text}")
    (folder / "magnesium-cds.conf").write_text(_rules(folder, port, certificate))
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def haproxy(folder: Path, port: int, upstream: int, certificate: Path) -> list[str]:
    text = (DEPLOY / "haproxy.cfg").read_text()
    changed = _changed(
        text,
        {
            "bind :443": f"bind {HOST}:{port}",
            "server local 127.0.0.1:8000": f"server local 127.0.0.1:{upstream}",
            "/etc/ssl/magnesium-cds": str(certificate.parent),
        },
    )
    (folder / "haproxy.cfg").write_text(changed)
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def _changed(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, f"the example no longer says {before}"
        text = text.replace(before, after)
    return text


@contextmanager
def started(
    program: str, make: Callable[..., list[str]], folder: Path, *given: Any
) -> Iterator[None]:
    found = which(program) or which(program, path="/usr/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed (on Debian: apt-get install {program})")
    command = make(folder, *given)
    assert command[0] == program
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([found, *command[1:]], stdout=output, stderr=output)  # noqa: S603
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(
    scope="module", params=[nginx, compose, haproxy], ids=["nginx", "compose", "haproxy"]
)
def proxied(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Path,
    clients: dict[str, Any],
    keys: dict[str, Any],
) -> Iterator[Proxied]:
    folder = Path(tmp_path_factory.mktemp("proxy"))
    file = folder / "clients.json"
    file.write_text(json.dumps(clients))
    port, operators = free_port(), free_port()
    settings = {
        "CDS_CLIENTS_FILE": str(file),
        "CDS_PUBLIC_URL": PUBLIC,
        "CDS_OPERATOR_ADDRESS": f"{HOST}:{operators}",
    }
    with serving(folder, **settings) as server:
        make = request.param
        program = "haproxy" if make is haproxy else "nginx"
        with started(program, make, folder, port, server.port, certificate):
            ehr = _Signing(server, NORTH, keys["ES384"], "north-1", "ES384", tenant="ward-a")
            log = None if make is haproxy else folder / "access.log"
            proxied = Proxied(server, ehr, port, certificate, log)
            wait_for(lambda: proxied.ask("GET", "/ready").status == 200)
            yield proxied


class _Signing(Ehr):
    """An EHR that calls the public address of the examples."""

    def token(self, path: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
        return super().token(path, header, aud=PUBLIC + path, **changes)


def test_a_signed_call_goes_through(proxied: Proxied) -> None:
    reply = proxied.call()
    assert reply.status == 200, reply.body
    (card,) = json.loads(reply.body)["cards"]
    assert card["links"][0]["url"].startswith(f"{PUBLIC}/evidence")


def test_an_unsigned_call_is_refused_by_the_service(proxied: Proxied) -> None:
    reply = proxied.ask("POST", HOOK, b"{}", **{"Content-Type": "application/json"})
    assert reply.status == 401
    assert json.loads(reply.body)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics/", "/feedback/report", "/feedback/report/", "/feedback/report?days=30"],
)
def test_operators_addresses_are_not_public(proxied: Proxied, path: str) -> None:
    assert proxied.ask("GET", path).status == 404
    # The service alone would not serve them here either, whatever form a proxy uses.
    for headers in ({}, {"Host": NAME}, {"X-Forwarded-For": "192.0.2.1"}, {"Via": "1.1 proxy"}):
        assert proxied.server.ask("GET", path, headers=headers).status == 404


def test_a_body_of_nearly_the_limit_goes_through(proxied: Proxied) -> None:
    body = json.dumps(hook_request()).encode()
    assert proxied.call(body + b" " * (9_900_000 - len(body))).status == 200


def test_a_body_over_the_limit_is_answered_as_an_outcome(proxied: Proxied) -> None:
    reply = proxied.call(b" " * 11_000_000)
    assert reply.status == 413
    assert json.loads(reply.body)["issue"][0]["code"] == "too-long"


UUID = "2F1C9f0e-5f0c-4f7e-9d0b-6a1e0c7b9a11"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def logged(proxied: Proxied, request: str) -> list[dict[str, Any]]:
    """The lines of the service about the request with this id."""
    lines = (json.loads(line) for line in proxied.server.output.splitlines())
    return [line for line in lines if line.get("request") == request]


@pytest.mark.parametrize("given", [UUID, "0123456789abcdef0123456789ABCDEF"])
def test_a_request_id_and_the_trace_reach_the_service(proxied: Proxied, given: str) -> None:
    reply = proxied.ask("GET", "/evidence", **{"X-Request-ID": given, "traceparent": TRACE})
    assert reply.headers.get_all("X-Request-ID") == [given]
    assert reply.headers["traceparent"].split("-")[1] == TRACE.split("-")[1]
    wait_for(lambda: bool(logged(proxied, given)))
    assert {line["trace"] for line in logged(proxied, given)} == {TRACE.split("-")[1]}


@pytest.mark.parametrize(
    "headers", [{}, {"X-Request-ID": "Jane Doe"}, {"X-Request-ID": f"{UUID}, {UUID}"}]
)
def test_the_proxy_makes_a_request_id_that_the_service_keeps(
    proxied: Proxied, headers: dict[str, str]
) -> None:
    first, second = (proxied.ask("GET", "/evidence", **headers) for _ in "ab")
    made = first.headers["X-Request-ID"]
    assert made not in {"", second.headers["X-Request-ID"], *headers.values()}
    # An id that the service makes has no hyphens, and is not in the log of nginx.
    log = proxied.log
    if log is None:
        assert made.count("-") == 4
    else:
        wait_for(lambda: made in log.read_text())


def test_the_log_of_nginx_has_the_id_and_no_query(proxied: Proxied) -> None:
    if proxied.log is None:
        pytest.skip("only the example for nginx writes a log of its own")
    log = proxied.log
    proxied.ask("GET", "/evidence?patient=jane-doe", **{"X-Request-ID": UUID.lower()})
    wait_for(lambda: UUID.lower() in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (line,) = [line for line in lines if line["request"] == UUID.lower()]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/evidence", 200)
    assert "jane" not in log.read_text()
