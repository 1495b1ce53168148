"""Sources of rows, and the paragraphs of the specification that they cite."""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import lint
from cds_service.knowledge.citations import cited
from cds_service.knowledge.loader import load
from cds_service.knowledge.parameters import said as as_text
from tests.support.decisions import knowledge
from tests.support.tables import each_row

CITED = (
    ("SPEC 3.2", ("3.2",)),
    ("SPEC 4.2 C5, 4.4, 12.4 M-18", ("4.2 C5", "4.4", "12.4 M-18")),
    ("SPEC 6.1, 12.4 M-10, M-15", ("6.1", "12.4 M-10", "12.4 M-15")),
    ("SPEC 2 RF7, 1", ("2 RF7", "1")),
    ("SPEC 12.7.1, 12.7.6", ("12.7.1", "12.7.6")),
    ("SPEC 12.2 N-5, N-6a; FHIR EventTiming", ("12.2 N-5", "12.2 N-6a")),
    ("R12", ("R12",)),
    ("SEED", ("SEED",)),
    ("docs/clinical-decisions.md U9", ("docs/clinical-decisions.md U9",)),
    ("HL7 Terminology: canonical URLs", ()),
    ("rxnorm/brand_names.json: mag citrate", ()),
)


@each_row("row", CITED)
def test_a_source_names_paragraphs_and_references(row: tuple[str, tuple[str, ...]]) -> None:
    assert cited(row[0]) == row[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = Path(lint.__file__).parent / "data"
    return Path(shutil.copytree(data, tmp_path / "data"))


def changed(folder: Path, change: Any) -> list[str]:
    """The problems of the paragraphs after a change of their file."""
    path = folder / "specification.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    loaded = load(folder)
    return [*lint._paragraphs(loaded, folder), *lint._sections(loaded)]


def test_a_row_without_its_paragraph_is_a_problem(folder: Path) -> None:
    def remove(content: Any) -> None:
        rows = content["paragraphs"]
        content["paragraphs"] = [row for row in rows if row["id"] != "12.4 M-9"]

    assert changed(folder, remove) == ["policy.json: there is no paragraph 12.4 M-9"]


def test_a_paragraph_that_nothing_cites_is_a_problem(folder: Path) -> None:
    def add(content: Any) -> None:
        content["paragraphs"].append({**content["paragraphs"][0], "id": "1 Z9"})

    assert changed(folder, add) == ["specification.json: nothing cites the paragraph 1 Z9"]


def test_two_paragraphs_with_one_id_or_without_a_section_are_a_problem(folder: Path) -> None:
    def spoil(content: Any) -> None:
        content["paragraphs"].append({**content["paragraphs"][0], "section": "99"})

    assert changed(folder, spoil) == [
        "specification.json: two paragraphs have the id 1",
        "specification.json: the section 99 has no title or no paragraph",
    ]


def test_the_paragraphs_use_no_words_of_code_and_their_numbers_are_filled() -> None:
    """Committee members read them: no card id, no value set, no place that is not filled."""
    loaded = knowledge()
    for paragraph in loaded.specification.paragraphs:
        text = " ".join([paragraph.title, *paragraph.text])
        assert not {"{", "}", "`", "_"} & set(text), paragraph.id
        assert not [card for card in loaded.cards if card in text], paragraph.id


WRITTEN = Path(__file__).parents[3] / "tools" / "clinical_paragraphs.json"


def test_the_paragraphs_are_those_that_were_written() -> None:
    """The importer takes them from this file: a word more or less can turn a rule round."""
    loaded = knowledge()
    written = json.loads(WRITTEN.read_text(encoding="utf-8"))
    values = {row.id: row.value for row in loaded.parameter_rows}

    def filled(text: str) -> str:
        return PLACE.sub(lambda place: said(values[place["id"]], below=place["below"]), text)

    found = {p.id: (p.title, *p.text, p.read) for p in loaded.specification.paragraphs}
    assert found == {
        row["id"]: tuple(map(filled, (row["title"], *row["text"], row["read"])))
        for row in written["paragraphs"]
    }
    assert loaded.specification.sections == written["sections"]
    for paragraph in loaded.specification.paragraphs:
        assert paragraph.id.startswith(paragraph.section)


PLACE = re.compile(r"\{(?P<id>[a-z][a-z0-9_.]*)(?P<below>-1)?\}")


def said(value: Any, below: str | None) -> str:
    """A value as texts have it: 2500 as 2,500, and with -1 the whole number below."""
    return as_text(Decimal(int(value) - 1) if below else value)
