"""The documents as data: their links, headings, tables and the words they set in code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.md"),
    )
)

_FENCE = re.compile(r"^( *)(```+)([^\n`]*)\n(.*?)^ *\2$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


class Block(NamedTuple):
    """A block of code between fences. `info` is what follows the first fence, for example `sh`."""

    document: str
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def place(self) -> str:
        return f"{self.document}, line {self.line}"


class Row(NamedTuple):
    """A row of a table, without its heading."""

    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        return " | ".join(self.cells)

    @property
    def code(self) -> list[str]:
        return _CODE.findall(self.text)


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose_of(name: str) -> str:
    """The document without its blocks of code."""
    return _FENCE.sub("", text_of(name))


def fences_of(name: str) -> list[Block]:
    """Its blocks of code, without the indentation of the list that they are in."""
    text = text_of(name)
    return [
        Block(
            name,
            text.count("\n", 0, found.start()) + 1,
            found[3].strip(),
            re.sub(rf"^{found[1]}", "", found[4], flags=re.MULTILINE),
        )
        for found in _FENCE.finditer(text)
    ]


def blocks_of(name: str, language: str) -> list[str]:
    """Its blocks of code in one language."""
    return [block.text for block in fences_of(name) if block.language == language]


def links_of(name: str) -> list[str]:
    """Where its links and pictures lead; addresses in angle brackets too."""
    prose = prose_of(name)
    return _LINK.findall(_CODE.sub("", prose)) + re.findall(r"<(https?://[^>]+)>", prose)


def code_of(name: str) -> list[str]:
    """The words and lines that it sets in code, inside blocks and as indented commands too."""
    joined = (re.sub(r" *\\\n *", " ", block.text) for block in fences_of(name))
    in_blocks = [line for text in joined for line in text.splitlines()]
    return [*_CODE.findall(prose_of(name)), *in_blocks]


def anchors_of(name: str) -> set[str]:
    """The anchors that a forge makes of its headings."""
    plain = (
        re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", h) for h in _HEADING.findall(prose_of(name))
    )
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


def rows_of(name: str) -> Iterator[Row]:
    """The rows of all its tables."""
    lines = prose_of(name).splitlines()
    for line, before in zip(lines[1:], lines, strict=False):
        if line.startswith("|") and before.startswith("|") and not set(line) <= set("|-: "):
            yield Row(tuple(cell.strip() for cell in _CELL.split(line.strip().strip("|"))))
