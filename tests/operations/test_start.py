"""A store that cannot be used stops the start, with the setting and the reason in one line."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service.store.starting import why_unusable
from cds_service.store.store import Store
from cds_service.trust.ledger import FileLedger

from ..support import postgres
from ..support.serving import ROOT, serving, started_with


def a_file(directory: Path) -> str:
    (directory / "data").write_text("not a directory")
    return str(directory / "data")


def no_database(directory: Path) -> str:
    (directory / "data").mkdir()
    (directory / "data" / "cds.sqlite3").write_text(
        "this is no database, but a text of some length"
    )
    return str(directory / "data")


def a_folder_in_the_place_of_the_file(directory: Path) -> str:
    (directory / "data" / "cds.sqlite3").mkdir(parents=True)
    return str(directory / "data")


@pytest.mark.server
@pytest.mark.parametrize("make", [a_file, no_database, a_folder_in_the_place_of_the_file])
def test_a_data_directory_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], str]) -> None:
    code, output = started_with(tmp_path, CDS_DATA_DIR=make(tmp_path))
    assert code == 2
    assert output.startswith("CDS_DATA_DIR: the database cannot be used, because ")
    assert output.count("\n") == 1


@pytest.mark.server
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://cds:secret@127.0.0.1:9/cds", "no server responds at its address"),
        ("postgresql://cds:secret@no-such-host.invalid/cds", "its host is not known"),
        ("postgresql://cds:secret@/cds?host=/no/such/folder", "its socket does not exist"),
        ("sqlite:////proc/cds.sqlite3", ""),
    ],
)
def test_a_database_that_cannot_be_used(tmp_path: Path, url: str, why: str) -> None:
    code, output = started_with(tmp_path, CDS_DATABASE_URL=url)
    assert code == 2
    assert output.startswith("CDS_DATABASE_URL: the database cannot be used, because " + why)
    assert output.count("\n") == 1
    assert "secret" not in output


def test_a_database_that_is_not_there() -> None:
    try:
        with postgres.controlled("fsync=off") as server:
            assert why_unusable(server.url) == ""
            there = server.url.replace("/postgres?", "/other?")
            assert why_unusable(there) == "the database does not exist"
            unknown = server.url.replace("cds@", "nobody@")
            assert why_unusable(unknown) == "its server does not know the user"
    except postgres.MissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.server
def test_a_data_directory_that_is_missing_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    with serving(tmp_path, CDS_DATA_DIR=str(tmp_path / "new" / "data")):
        assert stat.S_IMODE((tmp_path / "new" / "data").stat().st_mode) == stat.S_IRWXU
        for file in (tmp_path / "new" / "data").iterdir():
            assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file


@pytest.mark.parametrize("name", ["cds.sqlite3", "trust.sqlite3"])
def test_files_that_others_can_read_are_closed_to_them(tmp_path: Path, name: str) -> None:
    before = os.umask(0o022)
    try:
        file = tmp_path / name
        for side in ("", "-wal", "-shm"):
            file.with_name(name + side).touch(mode=0o644)
        if name == "cds.sqlite3":
            store = Store(f"sqlite:///{file}", 30)
            store.purge()
            store.close()
        else:
            ledger = FileLedger(file)
            ledger.check()
            ledger.close()
        for found in tmp_path.iterdir():
            assert not stat.S_IMODE(found.stat().st_mode) & 0o077, found
    finally:
        os.umask(before)


def test_a_start_imports_nothing_that_only_a_site_file_or_a_call_needs() -> None:
    """Each of these takes a tenth of the start or more."""
    script = "import sys, tools.serve; from app import app; print(*sys.modules)"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    late = {"jsonschema", "yaml", "sqlalchemy", "fhir", "jwt", "urllib3", "opentelemetry", "mcp"}
    assert late & set(done.stdout.split()) == set()
