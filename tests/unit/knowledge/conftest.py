"""A small copy of the knowledge to break: few products and codes, so that reading it is quick."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge import lint

DATA = Path(lint.__file__).parent / "data"
_CODES = 5
_PRODUCTS = 50
_KEPT = "161481007"


@pytest.fixture(scope="session")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(DATA, tmp_path_factory.mktemp("knowledge") / "data"))
    for path in (folder / "valuesets").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        codes = content["codes"]
        content["codes"] = codes[:_CODES] + [c for c in codes[_CODES:] if c["code"] == _KEPT]
        _keep_what_is_rested_on(content)
        path.write_text(json.dumps(content), encoding="utf-8")
    for name, member in (("products", "products"), ("magnesium", "products"), ("ingredients", "")):
        path = folder / f"rxnorm/{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        table = content[member] if member else content
        for code in list(table)[_PRODUCTS:]:
            del table[code]
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def _keep_what_is_rested_on(content: dict[str, Any]) -> None:
    """Only the sources that the codes still name: they are named by their place."""
    if content["id"].startswith("med_"):
        return
    kept = sorted({place for code in content["codes"] for place in code["sources"]})
    content["sources"] = [content["sources"][place] for place in kept]
    for code in content["codes"]:
        code["sources"] = [kept.index(place) for place in code["sources"]]


@pytest.fixture
def folder(_small: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test."""
    return Path(shutil.copytree(_small, tmp_path / "data"))
