"""Documents and docstrings do not use words that make readers stop.

Each word of the list is rare, old or a metaphor, and has an ordinary replacement. Words that are
sometimes right are not listed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .reading import DOCUMENTS, ROOT, prose_of, rows_of

INSTEAD = {
    r"anew": "again",
    r"alike": "equal, the same",
    r"besides?": "next to, in addition",
    r"at hand": "available",
    r"in earnest": "actually",
    r"behind the back": "in the background",
    r"whoever|somebody|anybody|nobody": "name the person or the program",
    r"anyhow": "in any case",
    r"but for": "except",
    r"(?:be|is|was|were|not) had": "available, obtained",
    r"parted": "separated",
    r"knows? (?:no|nothing)": "does not depend on, does not use",
    r"a matter of": "affects",
    r"house|rooms?": "code, package, module",
    r"blanks?": "space",
    r"figures?": "metric, value, number",
    r"speaks? of": "is about",
}
REFUSED = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)

# Code whose docstrings are checked.
CODE = ("app.py", "bench", "cards", "cds_service", "tools")
LONGEST_CELL = 50
# A decision and its reason stand in one cell, as in a register.
LONGER_CELLS = {"docs/clinical-decisions.md": 80}


def old_words(text: str) -> list[str]:
    """The refused words of a text, outside of what it sets in code or quotes."""
    plain = re.sub(r"`[^`]*`|\"[^\"\n]*\"|\]\([^)]*\)", "", text)
    return [plain[max(0, m.start() - 30) : m.end() + 20] for m in REFUSED.finditer(plain)]


def docstrings(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def modules() -> list[Path]:
    found = [ROOT / name for name in CODE]
    return sorted(
        module
        for path in found
        for module in (path.rglob("*.py") if path.is_dir() else [path])
        if "__pycache__" not in module.parts
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_in_plain_english(name: str) -> None:
    assert old_words(prose_of(name)) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_are_in_plain_english(path: Path) -> None:
    assert [word for text in docstrings(path) for word in old_words(text)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_cell_of_a_table_can_be_read_at_a_glance(name: str) -> None:
    cells = [cell for row in rows_of(name) for cell in row.cells]
    longest = LONGER_CELLS.get(name, LONGEST_CELL)
    assert [cell for cell in cells if len(cell.split()) > longest] == []


@pytest.mark.parametrize("text", ["Read it anew.", "a value of\nwhich nobody knows", "Beside it"])
def test_an_old_word_is_found(text: str) -> None:
    assert old_words(text)


@pytest.mark.parametrize("text", ["`beside`", 'the word "house"', "[link](docs/figures.md)", "at"])
def test_names_and_quotations_may_have_any_word(text: str) -> None:
    assert not old_words(text)
