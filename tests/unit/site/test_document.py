"""Only what JSON can express is read from a site file, and each fault names its line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.site.document import MAX_BYTES, dotted, read_document


def test_values_keep_their_form_and_their_line() -> None:
    text = b"site:\n  id: a-b\n  on: true\n  number: 35\n  exact: 0.70\n  date: 2027-01-31\n  word: 'true'\n"
    document, faults = read_document(text)
    assert faults == []
    assert document.content == {
        "site": {
            "id": "a-b",
            "on": True,
            "number": 35,
            "exact": Decimal("0.70"),
            "date": "2027-01-31",
            "word": "true",
        }
    }
    assert document.lines["site", "exact"] == 5


@pytest.mark.parametrize("word", ["yes", "on", "No", "0x10", "1e3", ".inf", "1_000", "010"])
def test_a_word_with_a_meaning_in_old_yaml_stays_a_text(word: str) -> None:
    document, faults = read_document(f"a: {word}\n".encode())
    assert (document.content, faults) == ({"a": word}, [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"a: 1\nb: 2\na: 3\n", "line 3: the key a is there twice"),
        (b"a: &x 1\nb: *x\n", "line 1: anchors and aliases (& and *) are not read here"),
        (b"a: !!python/object:os.system x\n", "line 1: tags (!) are not read here"),
        (b"? [a]\n: 1\n", "line 1: a key must be a text"),
        (b"<<: {a: 1}\n", "line 1: a key must be a text"),
        (b"a: [1\n", "line 2: is not YAML: expected ',' or ']', but got '<stream end>'"),
        (b"a: 1\n--- \nb: 1\n", "line 2: is not YAML: but found another document"),
        (b"", "the file: is empty"),
        (b"\xff\xfe", "the file: is not UTF-8 text"),
        (b"a: \x07\n", "the file: is not YAML: it contains a character that YAML does not allow"),
        (b"a: " + b"[" * 50 + b"]" * 50, "line 1: is nested more than 20 levels deep"),
        (b"#" * (MAX_BYTES + 1), f"the file: is larger than {MAX_BYTES} bytes"),
    ],
    ids=str,
)
def test_what_is_refused_has_a_line(text: bytes, shown: str) -> None:
    _, faults = read_document(text)
    assert str(faults[0]) == shown


def test_a_place_is_shown_as_a_path() -> None:
    path = ("clients", "https://ehr.example/", "hooks", "patient-view", 0)
    assert dotted(path) == 'clients["https://ehr.example/"].hooks.patient-view[0]'
