"""The alert rules and the dashboard: they are valid, and name only metrics and labels that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service.web.operate import metrics
from cds_service.web.operate.record import CallRecord

from ..docs.reading import ROOT

RULES = ROOT / "deploy" / "alerts.yaml"
RULES_TEST = Path(__file__).with_name("alerts_test.yaml")
DASHBOARD = ROOT / "deploy" / "grafana-dashboard.json"
OF_PROMETHEUS = {"up", "job", "instance", "le", "alertname", "alertstate"}
"""The names that Prometheus adds."""
METRIC = re.compile(r"\b(?:cds|process)_\w+")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
MATCHED = re.compile(r"(\w+)(?:=~|!~|!=|=)\"")
SELECTOR = re.compile(r"\b((?:cds|process)_\w+)\{([^}]*)\}")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    for rule in alerts():
        yield rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def labels_of() -> dict[str, set[str]]:
    """Every series of the exposition, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in metrics._registry._names_to_collectors.values():
        labels = set(metric._labelnames)  # type: ignore[attr-defined]
        for family in metric.describe():
            for suffix in ("", "_total", "_bucket", "_count", "_sum"):
                found[family.name + suffix] = labels
    for line in metrics.exposition().decode().splitlines():
        name = re.match(r"process_\w+", line)
        if name:
            found[name[0]] = set()
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not on this machine")
    return subprocess.run(  # noqa: S603
        [tool, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_metrics_and_labels_exist(expression: str) -> None:
    known = labels_of()
    names = METRIC.findall(expression)
    assert names or "up{" in expression
    assert [name for name in names if name not in known] == []
    for name, matchers in SELECTOR.findall(expression):
        assert set(MATCHED.findall(matchers)) - OF_PROMETHEUS <= known[name], name
    grouped = {w for g in GROUPED.findall(expression) for w in g.replace(" ", "").split(",")}
    together = set().union(*(known[name] for name in names))
    assert grouped - OF_PROMETHEUS <= together


def test_legends_name_labels_of_the_result() -> None:
    for panel in panels():
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            found = set().union(*(labels_of()[n] for n in METRIC.findall(target["expr"])))
            grouped = GROUPED.search(target["expr"])
            kept = set(grouped[1].replace(" ", "").split(",")) if grouped else found
            assert used <= kept | OF_PROMETHEUS, panel["title"]


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    shown = " ".join(t["expr"] for panel in panels() for t in panel["targets"])
    families = {family.name for family in metrics._registry.collect()}
    assert [name for name in sorted(families) if name not in shown] == []


def test_panels_do_not_overlap_and_each_has_a_title_of_its_own() -> None:
    everything = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    assert len({panel["title"] for panel in everything}) == len(everything)
    assert len({panel["id"] for panel in everything}) == len(everything)
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in everything)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names) > 10
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "action"}


def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_raised_by_its_trouble_and_none_without(tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path / "alerts.yaml")
    shutil.copy(RULES_TEST, tmp_path)
    done = promtool("test", "rules", str(tmp_path / RULES_TEST.name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested() -> None:
    tested = set(re.findall(r'alertname="(\w+)"', RULES_TEST.read_text("utf-8")))
    assert tested == {rule["alert"] for rule in alerts()}


def test_promtool_accepts_the_exposition() -> None:
    metrics.observe(CallRecord())
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not on this machine")
    done = subprocess.run(  # noqa: S603
        [tool, "check", "metrics"],
        input=metrics.exposition(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in {0, 3}, done.stderr  # 3: remarks on style
    assert b"error while linting" not in done.stderr
