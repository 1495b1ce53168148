"""The commands of the documents: which are run by the tests, and why the others are not.

A command is run if one of the patterns of `RUN` or `SERVERS` matches it, unless a row of `NOT_RUN`
does. A command that none of them matches fails the test.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .reading import DOCUMENTS, Block, fences_of

SHELL = "sh"
LANGUAGES = {SHELL, "json", "yaml", "text", "ini", "nginx", "haproxy", "sql", "python", "mermaid"}
"""What may follow the fence of a block. `text` is for everything that has no language."""
ANSWER = "answer"
"""Follows the language of a block that shows what the last command of the block before it prints."""

_SETTINGS = r"(?:[A-Z_]+=(?:\"[^\"]*\"|'[^']*'|\S*) )*"
SERVERS = re.compile(rf"{_SETTINGS}(?:make (?:run|serve)|\.venv/bin/python -m tools\.serve)\b.*")
"""Started in the background, and stopped at the end of the document or by the next one."""
RUN = (
    re.compile(rf"{_SETTINGS}\.venv/bin/python -m cds_service\b.*", re.DOTALL),
    re.compile(r"curl .*http://127\.0\.0\.1:8000/.*", re.DOTALL),
    re.compile(r"(?:cp|mkdir|mv|cat|export|echo|openssl) .*", re.DOTALL),
    re.compile(r"[A-Z_]+=\S*"),
    re.compile(r"make (?:help|knowledge)"),
)

_TESTS = "runs the tests or checks themselves; CI runs it"
_MINUTES = "takes minutes; CI runs a shorter form"
_INDEX = "needs a package index"


class Reason(NamedTuple):
    """Commands that the tests do not run, and why."""

    pattern: str
    why: str


NOT_RUN = (
    Reason(r"make (?:test|mutate|mutate-sample)", _TESTS),
    Reason(r"make (?:bench|soak)\b.*", _MINUTES),
    Reason(r"\.venv/bin/python -m (?:bench|tests\.mutation)\..*", _MINUTES),
    Reason(r"make install-.*", _INDEX),
    Reason(r"make fhir-server", "needs Java and Maven; `make test-fhir-server` runs the document"),
    Reason(r".* rehearse-marks .*", "needs the marks of a clinician; tests/rehearsal runs it"),
    Reason(r".* --engine spark .*", "needs a Spark cluster; tests/rehearsal runs the engine"),
    Reason(
        r"(?:git archive .* )?sudo .*",
        "needs root and systemd; tests/operations/test_install.py runs it with other folders",
    ),
    Reason(
        r"(?:helm|kubectl) .*",
        "needs a cluster; tests/operations/test_helm.py renders the chart",
    ),
    Reason(
        r"(?:docker compose|podman) .*",
        "needs a container engine; tests/operations/test_compose.py checks the files",
    ),
    Reason(
        r"make wheelhouse|PIP_NO_INDEX=1 .* make install",
        "needs a package index; tests/operations/test_install.py runs it",
    ),
    Reason(
        r"(?:\S+ -m cds_service database (?:backup|restore)|psql|pg_dump|pg_restore) .*",
        "needs a database that can be lost; tests/operations/test_backup.py runs it",
    ),
    Reason(
        r".* knowledge diff old\.whl installed",
        "needs the wheel of another version; tests/unit/knowledge/test_difference.py runs it",
    ),
)


class Command(NamedTuple):
    """One command of a block: a line, with the lines that continue it."""

    block: Block
    text: str

    @property
    def reason(self) -> Reason | None:
        """Why it is not run."""
        return next((r for r in NOT_RUN if re.fullmatch(r.pattern, self.text)), None)

    @property
    def is_server(self) -> bool:
        return SERVERS.fullmatch(self.text) is not None

    @property
    def is_run(self) -> bool:
        return self.reason is None and any(p.fullmatch(self.text) for p in RUN)


def commands_of(block: Block) -> list[Command]:
    """Its commands, without comments.

    A line that ends with a backslash, a pipe or && continues, and so does one with text for its
    standard input (`<<'END'`).
    """
    found: list[str] = []
    begun, end = "", ""
    for line in block.text.splitlines():
        if end:
            begun += f"\n{line}"
            end = "" if line == end else end
        else:
            plain = re.sub(r"(?:^|\s+)# .*$|^#.*$", "", line).strip()
            begun = f"{begun} {plain}".strip()
            end = found_end[1] if (found_end := _TEXT.search(plain)) else ""
        if not end and not begun.endswith(("\\", "|", "&&")):
            found += [begun] if begun else []
            begun = ""
        begun = begun.removesuffix("\\").rstrip(" ") if not end else begun
    return [Command(block, text) for text in found]


_TEXT = re.compile(r"<<'(\w+)'$")


def shell_blocks(document: str) -> list[Block]:
    return [block for block in fences_of(document) if block.language == SHELL]


def all_commands() -> list[Command]:
    return [
        command
        for document in DOCUMENTS
        for block in shell_blocks(document)
        for command in commands_of(block)
    ]
