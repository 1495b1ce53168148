"""Pages in browsers: who may call, and what is answered to a preflight (T-17, H-9)."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from cds_service import create_app
from cds_service.settings import Settings

from ..support.fhir import PATIENT_VIEW
from ..support.serving import Running
from .conftest import ORIGIN, Ehr
from .test_tokens import HOOK

PATHS = ["/cds-services", HOOK, f"{HOOK}/feedback", f"/explain/{PATIENT_VIEW}"]
EVIL = ["https://evil.example.org", "null", f"{ORIGIN}.evil.org", ORIGIN.upper(), f"{ORIGIN}:8443"]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.server
@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_without_a_token(server: Running, path: str) -> None:
    reply = server.ask("OPTIONS", path, headers={"Origin": ORIGIN, **PREFLIGHT})
    assert reply.status in {200, 204}
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "Origin" in reply.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply.headers


@pytest.mark.server
@pytest.mark.parametrize("origin", EVIL)
@pytest.mark.parametrize("path", PATHS)
def test_other_origins_are_not_named(server: Running, path: str, origin: str) -> None:
    for method in ("OPTIONS", "GET"):
        reply = server.ask(method, path, headers={"Origin": origin, **PREFLIGHT})
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert "Access-Control-Allow-Headers" not in reply.headers
        assert "Origin" in reply.headers["Vary"]


@pytest.mark.server
def test_an_answer_and_a_refusal_may_be_read(north: Ehr) -> None:
    good = north.send(HOOK, north.token(HOOK), Origin=ORIGIN)
    bad = north.send(HOOK, None, Origin=ORIGIN)
    assert (good.status, bad.status) == (200, 401)
    for reply in (good, bad):
        assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "WWW-Authenticate" in reply.headers["Access-Control-Expose-Headers"]


@pytest.mark.server
def test_the_origin_of_another_client_is_not_allowed(north: Ehr, south: Ehr) -> None:
    reply = north.send(HOOK, north.token(HOOK), Origin=south.origin)
    assert reply.status == 200
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.server
def test_a_preflight_of_an_unknown_address_is_not_found(server: Running) -> None:
    assert server.ask("OPTIONS", "/nothing", headers={"Origin": ORIGIN}).status == 404


@pytest.fixture(scope="module")
def open_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(Settings(data_dir=str(tmp_path_factory.mktemp("data"))))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8080", True),
        ("http://127.0.0.1:3000", True),
        ("https://sandbox.cds-hooks.org", True),
        ("https://evil.example.org", False),
        ("http://localhost.evil.example.org", False),
        ("http://localhost:8080.evil.example.org", False),
        ("null", False),
    ],
)
def test_without_clients_the_setting_decides(open_app: Flask, origin: str, allowed: bool) -> None:
    reply = open_app.test_client().options(HOOK, headers={"Origin": origin, **PREFLIGHT})
    assert reply.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)


def test_a_list_of_origins_is_the_whole_list(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=str(tmp_path), origins="https://a.example.org"))
    client = app.test_client()
    for origin, expected in (("https://a.example.org", "https://a.example.org"), (EVIL[0], None)):
        reply = client.options(HOOK, headers={"Origin": origin, **PREFLIGHT})
        assert reply.headers.get("Access-Control-Allow-Origin") == expected
    reply = client.options(HOOK, headers={"Origin": "http://localhost:1", **PREFLIGHT})
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("path", ["/metrics", "/health", "/feedback/report", "/sandbox/patients"])
def test_the_rest_is_not_for_pages(open_app: Flask, path: str) -> None:
    reply = open_app.test_client().get(path, headers={"Origin": "http://localhost:8080"})
    assert "Access-Control-Allow-Origin" not in reply.headers
