"""Links lead somewhere: to a file, to a heading in it, or to an address of the service."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from .reading import DOCUMENTS, ROOT, anchors_of, links_of, text_of

HERE = "http://127.0.0.1:8000"


def test_there_are_documents() -> None:
    assert {
        "README.md",
        "CHANGELOG.md",
        "docs/integrating.md",
        "docs/adr/0001-libraries.md",
    } <= set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    for link in links_of(name):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in {"http", "https"}
            continue
        target = (ROOT / name).parent / parts.path if parts.path else ROOT / name
        assert target.exists(), f"{link} leads nowhere"
        assert target.resolve().is_relative_to(ROOT), f"{link} leads out of the repository"
        if parts.fragment and target.suffix == ".md":
            where = target.resolve().relative_to(ROOT).as_posix()
            assert parts.fragment in anchors_of(where), f"{link}: no such heading"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_addresses_of_the_service_are_answered(client: FlaskClient, name: str) -> None:
    for link in links_of(name):
        if link.startswith(HERE):
            answer = client.get(link.removeprefix(HERE) or "/")
            assert answer.status_code == 200, link


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached: set[str] = set()
    waiting = ["README.md"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for link in links_of(name):
            target = ((ROOT / name).parent / urlsplit(link).path).resolve()
            found = [target] if target.suffix == ".md" else sorted(_documents_in(target))
            for each in found:
                where = each.relative_to(ROOT).as_posix() if each.is_relative_to(ROOT) else ""
                if where in DOCUMENTS and where not in reached:
                    waiting.append(where)
    assert set(DOCUMENTS) - reached == set()


def _documents_in(folder: Path) -> list[Path]:
    return list(folder.glob("*.md")) if folder.is_dir() and folder != ROOT else []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_one_title(name: str) -> None:
    lines = text_of(name).splitlines()
    assert lines[0].startswith("# ")
    assert text_of(name).endswith("\n")
