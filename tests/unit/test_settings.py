"""Settings: typed, checked at start, one clear line for what cannot be used, and a page that is current."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service import create_app
from cds_service.settings import (
    VARIABLES,
    Settings,
    SettingsError,
    markdown,
    read_settings,
    unknown_variables,
)

ROOT = Path(__file__).resolve().parent.parent.parent
NO_FILE = Path("no-such-file.env")


def read(**environ: str) -> Settings:
    return read_settings(environ, NO_FILE)


def test_without_variables_the_defaults_hold() -> None:
    assert read() == Settings()
    assert Settings().max_body_bytes == 10_000_000


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("CDS_MAX_BODY_BYTES", "2000", "max_body_bytes", 2000),
        ("CDS_MAX_BODY_BYTES", " 1000 ", "max_body_bytes", 1000),
        (
            "CDS_PUBLIC_URL",
            "https://cds.example/magnesium/",
            "public_url",
            "https://cds.example/magnesium",
        ),
        ("CDS_PUBLIC_URL", "http://localhost:8000", "public_url", "http://localhost:8000"),
        ("CDS_LOG_LEVEL", "warning", "log_level", "WARNING"),
        ("CDS_SANDBOX", "false", "sandbox", False),
        ("CDS_SANDBOX", "0", "sandbox", False),
        ("CDS_SANDBOX", "TRUE", "sandbox", True),
        ("CDS_SANDBOX", "", "sandbox", None),
        ("CDS_PUBLIC_URL", "  ", "public_url", ""),
    ],
)
def test_a_variable_is_read(name: str, text: str, field: str, value: object) -> None:
    assert getattr(read(**{name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CDS_MAX_BODY_BYTES", "plenty"),
        ("CDS_MAX_BODY_BYTES", "999"),
        ("CDS_MAX_BODY_BYTES", "-1"),
        ("CDS_MAX_BODY_BYTES", "1.5"),
        ("CDS_PUBLIC_URL", "cds.example"),
        ("CDS_PUBLIC_URL", "ftp://cds.example"),
        ("CDS_PUBLIC_URL", "https://"),
        ("CDS_PUBLIC_URL", "https://cds.example/?a=b"),
        ("CDS_PUBLIC_URL", "https://cds.example/ a"),
        ("CDS_LOG_LEVEL", "loud"),
        ("CDS_SANDBOX", "perhaps"),
    ],
)
def test_a_bad_value_is_named_without_being_told(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{name: text})
    line = str(caught.value)
    assert line.startswith(f"{name} must be ")
    assert "\n" not in line
    assert text not in line.split()


def test_the_environment_outranks_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\nCDS_SANDBOX=false\nexport CDS_LOG_LEVEL='error'\nOTHER=1\nEMPTY\n"
    )
    assert read_settings({}, file) == Settings(sandbox=False, log_level="ERROR")
    assert read_settings({"CDS_SANDBOX": "true"}, file).sandbox is True


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"CDS_SANDBOX=true\n'unfinished\n", "line 2"),
        (b"CDS_PUBLIC_URL=\xff\n", "cannot be read"),
        (b"CDS_SANDBOX=perhaps\n", "CDS_SANDBOX must be"),
    ],
)
def test_a_bad_file_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        read_settings({}, file)


def test_a_misspelt_variable_is_noticed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert unknown_variables({"CDS_SANDBOKS": "1", "CDS_SANDBOX": "1", "PATH": ""}) == [
        "CDS_SANDBOKS"
    ]
    monkeypatch.setenv("CDS_SANDBOKS", "secret")
    with caplog.at_level(logging.WARNING):
        create_app(Settings())
    assert "CDS_SANDBOKS is not a setting" in caplog.text
    assert "secret" not in caplog.text


SECRETS = {
    "CDS_DATABASE_URL": "postgresql://cds:word@db/cds",
    "CDS_LOCKOUT_KEY": "k" * 32,
    "CDS_LOCKOUT_KEY_OLD": "o" * 32,
    "CDS_LOG_SALT": "salt",
}


def test_the_secrets_are_these() -> None:
    assert {v.name for v in VARIABLES if v.is_secret} == set(SECRETS)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_can_be_in_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRETS[name]}\n")
    assert read(**{f"{name}_FILE": str(file)}) == read(**{name: SECRETS[name]})
    with pytest.raises(SettingsError) as caught:
        read(**{f"{name}_FILE": str(file), name: SECRETS[name]})
    assert str(caught.value) == f"{name} and {name}_FILE are both set. Remove one."
    assert unknown_variables({f"{name}_FILE": "", "CDS_SANDBOX_FILE": ""}) == ["CDS_SANDBOX_FILE"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "CDS_LOCKOUT_KEY_FILE: the file cannot be read: No such file or directory."),
        (b"\xff", "CDS_LOCKOUT_KEY_FILE: the file cannot be read: it is not a text."),
        (b" \n", "CDS_LOCKOUT_KEY_FILE: the file is empty."),
        (b"short", "CDS_LOCKOUT_KEY must be a text of at least 32 characters without spaces."),
    ],
)
def test_an_unusable_file_of_a_secret(tmp_path: Path, content: bytes | None, line: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read(CDS_LOCKOUT_KEY_FILE=str(file))
    assert str(caught.value) == line


def test_the_page_of_the_docs_is_current() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == markdown(), (
        ".venv/bin/python -m cds_service config --markdown > docs/configuration.md"
    )


def test_every_variable_stands_in_the_table() -> None:
    page = markdown()
    assert len(VARIABLES) == len(Settings.__struct_fields__)
    for variable in VARIABLES:
        assert f"| `{variable.name}` |" in page
        assert variable.purpose
        assert variable.must_be


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["app.py"], 2),
        (["-c", "import app"], 3),
        (["-m", "cds_service", "config"], 2),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line(command: list[str], code: int) -> None:
    """A server that imports the app gets the code by which gunicorn knows a failed start."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "CDS_MAX_BODY_BYTES": "plenty"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr == "CDS_MAX_BODY_BYTES must be a whole number of bytes, at least 1000.\n"


def test_settings_reach_the_service() -> None:
    client = create_app(Settings(sandbox=False, max_body_bytes=1000)).test_client()
    assert client.get("/sandbox/patients").status_code == 404
    path = "/cds-services/magnesium-migraine-patient-view"
    answer = client.post(path, data=b" " * 1001, content_type="application/json")
    assert answer.status_code == 413
    assert "1000 bytes" in answer.get_data(as_text=True)
    assert client.post(path, data=b" " * 1000, content_type="application/json").status_code == 400


def test_the_public_address_stands_in_the_links() -> None:
    client = create_app(Settings(public_url="https://cds.example/mg", open=True)).test_client()
    service = "magnesium-migraine-patient-view"
    body = client.get(f"/sandbox/requests/marigold-fenwick/{service}").get_json()
    for host in ("localhost", "<odd>"):
        answer = client.post(f"/cds-services/{service}", json=body, headers={"Host": host})
        assert answer.get_json()["cards"][0]["links"][0]["url"].startswith(
            "https://cds.example/mg/"
        )


@pytest.mark.parametrize("host", ["", "a b", 'a"b', "<odd>", "a/b", "[::1"])
def test_without_it_a_malformed_host_is_refused(host: str) -> None:
    client = create_app(Settings(open=True)).test_client()
    service = "magnesium-migraine-patient-view"
    body = client.get(f"/sandbox/requests/marigold-fenwick/{service}").get_json()
    answer = client.post(f"/cds-services/{service}", json=body, headers={"Host": host})
    assert answer.status_code == 400
    assert "Host" in answer.get_data(as_text=True)
