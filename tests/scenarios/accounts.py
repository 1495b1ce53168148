"""What the service says in full about a scenario, card and account together, on a day that stands.

python -m tests.scenarios.accounts          writes the files of `in_full/` anew
python -m tests.scenarios.accounts V54      and one for this scenario
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from flask.testing import FlaskClient

from ..support import http
from .building import hook_call
from .loading import load_all
from .story import Scenario

IN_FULL = Path(__file__).with_name("in_full")
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are read."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def account(client: FlaskClient, scenario: Scenario) -> str:
    """The answer of `/explain`, without what differs in each call or with each edit of knowledge."""
    said = http.explain(client, scenario.hook, hook_call(scenario, NOW.date()))
    version = said.pop("knowledge")
    told = {
        "patient": scenario.title,
        **said,
        "facts": _by_state(said["facts"], "state", "id"),
        "rules": _by_state(said["rules"], "outcome", "rule"),
        "cards": [_card(card) for card in said["cards"]],
    }
    text = yaml.dump(
        _short(told),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=None,
    )
    return _UUID.sub("(uuid)", text.replace(version, "(version)"))


def _by_state(found: list[dict[str, Any]], state: str, name: str) -> dict[str, list[Any]]:
    """Those of one state together; of those that only have a name, the name."""
    grouped: dict[str, list[Any]] = {}
    for each in found:
        rest = {key: value for key, value in each.items() if key != state}
        alone = set(rest) <= {name, "label"} or each[state] == "not met"
        grouped.setdefault(each[state], []).append(rest[name] if alone else rest)
    return grouped


def _card(card: dict[str, Any]) -> dict[str, Any]:
    reasons = [reason["code"] for reason in card.get("overrideReasons", ())]
    return {**card, **({"overrideReasons": reasons} if reasons else {})}


def _short(value: Any) -> Any:
    """A coding as `system|code display`, so that it takes one line."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, dict):
        return value
    if {"system", "code"} <= set(value) <= {"system", "code", "display"}:
        return " ".join(
            [f"{value['system']}|{value['code']}", *filter(None, [value.get("display")])]
        )
    return {name: _short(item) for name, item in value.items()}


def main(names: list[str]) -> None:
    from cds_service import create_app
    from cds_service.web.parts import parts_of

    IN_FULL.mkdir(exist_ok=True)
    by_id = {scenario.id: scenario for scenario in load_all()}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CDS_DATA_DIR"] = folder
        app = create_app(now=lambda: NOW)
        for name in sorted({*names, *(path.stem for path in IN_FULL.glob("*.yaml"))}):
            text = account(app.test_client(), by_id[name])
            (IN_FULL / f"{name}.yaml").write_text(text, encoding="utf-8")
        parts_of(app).store.close()


if __name__ == "__main__":
    main(sys.argv[1:])
