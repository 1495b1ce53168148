"""The local engine: one result for any order, any number of workers, and any interruption."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.cli.main import main
from cds_service.rehearsal import local
from cds_service.rehearsal.errors import RehearsalError, StoppedError, UsageError
from cds_service.rehearsal.journal import Journal
from cds_service.rehearsal.moments import HOOKS
from tests.support.waiting import wait_for

from .population import (
    LISINOPRIL,
    MAGNESIUM_OXIDE,
    TOPIRAMATE,
    Resource,
    egfr,
    eligible,
    order,
    patient,
    visit,
    write_export,
)
from .running import cards, rows, run, summary

AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}


def population(number: int = 12) -> list[Resource]:
    """Patients with and without cards, in several partitions."""
    found: list[Resource] = []
    for n in range(number):
        own = f"p{n}"
        found += eligible(own) if n % 3 else [patient(own)]
        found += [egfr(own, f"{own}-e", 20 + 7 * n, "2026-01-10")]
        found += [visit(own, f"{own}-v{m}", f"2026-0{m}-01T09:00:00Z") for m in range(1, 6)]
        drug = (MAGNESIUM_OXIDE, TOPIRAMATE, LISINOPRIL)[n % 3]
        found += [order(own, f"{own}-o{m}", drug, f"2026-0{m}-02") for m in (2, 4)]
    return found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("export"), population(), manifest=AS_OF)


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(source, tmp_path_factory.mktemp("run") / "out")


def same(one: Path, other: Path) -> bool:
    return all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in ("decisions.parquet", "summary.json")
    )


def test_there_is_something_to_compare(expected: Path) -> None:
    assert len({row["card"] for row in rows(expected)}) > 3
    assert len(rows(expected)) > 60


def test_the_order_of_files_and_lines_changes_nothing(expected: Path, tmp_path: Path) -> None:
    resources = population()
    random.Random(7).shuffle(resources)  # noqa: S311
    folder = write_export(tmp_path / "in", resources, manifest=AS_OF, parts=4, zipped=True)
    assert same(run(folder, tmp_path / "out"), expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 5])
def test_the_number_of_workers_changes_nothing(
    source: Path, expected: Path, tmp_path: Path, workers: int
) -> None:
    assert same(run(source, tmp_path / "out", workers=workers), expected)


def test_the_number_of_partitions_changes_nothing(
    source: Path, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "partition_bits", lambda _: 6)
    out = run(source, tmp_path / "out")
    assert rows(out) == rows(expected)
    assert summary(out) == summary(expected)


@pytest.mark.parametrize("after", [0, 1, 4, 9, 13])
def test_a_stopped_run_continues(
    source: Path, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Ctrl-C after so many tasks: the rest gives the same files."""
    done, count = Journal.done, 0

    def stopping(self: Journal, phase: str, task: str, result: Any) -> None:
        nonlocal count
        if count == after:
            raise KeyboardInterrupt
        count += 1
        done(self, phase, task, result)

    monkeypatch.setattr(Journal, "done", stopping)
    with pytest.raises(StoppedError, match="--resume"):
        run(source, tmp_path / "out")
    monkeypatch.setattr(Journal, "done", done)
    with pytest.raises(UsageError, match="not empty"):
        run(source, tmp_path / "out")
    assert same(run(source, tmp_path / "out", resume=True), expected)


