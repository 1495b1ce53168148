"""Closed by default: without trusted clients, only this machine is served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from cds_service import create_app
from cds_service.loopback import is_loopback
from cds_service.settings import Settings
from tests.support.waiting import ready

from ..support.outcomes import assert_outcome
from ..support.serving import PATIENCE_SECONDS, ROOT, environment, free_port, serving, started_with
from ..support.tables import each_row

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that it is refused is what is tested
ELSEWHERE = ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7", "nonsense"]
HERE = ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(Settings(data_dir=str(tmp_path_factory.mktemp("data"))))


@pytest.mark.parametrize("address", HERE)
def test_this_machine_is_served(app: Flask, address: str) -> None:
    reply = app.test_client().get("/cds-services", environ_base={"REMOTE_ADDR": address})
    assert reply.status_code == 200


@pytest.mark.parametrize("path", ["/cds-services", "/health", "/sandbox", "/nothing"])
@pytest.mark.parametrize("address", ELSEWHERE)
def test_other_machines_are_not(app: Flask, address: str, path: str) -> None:
    reply = app.test_client().get(path, environ_base={"REMOTE_ADDR": address})
    text = assert_outcome(reply, 403)
    assert "CDS_CLIENTS_FILE" in text
    assert "CDS_OPEN" in text


@pytest.mark.parametrize("path", ["/metrics", "/feedback/report", "/feedback/report.csv"])
@pytest.mark.parametrize("address", ELSEWHERE)
def test_other_machines_do_not_learn_of_the_operators_addresses(
    app: Flask, address: str, path: str
) -> None:
    assert_outcome(app.test_client().get(path, environ_base={"REMOTE_ADDR": address}), 404)


OWN_HOSTS = ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"]
OTHER_HOSTS = ["evil.example", "evil.example:8000", "localhost.evil.example", "192.0.2.7", "[::"]
REBOUND = ["/cds-services", "/explain/x", "/feedback/report", "/metrics", "/sandbox", "/nothing"]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_a_loopback_name_is_served(app: Flask, host: str) -> None:
    assert app.test_client().get("/cds-services", headers={"Host": host}).status_code == 200


@each_row("path", REBOUND)
@each_row("host", OTHER_HOSTS)
def test_a_name_that_was_pointed_at_this_machine_is_not(app: Flask, host: str, path: str) -> None:
    """DNS rebinding: a page's own host name leads to the loopback address."""
    hidden = path.startswith(("/metrics", "/feedback/report"))
    reply = app.test_client().get(path, headers={"Host": host})
    text = assert_outcome(reply, 404 if hidden else 403)
    assert hidden or ("CDS_PUBLIC_URL" in text and "CDS_OPEN" in text)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_probe_may_use_any_name(app: Flask, path: str) -> None:
    ready(app.test_client())
    assert app.test_client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_the_public_name_is_served(tmp_path: Path) -> None:
    settings = Settings(public_url="https://cds.example.org/magnesium", data_dir=str(tmp_path))
    client = create_app(settings).test_client()
    host = {"Host": "cds.example.org"}
    assert client.get("/cds-services", headers=host).status_code == 200
    assert_outcome(client.get("/cds-services", headers={"Host": "example.org"}), 403)


@pytest.mark.parametrize(
    ("origin", "answered"),
    [
        ("https://evil.example", False),
        ("http://evil.example:8000", False),
        ("null", False),
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("https://sandbox.cds-hooks.org", True),
    ],
)
@pytest.mark.parametrize("opened", [False, True])
def test_a_page_of_an_unknown_origin_cannot_post(
    tmp_path: Path, origin: str, answered: bool, opened: bool
) -> None:
    client = create_app(Settings(open=opened, data_dir=str(tmp_path))).test_client()
    body = {"json": {}, "headers": {"Origin": origin}}
    reply = client.post("/cds-services/magnesium-migraine-patient-view", **body)
    if answered:
        assert_outcome(reply, 400)
    else:
        text = assert_outcome(reply, 403)
        assert "CDS_ORIGINS" in text


def test_a_page_of_the_service_itself_can_post(tmp_path: Path) -> None:
    settings = Settings(origins="https://ehr.example.org", open=True, data_dir=str(tmp_path))
    client = create_app(settings).test_client()
    headers = {"Host": "cds.test:8000", "Origin": "http://cds.test:8000"}
    reply = client.post("/cds-services/magnesium-migraine-patient-view", json={}, headers=headers)
    assert_outcome(reply, 400)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_nobody_is_served_through_a_proxy_here(app: Flask, name: str) -> None:
    assert_outcome(app.test_client().get("/cds-services", headers={name: "192.0.2.7"}), 403)


def test_open_on_purpose_serves_anybody_but_operators(tmp_path: Path) -> None:
    client = create_app(Settings(open=True, data_dir=str(tmp_path))).test_client()
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/cds-services", environ_base=elsewhere).status_code == 200
    assert_outcome(client.get("/metrics", environ_base=elsewhere), 404)
    assert_outcome(client.get("/feedback/report", environ_base=elsewhere), 404)


@pytest.mark.server
@pytest.mark.parametrize("host", [EVERYWHERE, "::"])
def test_listening_for_others_refuses_to_start(tmp_path: Path, host: str) -> None:
    code, output = started_with(tmp_path, "--host", host)
    assert code == 2
    assert output.count("\n") == 1
    assert "CDS_OPEN=1" in output


@pytest.mark.server
@pytest.mark.parametrize(
    "command",
    [
        ["granian", "--interface", "wsgi", "--no-ws", "--host", EVERYWHERE, "--port", "{}"],
        ["gunicorn", "--no-control-socket", "--bind", f"{EVERYWHERE}:{{}}"],
    ],
    ids=["granian", "gunicorn"],
)
def test_whichever_server_listens_for_others(tmp_path: Path, command: list[str]) -> None:
    port = free_port()
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", *(part.format(port) for part in command), "app:app"],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode != 0
    assert "CDS_OPEN=1" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.server
def test_open_on_purpose_is_warned_of_at_each_start(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", EVERYWHERE, CDS_OPEN="1") as server:
        assert server.ask("GET", "/cds-services").status == 200
        output = server.stop()
    assert '"level":"warning"' in output
    assert "CDS_OPEN is set" in output


@pytest.mark.server
def test_loopback_alone_is_said_at_the_start(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        output = server.stop()
    assert "only this machine is served" in output


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        (EVERYWHERE, False),
        ("::", False),
        ("10.0.0.1", False),
        ("cds.example.org", False),
    ],
)
def test_which_addresses_are_this_machine_alone(address: str, here: bool) -> None:
    assert is_loopback(address) is here
