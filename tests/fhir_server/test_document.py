"""The document about a FHIR server of one's own, followed with HAPI's."""

from __future__ import annotations

from pathlib import Path

from ..docs.running import reader
from ..docs.test_commands import ELSEWHERE

DOCUMENT = "docs/integrating-hapi.md"


def test_the_commands_of_the_document_work(address: str, tmp_path: Path) -> None:
    assert ELSEWHERE[DOCUMENT] == "tests/fhir_server/test_document.py"
    with reader(tmp_path) as somebody:
        somebody.elsewhere = {"http://127.0.0.1:8090": address}
        somebody.follow(DOCUMENT)
