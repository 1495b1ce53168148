"""SIGHUP takes a changed site file into all workers or into none, and loses no call."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.site.load import read_site

from ..security.conftest import NORTH, PUBLIC, SOUTH, Ehr
from ..support import charts, issuing
from ..support.decisions import knowledge
from ..support.fhir import PATIENT_VIEW
from ..support.serving import HOST, Reply, Running, free_port, serving, started_with
from .test_supervision import wait_for

HOOK = f"/cds-services/{PATIENT_VIEW}"
NAMED = "site: {{id: {name}, title: Example}}\n"
NOT_BUILT = "is planned but not built yet, so it must not be in the file"
pytestmark = pytest.mark.server


def _label(server: Running) -> str:
    return str(server.ask("GET", "/ready").json.get("site", "")).partition("+")[0]


def _in_force(metrics: Reply) -> dict[str, str]:
    """The metric of each site file, by its id."""
    lines = [
        one for one in metrics.body.decode().splitlines() if one.startswith("cds_knowledge_info{")
    ]
    return {line.partition('site="')[2].partition("+")[0]: line[-3:] for line in lines}


def _call_until(stop: threading.Event, server: Running, seen: Counter[Any]) -> None:
    body = charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())
    while not stop.is_set():
        try:
            reply = server.ask("POST", HOOK, body)
            card = reply.json["cards"][0]["extension"]["org.magnesium-migraine.decision"]
            seen[card["site"].partition("+")[0]] += 1
        except Exception as error:  # noqa: BLE001 - counted: none may be lost
            seen[type(error).__name__] += 1


def test_a_changed_file_is_used_and_a_faulty_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(NAMED.format(name="first"), encoding="utf-8")
    with serving(tmp_path, "--workers", "2", CDS_SITE_FILE=str(file)) as server:
        assert "Site file  first+" in server.output
        seen: Counter[Any] = Counter()
        stop = threading.Event()
        callers = [
            threading.Thread(target=_call_until, args=(stop, server, seen), daemon=True)
            for _ in "ab"
        ]
        for caller in callers:
            caller.start()
        old = set(server.workers())

        file.write_text(NAMED.format(name="second"), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        used = r"the site file second\+\w+ is in force"
        wait_for(lambda: len(re.findall(used, server.output)) == 2, 60)  # each worker
        assert {_label(server) for _ in range(20)} == {"second"}

        file.write_text("site: {id: third}\n", encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "is not used" in server.output, 60)
        assert "line 1: site: needs title" in server.output
        assert {_label(server) for _ in range(20)} == {"second"}
        assert set(server.workers()) == old

        stop.set()
        for caller in callers:
            caller.join()
        assert set(seen) == {"first", "second"}
        assert _in_force(server.ask("GET", "/metrics")) == {"first": "0.0", "second": "1.0"}


def test_the_operators_port_follows_the_file(tmp_path: Path) -> None:
    """Its process counts too: the metrics of all processes are added up."""
    file = tmp_path / "site.yaml"
    file.write_text(NAMED.format(name="first"), encoding="utf-8")
    port = free_port()
    address = {"CDS_OPERATOR_ADDRESS": f"{HOST}:{port}", "CDS_SITE_FILE": str(file)}
    with serving(tmp_path, **address) as server:
        assert _in_force(server.ask("GET", "/metrics", port=port)) == {"first": "1.0"}
        file.write_text(NAMED.format(name="other"), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: _label(server) == "other", 60)
        wanted = {"first": "0.0", "other": "1.0"}
        wait_for(lambda: _in_force(server.ask("GET", "/metrics", port=port)) == wanted, 10)


def test_a_faulty_file_stops_the_start_with_one_line(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("site: {id: a, title: A}\nlanguage: de\n", encoding="utf-8")
    code, output = started_with(tmp_path, CDS_SITE_FILE=str(file))
    assert (code, output.splitlines()) == (
        2,
        [f"CDS_SITE_FILE: site.yaml, line 2: language: {NOT_BUILT}"],
    )


def test_approvals_are_reloaded_and_required(tmp_path: Path) -> None:
    """The hash does not cover the approvals. A file that is not approved is refused."""
    text = NAMED.format(name="a")
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    code, output = started_with(tmp_path, CDS_SITE_FILE=str(file), CDS_REQUIRE_APPROVED="true")
    assert (code, output.count("\n")) == (2, 1)
    assert output.startswith("CDS_REQUIRE_APPROVED: not approved: knowledge ")
    code, output = started_with(tmp_path, CDS_REQUIRE_APPROVED="true")
    assert (code, output.count("\n")) == (2, 1)

    approvals = [f"  - {{name: A, role: r, date: 2026-11-27, of: knowledge {knowledge().hash}}}\n"]
    site = read_site(file, knowledge(), HOOKS_OF_FILES, datetime.now(UTC).date())
    approvals.append(f"  - {{name: A, role: r, date: 2026-11-27, of: site {site.hash}}}\n")
    file.write_text(text + "approvals:\n" + approvals[0], encoding="utf-8")
    with serving(tmp_path, CDS_SITE_FILE=str(file)) as server:
        assert "NOT APPROVED for patient care: the site." in server.output
        assert server.ask("GET", "/ready").json["approved"] is False

        file.write_text(text + "approvals:\n" + "".join(approvals), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(server.ask("GET", "/ready").json["approved"]), 60)
        wait_for(lambda: "Approved." in server.output)
        metrics = server.ask("GET", "/metrics").body.decode()
        lines = [line for line in metrics.splitlines() if line.startswith("cds_knowledge_info{")]
        assert {line.partition('approved="')[2][:4]: line[-3:] for line in lines} == {
            "fals": "0.0", "true": "1.0",
        }  # fmt: skip
        body = charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())
        (card, *_) = server.ask("POST", HOOK, body).json["cards"]
        assert card["source"]["label"] == "Magnesium and migraine rules v2"

    required = {"CDS_SITE_FILE": str(file), "CDS_REQUIRE_APPROVED": "true"}
    with serving(tmp_path, **required) as server:
        file.write_text(
            text.replace("Example", "Other") + "approvals:\n" + "".join(approvals), encoding="utf-8"
        )
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "is not used" in server.output, 60)
        assert "CDS_REQUIRE_APPROVED: not approved: site " in server.output
        assert server.ask("GET", "/ready").json["site"] == site.label


def _client(name: str, iss: str, key: issuing.PrivateKey) -> dict[str, Any]:
    return {"name": name, "iss": iss, "jwks": {"keys": [issuing.public_jwk(key, f"{name}-1")]}}


def _send_until(stop: threading.Event, ehr: Ehr, seen: Counter[Any]) -> None:
    while not stop.is_set():
        try:
            seen[ehr.send(HOOK, ehr.token(HOOK)).status] += 1
        except Exception as error:  # noqa: BLE001 - counted: none may be lost
            seen[type(error).__name__] += 1


@pytest.mark.parametrize("with_site", [False, True], ids=["no site file", "site file"])
def test_a_changed_file_of_clients_is_used_and_a_faulty_one_is_not(
    tmp_path: Path, with_site: bool
) -> None:
    """A fault in it must not end workers: none could start again."""
    file, site = tmp_path / "clients.json", tmp_path / "site.yaml"
    site.write_text(NAMED.format(name="first"), encoding="utf-8")
    keys = {name: issuing.new_key("ES384") for name in ("north", "south")}
    north = _client("north", NORTH, keys["north"])
    file.write_text(json.dumps({"clients": [north]}))
    settings = {"CDS_CLIENTS_FILE": str(file), "CDS_PUBLIC_URL": PUBLIC}
    if with_site:
        settings["CDS_SITE_FILE"] = str(site)
    with serving(tmp_path, "--workers", "2", **settings) as server:
        ehrs = {
            name: Ehr(server, iss, keys[name], f"{name}-1", "ES384")
            for name, iss in (("north", NORTH), ("south", SOUTH))
        }

        def status(name: str) -> int:
            return ehrs[name].send(HOOK, ehrs[name].token(HOOK)).status

        assert (status("north"), status("south")) == (200, 401)
        old = set(server.workers())
        seen: Counter[Any] = Counter()
        stop = threading.Event()
        caller = threading.Thread(target=_send_until, args=(stop, ehrs["north"], seen), daemon=True)
        caller.start()

        file.write_text('{"clients": [{"name": "north"}]}')
        site.write_text(NAMED.format(name="second"), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the changed file of clients is not used" in server.output, 60)
        assert "clients.json: clients[0]" in server.output
        assert {status("north") for _ in range(10)} == {200}
        assert set(server.workers()) == old
        # One of them has a fault, so neither is used.
        assert _label(server) == ("first" if with_site else "")

        south = _client("south", SOUTH, keys["south"])
        file.write_text(json.dumps({"clients": [north, south]}))
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: old.isdisjoint(server.workers()) and status("south") == 200, 60)
        assert {status("south") for _ in range(20)} == {200}
        assert _label(server) == ("second" if with_site else "")

        stop.set()
        caller.join()
        assert set(seen) == {200}

        # A worker that is replaced while the file has a fault reads the copy.
        file.write_text("{")
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_for(lambda: "a worker died and is replaced" in server.output)
        wait_for(lambda: len(server.workers()) == 2)
        assert {status("south") for _ in range(20)} == {200}


def test_without_a_change_of_clients_the_workers_stay(tmp_path: Path) -> None:
    file, site = tmp_path / "clients.json", tmp_path / "site.yaml"
    site.write_text(NAMED.format(name="first"), encoding="utf-8")
    client = _client("north", NORTH, issuing.new_key("ES384"))
    file.write_text(json.dumps({"clients": [client]}))
    settings = {"CDS_CLIENTS_FILE": str(file), "CDS_PUBLIC_URL": PUBLIC, "CDS_SITE_FILE": str(site)}
    with serving(tmp_path, **settings) as server:
        old = server.workers()
        site.write_text(NAMED.format(name="second"), encoding="utf-8")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: _label(server) == "second", 60)
        file.unlink()
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "clients.json cannot be read: No such file" in server.output, 60)
        assert server.workers() == old


def test_a_client_with_an_unsafe_fhir_server_stops_the_start_with_one_line(tmp_path: Path) -> None:
    client = _client("north", NORTH, issuing.new_key("ES384"))
    file = tmp_path / "clients.json"
    file.write_text(json.dumps({"clients": [client | {"fhirServers": ["http://10.0.0.1/fhir"]}]}))
    code, output = started_with(tmp_path, CDS_CLIENTS_FILE=str(file), CDS_PUBLIC_URL=PUBLIC)
    line = "CDS_CLIENTS_FILE: a member of fhirServers of north is not a safe address."
    assert (code, output.splitlines()) == (2, [line])
