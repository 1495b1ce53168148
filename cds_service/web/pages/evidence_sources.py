"""Where the sources of rows lead on the evidence page: paragraphs, references, other projects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from markupsafe import Markup

from cds_service.knowledge.citations import DECISIONS, cited
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.model import Paragraph

_SEED: Final = "SEED"
_STANDARD: Final = re.compile(r"HL7/cds-hooks@(?P<commit>[0-9a-f]+) (?P<path>\S+)")
_HEAD_CELL: Final = re.compile(r"<th scope=\"col\"[^>]*>(?P<text>[^<]*)</th>")
_ROW: Final = re.compile(r"<tr(?P<rest>[^>]*)>(?P<cells>.*?)</tr>", re.DOTALL)
_CELL: Final = re.compile(r"<(?P<name>t[dh])(?P<rest>[^>]*)>")


class Link(NamedTuple):
    """A link of a source: its text and address."""

    text: str
    href: str


class Section(NamedTuple):
    """The cited paragraphs of a section of the specification."""

    number: str
    title: str
    paragraphs: tuple[Paragraph, ...]


def anchor(paragraph_id: str) -> str:
    """The id of a paragraph's place on the page."""
    if paragraph_id.startswith(DECISIONS):
        return f"decision-{paragraph_id.rpartition(' ')[2]}"
    return f"spec-{paragraph_id.replace(' ', '-')}"


def links(source: str) -> tuple[Link, ...]:
    """The links of a source. A source that is only named has none."""
    standard = _STANDARD.match(source)
    if standard is not None:
        address = f"https://github.com/HL7/cds-hooks/blob/{standard['commit']}/{standard['path']}"
        return (Link("CDS Hooks", address),)
    return tuple(_link(one) for one in cited(source))


def _link(one: str) -> Link:
    if one.startswith(DECISIONS):
        return Link(f"Decision {one.rpartition(' ')[2]}", f"#{anchor(one)}")
    if one == _SEED:
        return Link("Starting document", f"#{one}")
    if one[0].isdigit():
        return Link(one, f"#{anchor(one)}")
    return Link(one, f"#{one}")


def sections(defaults: Knowledge) -> tuple[Section, ...]:
    """The paragraphs by section, with the default values: a site does not change the specification."""
    specification = defaults.specification
    grouped = groupby(specification.paragraphs, key=lambda paragraph: paragraph.section)
    return tuple(
        Section(number, specification.sections[number], tuple(paragraphs))
        for number, paragraphs in grouped
    )


def named(paragraph: Paragraph) -> str:
    """The number of a paragraph as it is cited in the text of the page."""
    return paragraph.id.rpartition(" ")[2] if paragraph.id.startswith(DECISIONS) else paragraph.id


def readable_table(table: str) -> Markup:
    """A table of the page that a narrow screen can show row by row.

    Each cell gets the heading of its column, which a style sheet shows next to it. The roles mark it as
    a table for screen readers.
    """
    table = str(table)  # a filter gets Markup, which would escape what is added here
    heads = [head["text"].strip() for head in _HEAD_CELL.finditer(table)]
    before, opened, body = table.partition("<tbody>")
    rows = _ROW.sub(lambda row: _with_labels(row, heads), body)
    before = before.replace("<table", '<table role="table"').replace("<tr", '<tr role="row"')
    before = before.replace('<th scope="col"', '<th role="columnheader" scope="col"')
    return Markup(before + opened + rows)  # noqa: S704 - the templates have escaped the texts


def _with_labels(row: re.Match[str], heads: list[str]) -> str:
    numbered: Iterator[str] = iter(heads)

    def cell(found: re.Match[str]) -> str:
        role = "rowheader" if found["name"] == "th" else "cell"
        label = next(numbered, "")
        return f'<{found["name"]}{found["rest"]} role="{role}" data-label="{label}">'

    return f'<tr{row["rest"]} role="row">{_CELL.sub(cell, row["cells"])}</tr>'