def test_a_journal_that_was_cut_off_is_continued(
    source: Path, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(StoppedError):
        run(source, tmp_path / "out")
    monkeypatch.undo()
    journal = tmp_path / "out" / "work" / "journal.ndjson"
    journal.write_bytes(journal.read_bytes()[:-7])
    assert same(run(source, tmp_path / "out", resume=True), expected)


@pytest.mark.parametrize("where", ["write_summary", "write_review", "write_report"])
def test_a_run_that_was_stopped_while_its_files_were_written_continues(
    source: Path, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    module = f"cds_service.rehearsal.{where.removeprefix('write_')}"
    monkeypatch.setattr(f"{module}.{where}", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(StoppedError, match="--resume"):
        run(source, tmp_path / "out")
    monkeypatch.undo()
    out = run(source, tmp_path / "out", resume=True)
    assert same(out, expected)
    assert {path.name for path in out.iterdir()} == {path.name for path in expected.iterdir()}


def test_another_run_is_not_continued(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(StoppedError):
        run(source, tmp_path / "out")
    with pytest.raises(UsageError, match="another input"):
        run(source, tmp_path / "out", resume=True, history=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="no interrupted run"):
        run(source, tmp_path / "other", resume=True)


def test_a_full_disk_says_so(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every write as a full disk does."""
    made = Journal.__init__

    def on_a_full_disk(self: Journal, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        self._file = Path("/dev/full")

    monkeypatch.setattr(Journal, "__init__", on_a_full_disk)
    with pytest.raises(StoppedError, match="disk is full"):
        run(source, tmp_path / "out")


@pytest.mark.parametrize(
    "name", ["decisions.unfinished", "summary.json", "review.csv", "report.html"]
)
def test_a_disk_that_is_full_at_the_end_says_so(
    source: Path, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(local, "merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(StoppedError):
        run(source, tmp_path / "out")
    monkeypatch.undo()
    (tmp_path / "out" / name).symlink_to("/dev/full")
    with pytest.raises(StoppedError, match=r"disk is full.*--resume"):
        run(source, tmp_path / "out", resume=True)
    (tmp_path / "out" / name).unlink()
    assert same(run(source, tmp_path / "out", resume=True), expected)


def test_a_folder_that_cannot_be_made_is_one_line(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RehearsalError, match=r"file.*: Not a directory") as raised:
        run(source, tmp_path / "file" / "out")
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("phase", ["latest date", "Gathering"])
def test_control_c_ends_all_processes_and_the_run_continues(
    expected: Path, tmp_path: Path, phase: str
) -> None:
    """A terminal sends the signal to every process of the command."""
    folder = write_export(tmp_path / "in", population())
    day = ["--as-of", "2026-11-22"] if phase != "latest date" else []
    command = [sys.executable, "-m", "cds_service", "rehearse", str(folder), *day]
    command += ["--out", str(tmp_path / "out"), "--workers", "2"]
    # What a shell runs in the background ignores the signal, and so would its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(  # noqa: S603
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if phase in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.splitlines()[-1:] == ["Stopped. Run the same command with --resume to continue."]
    assert "Traceback" not in said
    wait_for(lambda: not _processes_of(process.pid))
    ended = subprocess.run([*command, "--resume"], capture_output=True, check=False)  # noqa: S603
    assert ended.returncode == 0
    if day:
        assert rows(tmp_path / "out") == rows(expected)


def _processes_of(session: int) -> list[str]:
    """The processes that are left of a session."""
    found = []
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat_file.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(stat_file.parent.name)
    return found


def test_only_the_owner_may_read_what_is_written(expected: Path) -> None:
    assert {stat.S_IMODE(f.stat().st_mode) for f in expected.iterdir()} == {0o600}
    assert not (expected / "work").exists()


def test_a_bad_site_file_is_one_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.yaml").write_text("cards: {mg-suggest: {mode: loud}}")
    site = ["--site", str(tmp_path / "site.yaml")]
    with pytest.raises(SystemExit) as ended:
        main(["rehearse", str(source), "--out", str(tmp_path / "out"), *site])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert (said.count("\n"), said.startswith("--site: site.yaml")) == (1, True)


SITE = """
site: {id: example, title: Example, contact: cds@example.org}
mode: {silent: true, until: UNTIL}
cards: {mg-suggest: {mode: never}}
"""


def test_a_site_file_is_in_force_but_for_its_silent_mode(
    source: Path, expected: Path, tmp_path: Path
) -> None:
    until = datetime.now(UTC).date() + timedelta(days=30)
    (tmp_path / "site.yaml").write_text(SITE.replace("UNTIL", until.isoformat()))
    found = rows(run(source, tmp_path / "out", site=tmp_path / "site.yaml"))
    assert {row["site"].partition("+")[0] for row in found} == {"example"}
    assert {row["card"] for row in found} == {row["card"] for row in rows(expected)} - {
        "mg-suggest"
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--workers", "1"], 0),
        (["--workers", "0"], 2),
        (["--hooks", "patient-wiev"], 2),
        (["--from", "2026-02-01", "--to", "2026-01-01"], 2),
        (["--as-of", "yesterday"], 2),
        (["--moments", "as-of"], 0),
        (["--moments", "as-of", "--hooks", "patient-view"], 0),
        (["--moments", "as-of", "--hooks", "order-sign"], 2),
        (["--moments", "as-of", "--hooks", "patient-view,order-sign"], 2),
        (["--moments", "as-of", "--from", "2026-01-01"], 2),
        (["--moments", "as-of", "--to", "2026-01-01"], 2),
    ],
)
def test_the_command(
    source: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["rehearse", str(source), "--out", str(tmp_path / "out"), *arguments]
    try:
        ended: Any = main(command)
    except SystemExit as error:
        ended = error.code
    assert ended == code
    said = capsys.readouterr()
    assert "p1" not in said.out + said.err.replace("pytest", "")
    if code == 0:
        assert cards(tmp_path / "out")
        hooks = summary(tmp_path / "out")["hooks"]
        assert hooks == (["patient-view"] if "as-of" in arguments else list(HOOKS))
    else:
        assert said.err.count("\n") == 1 or said.err.startswith("usage:")


def test_no_input_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rehearse", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
