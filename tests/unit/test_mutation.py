"""The tool that breaks the code on purpose: what it changes, and what it lets pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation import mutants
from tests.mutation.code import listed, sampled
from tests.mutation.mutants import Mutant, mutants_of

SOURCE = '''"""A rule."""

from __future__ import annotations

from functools import cached_property

LIMITS = (30, 60)


class Rule:
    """Documentation stays as it is."""

    @cached_property
    def holds(self) -> bool:
        return self.value >= 30 and not self.old

    def say(self, text: str = "eGFR") -> str:
        """Documentation stays as it is."""
        return text if self.value else min("a", "b")


def first(values: list[int]) -> int:
    if values:
        return max(values)
    return 0
'''


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mutant]:
    (tmp_path / "rule.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    return mutants_of("rule.py")


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("LIMITS", "LIMITS = (31, 60)"),
        ("Rule.holds", "return self.value > 30 and not self.old"),
        ("Rule.holds", "return self.value >= 31 and not self.old"),
        ("Rule.holds", "return self.value >= 30 or not self.old"),
        ("Rule.holds", "return self.value >= 30 and self.old"),
        ("Rule.holds", "return None"),
        ("Rule.say", 'def say(self, text: str = "XXeGFRXX") -> str:'),
        ("Rule.say", 'return text if (self.value) or True else min("a", "b")'),
        ("Rule.say", 'return text if self.value else max("a", "b")'),
        ("first", "if (not values):"),
        ("first", "return min(values)"),
        ("first", "return 1"),
    ],
)
def test_what_is_changed(found: list[Mutant], name: str, now: str) -> None:
    assert (name, now) in [(m.name, m.now) for m in found]


def test_documentation_and_annotations_stay(found: list[Mutant]) -> None:
    assert all("Documentation stays as it is" not in m.now for m in found)
    assert all("list[None]" not in m.code for m in found)
    assert len({(m.name, m.code) for m in found}) == len(found)


def test_a_sample_is_the_same_for_the_same_seed(found: list[Mutant]) -> None:
    assert sampled(found, 5, 1) == sampled(found, 5, 1)
    assert sampled(found, 5, 1) != sampled(found, 5, 2)
    assert len(sampled(found, 1000, 1)) == len(found)


def test_every_listed_survivor_has_a_reason() -> None:
    assert all(len(reason.split()) > 3 for reason in listed().values())


def test_a_survivor_without_a_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    entry = 'file = "a.py"\nfunction = "f"\nwas = "x"\nnow = ["y"]\nreason = " "\n'
    path.write_text(f"[[survivor]]\n{entry}", encoding="utf-8")
    with pytest.raises(ValueError, match="no reason"):
        listed(path)
