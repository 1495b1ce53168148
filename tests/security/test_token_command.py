"""`python -m cds_service token`: an integrator's first signed call."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import jwt
import pytest

from cds_service.cli.main import main
from cds_service.trust.clients import read_clients

from ..support.fhir import PATIENT_VIEW
from ..support.serving import ROOT, serving
from .conftest import PUBLIC, hook_request

HOOK = f"/cds-services/{PATIENT_VIEW}"
ISS = "https://ehr.example.org"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "client"
    assert main(["token", "new", str(made), "--iss", ISS]) == 0
    return made


def test_the_entry_is_one_that_the_service_takes(folder: Path) -> None:
    (client,) = read_clients(folder / "clients.json").values()
    assert client.iss == ISS
    assert client.name == "test-client"
    assert "PRIVATE" not in (folder / "clients.json").read_text()


def test_the_private_key_is_for_its_owner_alone(folder: Path) -> None:
    mode = stat.S_IMODE((folder / "private-key.pem").stat().st_mode)
    assert mode == stat.S_IRUSR | stat.S_IWUSR


def test_what_is_there_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "private-key.pem").read_bytes()
    assert main(["token", "new", str(folder), "--iss", ISS]) == 2
    assert (folder / "private-key.pem").read_bytes() == before
    assert "nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize("broken", ["private-key.pem", "clients.json"])
@pytest.mark.parametrize("content", [None, "", "{}", '{"clients": [1]}'])
def test_a_folder_without_a_key_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], broken: str, content: str | None
) -> None:
    (folder / broken).unlink()
    if content is not None:
        (folder / broken).write_text(content)
    assert main(["token", "sign", str(folder), "--url", PUBLIC]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(folder) in said


@pytest.mark.server
def test_a_signed_call_is_answered_once(folder: Path, tmp_path: Path) -> None:
    clients = str(folder / "clients.json")
    with serving(tmp_path, CDS_CLIENTS_FILE=clients, CDS_PUBLIC_URL=PUBLIC) as server:
        done = subprocess.run(  # noqa: S603
            [
                *(sys.executable, "-m", "cds_service", "token", "sign"),
                *(str(folder), "--url", PUBLIC + HOOK),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
        assert server.ask("POST", HOOK, hook_request(), headers).status == 200
        assert server.ask("POST", HOOK, hook_request(), headers).status == 401


def test_the_whole_call_is_a_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    arguments = ["--url", PUBLIC + HOOK, "--body", "call.json", "--tenant", "ward-a"]
    assert main(["token", "sign", str(folder), *arguments]) == 0
    said = capsys.readouterr().out
    assert said.startswith("curl ")
    assert "--data @call.json" in said
    assert said.rstrip().endswith(PUBLIC + HOOK)


def test_a_client_with_one_audience_and_a_long_lifetime(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "client")
    options = ["--aud", PUBLIC, "--lifetime", "900"]
    assert main(["token", "new", folder, "--iss", ISS, *options]) == 0
    (client,) = read_clients(Path(folder) / "clients.json").values()
    assert (client.audiences, client.max_lifetime_seconds) == ((PUBLIC,), 900)
    capsys.readouterr()
    assert main(["token", "sign", folder, "--url", PUBLIC + HOOK, *options]) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["aud"] == PUBLIC
    assert claims["exp"] - claims["iat"] == 900


def test_the_example_of_clients_is_valid() -> None:
    example = ROOT / "deploy" / "clients.example.json"
    clients = read_clients(example)
    assert {c.name: c.max_lifetime_seconds for c in clients.values()}["epic-south"] == 900
    assert json.loads(example.read_text())
