"""The commands of the documents bring back a lost database, with the same report as before.

The service runs with real calls and feedback, is backed up while it runs, loses its data, and is
restored. `docs/operations.md` has the commands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ..docs.commands import all_commands
from ..feedback.calling import accepted, overridden
from ..support import postgres
from ..support.serving import ROOT, Running, serving
from ..support.waiting import wait_for
from .conftest import HOOK, hook_request

pytestmark = pytest.mark.server
CALLS = 12
DOCUMENT = "docs/operations.md"


class Place(msgspec.Struct):
    """A database with its settings, and what destroys it."""

    folder: Path
    settings: dict[str, str]
    backup: str
    restore: str
    lose: Callable[[], None]

    def run(self, command: str) -> str:
        """Run a command as it is written, in a checkout of which only the program is used."""
        (self.folder / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        python = self.folder / ".venv" / "bin" / "python"
        if not python.exists():
            python.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
            python.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
        done = subprocess.run(  # noqa: S603
            ["bash", "-c", command],  # noqa: S607
            cwd=self.folder,
            env=kept | self.settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def psql(self, statement: str, url: str) -> None:
        self.run(f'psql --quiet --dbname="{url}" --command="{statement}"')

    def report(self) -> dict[str, Any]:
        """The feedback report without the time of its making."""
        made = json.loads(self.run(".venv/bin/python -m cds_service feedback report --json"))
        return {name: value for name, value in made.items() if name not in {"since", "until"}}


def documented(part: str) -> str:
    """The one command of the document that contains these words."""
    texts = {c.text for c in all_commands() if c.block.document == DOCUMENT and part in c.text}
    (command,) = texts
    return command


@contextmanager
def sqlite(folder: Path) -> Iterator[Place]:
    data = folder / "data"
    yield Place(
        folder,
        {"CDS_DATA_DIR": str(data)},
        documented("database backup"),
        documented("database restore"),
        lambda: shutil.rmtree(data),
    )


@contextmanager
def postgresql(folder: Path) -> Iterator[Place]:
    """A database of a user without other rights, made by the commands of the document."""
    if shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not installed (on Debian: apt-get install postgresql-client)")
    try:
        with postgres.server() as administrator:
            place = Place(
                folder,
                {"ADMINISTRATOR_URL": administrator},
                documented("pg_dump --format=custom"),
                documented("pg_restore"),
                lambda: None,
            )
            place.run(documented("CREATE ROLE"))
            place.run(documented("CREATE DATABASE"))
            ours = administrator.replace("//cds@/postgres", "//magnesium_cds@/magnesium_cds")
            place.settings = {"CDS_DATA_DIR": str(folder / "data"), "CDS_DATABASE_URL": ours}
            place.lose = lambda: place.psql(
                "DROP OWNED BY magnesium_cds CASCADE",
                administrator.replace("/postgres?", "/magnesium_cds?"),
            )
            yield place
    except postgres.MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=[sqlite, postgresql], ids=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with request.param(tmp_path) as found:
        yield found


@contextmanager
def served(place: Place) -> Iterator[Running]:
    output = place.folder / "output"
    output.mkdir(exist_ok=True)
    with serving(output, "--workers", "2", **place.settings) as server:
        yield server


def use(server: Running, calls: int = CALLS) -> None:
    """Calls with cards, and feedback on each card."""
    for number in range(calls):
        (card, *_) = server.ask("POST", HOOK, hook_request()).json["cards"]
        item = accepted(card) if number % 3 else overridden(card)
        assert server.ask("POST", f"{HOOK}/feedback", {"feedback": [item]}).status == 200


def test_a_lost_database_is_restored_with_the_same_report(place: Place) -> None:
    with served(place) as server:
        use(server)
        wait_for(lambda: place.report()["total"]["issued"] == CALLS)
        before = place.report()
        place.run(place.backup)
        use(server, calls=1)
    place.lose()
    assert before["total"]["accepted"] == CALLS - CALLS // 3

    place.run(place.restore)
    assert place.report() == before
    with served(place) as server:
        use(server, calls=2)
        wait_for(lambda: place.report()["total"]["issued"] == CALLS + 2)
    shown = place.run(documented("database show"))
    assert "migration step" in shown


def test_a_running_service_is_not_restored_over(tmp_path: Path) -> None:
    with sqlite(tmp_path) as place, served(place) as server:
        use(server, calls=1)
        place.run(place.backup)
        with pytest.raises(AssertionError, match=r"is in use .* Stop the service first"):
            place.run(place.restore)
        use(server, calls=1)
        wait_for(lambda: place.report()["total"]["issued"] == 2)
