"""Every command of the documents is run as it is written, or listed with the reason why not."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from cds_service.sandbox.patients import bundle_of, load_all

from .commands import LANGUAGES, NOT_RUN, SHELL, Command, all_commands, commands_of, shell_blocks
from .reading import DOCUMENTS, ROOT, Block, fences_of, prose_of, text_of
from .running import differences, reader

each_document = pytest.mark.parametrize("name", DOCUMENTS)
TO_DO = (
    "is neither run nor listed. If it can run in a checkout without root, network or a container"
    " engine, let a pattern of RUN or SERVERS in tests/docs/commands.py match it. Otherwise add a row"
    " with the reason to NOT_RUN there"
)
PROGRAMS = r"make|python3?|\.venv/bin/\w+|curl|cp|docker|podman|helm|kubectl|sudo|systemctl|pip|\$"
# Other documents whose commands need a program that is not on every machine.
ELSEWHERE = {"docs/integrating-hapi.md": "tests/fhir_server/test_document.py"}
DAY = date(2026, 11, 28)


@each_document
def test_a_block_has_a_language(name: str) -> None:
    for block in fences_of(name):
        assert block.language in LANGUAGES, f"{block.place}: one of {sorted(LANGUAGES)}"


@each_document
def test_commands_are_between_fences(name: str) -> None:
    indented = re.findall(rf"^(?: {{4,}}|\t)(?:{PROGRAMS}) .*$", prose_of(name), re.MULTILINE)
    assert indented == [], f"write it between ```{SHELL} and ```"


@each_document
def test_a_python_command_works_outside_of_the_virtual_environment(name: str) -> None:
    wrong = re.findall(r"(?<!\.venv/bin/)\bpython3? -m (?!venv)\S+", text_of(name))
    assert wrong == [], "write .venv/bin/python -m ..."


@each_document
def test_every_command_is_run_or_listed(name: str) -> None:
    unknown = [
        f"{block.place}: `{command.text}` {TO_DO}"
        for block in shell_blocks(name)
        for command in commands_of(block)
        if not (command.is_run or command.is_server or command.reason)
    ]
    assert unknown == []


def test_every_row_of_the_table_is_needed() -> None:
    reasons = [command.reason for command in all_commands()]
    assert [row.pattern for row in NOT_RUN if row not in reasons] == [], "delete the rows"


def given(name: str, checkout: Path) -> None:
    """The files that a document takes as given."""
    if name == "docs/rehearsal.md":
        (checkout / "export").mkdir()
        for patient in list(load_all())[:2]:
            bundle = bundle_of(patient, DAY)
            (checkout / "export" / f"{patient}.json").write_text(json.dumps(bundle))


@pytest.mark.server
@pytest.mark.parametrize("name", [n for n in DOCUMENTS if shell_blocks(n) and n not in ELSEWHERE])
def test_the_commands_of_a_document_work(name: str, tmp_path: Path) -> None:
    with reader(tmp_path) as somebody:
        given(name, somebody.checkout)
        somebody.follow(name)


# ------------------------------------------------------- the reading of blocks itself


def block(text: str) -> Block:
    return Block("README.md", 1, SHELL, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make run  # start\n# only a comment\n", ["make run"]),
        ("A=1 \\\n  B=2 \\\n  make serve\n", ["A=1 B=2 make serve"]),
        ("cat > a <<'END'\n# {\n}\nEND\nmake run\n", ["cat > a <<'END'\n# {\n}\nEND", "make run"]),
        ("curl -s x |\n  curl -s y\n", ["curl -s x | curl -s y"]),
        ("curl 'http://127.0.0.1:8000/#top'\n", ["curl 'http://127.0.0.1:8000/#top'"]),
    ],
)
def test_the_commands_of_a_block(text: str, expected: list[str]) -> None:
    assert [command.text for command in commands_of(block(text))] == expected


@pytest.mark.parametrize("text", ["rm -rf /", "python -m cds_service", "ssh host make run"])
def test_other_commands_are_neither_run_nor_listed(text: str) -> None:
    command = Command(block(text), text)
    assert not command.is_run
    assert not command.is_server
    assert command.reason is None


def test_an_object_may_be_shown_in_part() -> None:
    actual = {"cards": [{"summary": "a", "detail": "b"}]}
    assert differences({"cards": [{"summary": "a"}]}, actual) == []
    assert differences({"cards": [{"summary": "c"}]}, actual)
    assert differences({"cards": []}, actual)
    assert differences({"other": 1}, actual)


def test_the_tests_that_a_reason_names_are_there() -> None:
    reasons = [*(row.why for row in NOT_RUN), *ELSEWHERE.values()]
    named = [path for why in reasons for path in re.findall(r"tests/[\w/]+(?:\.py)?", why)]
    assert len(named) > 3
    assert [path for path in named if not (ROOT / path).exists()] == []
