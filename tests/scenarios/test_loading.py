"""A mistake in a scenario file is told where it is and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from .loading import load_file, vocabulary
from .phrases import ScenarioError, Vocabulary

GOOD = """\
theme: An example
scenarios:
  - id: E1
    title: An example
    hook: patient-view
    patient: {age: 45, sex: female}
    conditions:
      - migraine without aura
      - alcoholic cirrhosis (icd-10-cm K70.30)
    medicines:
      - magnesium oxide 400 mg tablet, 1 tablet three times daily
    labs:
      - eGFR >60 mL/min/{1.73_m2}, 30 days ago
    expect: silent
    why: Because.
"""


def loaded(tmp_path: Path, text: str) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(text, encoding="utf-8")
    load_file(path, vocabulary())


def test_the_example_is_good(tmp_path: Path) -> None:
    loaded(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("said", "instead", "complaint"),
    [
        ("hook: patient-view", "hook: patient-vew", "'hook' must be one of patient-view"),
        ("    why: Because.\n", "", "'why' must be a text"),
        ("conditions:", "condition:", "unknown 'condition'; allowed: id, title"),
        ("migraine without aura", "migrane", "'migrane' is neither in vocabulary.yaml"),
        ("(icd-10-cm K70.30)", "(icd-11 X)", "nor written as 'name (system code)'"),
        ("three times daily", "thrice", "nor written as 'name (system code)'"),
        ("30 days ago", "last month", "is not like '30 days ago', 'today'"),
        ("eGFR >60", "eGFR sixty", "is not like 'eGFR 59"),
        ("expect: silent", "expect: quiet", "'expect' must be the word silent"),
        (
            "expect: silent",
            "expect: [{card: x, indicator: red}]",
            "'indicator' must be one of info",
        ),
        (
            "expect: silent",
            "expect: [{card: x, indicator: info, offers: [pills]}]",
            "'pills' is no offer",
        ),
        ("expect: silent", "not sent: [lab]\n    expect: silent", "no prefetch key 'lab'"),
        ("title: An example\n    hook", "hook: order-sign\n    hook", "written twice"),
        ("hook: patient-view", "hook: order-sign", "'drafts' belong to order-select"),
        ("age: 45", "age: old", "'age' must be a number"),
        ("    labs:\n", "    labs: none\n    drafts:\n", "'labs' must be a list"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, said: str, instead: str, complaint: str) -> None:
    assert said in GOOD
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, GOOD.replace(said, instead))
    assert complaint in str(caught.value)
    assert "example.yaml" in str(caught.value)


def test_a_vocabulary_entry_needs_a_code(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.yaml"
    path.write_text(
        "conditions: {migraine: G43}\nmedicines: {}\nlabs: {}\nprocedures: {}\nreactions: {}\n",
        encoding="utf-8",
    )
    with pytest.raises(ScenarioError, match="'migraine' needs 'system code'"):
        Vocabulary.read(path)
