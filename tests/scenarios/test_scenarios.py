"""Every scenario of the YAML files, through HTTP, from FHIR JSON to cards."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ..support import http
from ..support.cards import assert_valid_answer
from .building import hook_call
from .comparing import differences, report
from .loading import Scenario, load_all

VIGNETTES = [f"V{number:02d}" for number in range(1, 91)]
SCENARIOS = load_all()
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario(scenario: Scenario, client: FlaskClient, today: date) -> None:
    body = hook_call(scenario, today)
    answer = http.post(client, scenario.hook, body)
    found = differences(scenario, answer["cards"])
    if found:
        pytest.fail(report(scenario, answer["cards"], found), pytrace=False)
    assert_valid_answer(answer, body)


def test_every_vignette_is_a_scenario() -> None:
    missing = [name for name in VIGNETTES if name not in BY_ID]
    assert not missing, f"no scenario for {', '.join(missing)}"


@pytest.mark.parametrize("name", VIGNETTES)
def test_a_vignette_expects_what_the_specification_expects(name: str, shared_dir: Path) -> None:
    specified = _specified(shared_dir)[name]
    scenario = BY_ID[name]
    facts = specified["facts"]
    assert scenario.hook == facts["hook"]
    assert scenario.patient.age == facts.get("age")
    assert scenario.patient.sex == facts.get("sex")
    expected = [[card, indicator, offers] for card, indicator, offers in specified["expected"]]
    written = [[card.card, card.indicator, list(card.offers)] for card in scenario.expect]
    assert written == expected


def _specified(shared_dir: Path) -> dict[str, Any]:
    content = json.loads((shared_dir / "clinical" / "vignettes.json").read_text(encoding="utf-8"))
    return {vignette["id"]: vignette for vignette in content["vignettes"]}
