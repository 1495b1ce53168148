"""The words of the scenario files: names with their codes, doses, days and results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..support.fhir import SYSTEMS
from .story import Code, Dose

VOCABULARY_FILE = "vocabulary.yaml"


class ScenarioError(Exception):
    """A scenario file says something the runner does not understand."""


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key written twice: the first would silently be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    try:
        # A SafeLoader that only refuses more than its parent does.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path.name} is not readable YAML: {error}") from error


# ------------------------------------------------------------- the vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """Plain names and their codes, one section a kind."""

    sections: Mapping[str, Mapping[str, Code]]

    KINDS = ("conditions", "medicines", "labs", "procedures", "reactions")
    CODED = re.compile(
        r"(?P<name>.+) \((?P<system>"
        + "|".join(sorted(map(re.escape, SYSTEMS), key=len, reverse=True))
        + r") (?P<code>[A-Za-z0-9.\-]+)\)"
    )

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        content = read_yaml(path)
        if set(content) != set(cls.KINDS):
            raise ScenarioError(f"{path.name} must have exactly: {', '.join(cls.KINDS)}")
        return cls({kind: dict(cls._entries(content[kind], path)) for kind in cls.KINDS})

    @classmethod
    def _entries(cls, section: Mapping[str, str], path: Path) -> Iterator[tuple[str, Code]]:
        for name, said in section.items():
            found = cls.CODED.fullmatch(f"{name} ({said})")
            if found is None:
                raise ScenarioError(f"{path.name}: {name!r} needs 'system code', not {said!r}")
            yield str(name), Code(str(name), found["system"], found["code"])

    def find(self, kind: str, said: str, where: str) -> Code:
        """A vocabulary name, or `name (system code)`."""
        known = self.sections[kind].get(said)
        if known is not None:
            return known
        found = self.CODED.fullmatch(said)
        if found is not None:
            return Code(found["name"], found["system"], found["code"])
        raise ScenarioError(
            f"{where}: {said!r} is neither in {VOCABULARY_FILE} under {kind!r} "
            "nor written as 'name (system code)'"
        )


# --------------------------------------------------------------- small phrases

_TIMES = {"once": 1, "twice": 2, "three times": 3, "four times": 4, "five times": 5}
DOSE = re.compile(
    r"(?P<amount>\d+(\.\d+)?) (?P<unit>mg|tablets?(\(s\))?|capsules?|mL|\{[a-z]+\}) "
    r"(?P<times>once|twice|three times|four times|five times|(?P<count>\d+) times) daily"
)
RESULT = re.compile(
    r"(?P<name>.+?) (?P<comparator>[<>]=?|=)?(?P<value>\d+(\.\d+)?)( (?P<unit>[^ ,]+))?,"
    r" (?P<when>.+)"
)
_WHEN = re.compile(r"(?P<ago>\d+) days? ago|in (?P<ahead>\d+) days?|(?P<today>today)")


def dose(said: str, where: str) -> Dose:
    found = DOSE.fullmatch(said)
    if found is None:
        raise ScenarioError(f"{where}: {said!r} is not like '1 tablet three times daily'")
    times = int(found["count"]) if found["count"] else _TIMES[found["times"]]
    return Dose(number(found["amount"]), found["unit"].removesuffix("s"), times)


def days(said: str, where: str) -> int:
    found = _WHEN.fullmatch(said)
    if found is None:
        raise ScenarioError(f"{where}: {said!r} is not like '30 days ago', 'today', 'in 5 days'")
    if found["today"]:
        return 0
    return int(found["ago"]) if found["ago"] else -int(found["ahead"])


def number(said: str) -> float:
    return float(said) if "." in said else int(said)
