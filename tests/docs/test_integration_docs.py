"""The samples and the table of elements in the documents for integrators are those of today."""

from __future__ import annotations

import json
from functools import cache

import pytest

from tools import integration_docs
from tools.integration_docs import ELEMENTS, asked, client_of_the_day, differences, pages, rows
from tools.json_layout import WIDTH, laid_out

from ..support.cards import assert_valid_answer
from .reading import ROOT, text_of

MADE = [
    *(
        f"docs/samples/{name}.{part}.json"
        for name in integration_docs.SAMPLES
        for part in ("request", "response")
    ),
    "docs/samples/discovery.json",
    "docs/integrating-data.md",
    "docs/integrating-example.md",
]


@cache
def made() -> dict[str, str]:
    return pages(client_of_the_day())


def test_these_files_are_made() -> None:
    assert sorted(made()) == sorted(MADE)
    assert {f"docs/samples/{path.name}" for path in (ROOT / "docs/samples").iterdir()} <= set(MADE)


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_what_the_service_says_today(name: str) -> None:
    assert text_of(name) == made()[name], "run .venv/bin/python -m tools.integration_docs"


@pytest.mark.parametrize("name", integration_docs.SAMPLES)
def test_a_sample_is_a_valid_answer(name: str) -> None:
    request = json.loads(text_of(f"docs/samples/{name}.request.json"))
    response = json.loads(text_of(f"docs/samples/{name}.response.json"))
    assert bool(response["cards"]) == ("silent" not in name)
    assert_valid_answer(response, request)


def test_the_example_shows_a_whole_response() -> None:
    document = text_of("docs/integrating-example.md")
    assert text_of(f"docs/samples/{integration_docs.SHOWN}.response.json").strip() in document


def test_the_table_has_every_element_that_is_read_and_no_other() -> None:
    assert differences() == []


def test_elements_of_us_core_are_marked() -> None:
    """The choice of a type counts as the element: valueQuantity is value[x]."""
    table = {(row.split(" | ")[0].strip("| "), row.split(" | ")[1]): row for row in rows()}
    assert table["Observation", "`valueQuantity`, `valueString`"].endswith("| must support |")
    assert table["Procedure", "`performedDateTime`, `performedPeriod`"].endswith("must support |")
    assert table["Observation", "`component`"].endswith("|  |")
    assert table["MedicationStatement", "`status`"].endswith("|  |")
    for resource in ELEMENTS["resources"]:
        assert any(asked(resource, names) for names in resource["elements"]) == bool(
            resource["profiles"]
        )


def test_ids_are_made_up_and_equal_ids_stay_equal() -> None:
    one, other = "4e0a3a1e-3283-4575-ab82-028d55fe2719", "f6b95768-b1c8-40dc-8385-bf3504b82ffb"
    value = {"a": other, "b": [one, other], "knowledge": "2.0.0+b4d14c2dd60b"}
    first, second = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
    assert integration_docs.without_hash(value) == {
        "a": first,
        "b": [second, first],
        "knowledge": "2.0.0+0123456789ab",
    }


def test_json_is_laid_out_for_people() -> None:
    value = {"short": [1, 2], "long": ["x" * WIDTH, {}], "empty": [], "word": "Größe"}
    text = laid_out(value)
    assert json.loads(text) == value
    assert '"short": [1, 2]' in text
    assert "Größe" in text
    assert all(len(line) < WIDTH or "xxx" in line for line in text.splitlines())


def test_a_document_that_is_not_up_to_date_is_named(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "docs/samples").mkdir(parents=True)
    monkeypatch.setattr(integration_docs, "ROOT", root)
    monkeypatch.setattr(integration_docs, "pages", lambda _: {"docs/samples/a.json": "{}\n"})
    assert integration_docs.main(["--check"]) == 1
    assert integration_docs.main([]) == 0
    assert integration_docs.main(["--check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "docs/samples/a.json is not up to date",
        "docs/samples/a.json written",
    ]
