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
from ..table import vignettes
from .building import encoded, hook_call
from .comparing import account_differences, differences, report
from .loading import load_all
from .story import Scenario

VIGNETTES = [f"V{number:02d}" for number in range(1, 141)]
FIRST_REVISION = VIGNETTES[:90]
SCENARIOS = load_all()
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_scenario(scenario: Scenario, client: FlaskClient, today: date) -> None:
    body = hook_call(scenario, today)
    sent = encoded(scenario, body)
    if scenario.refused_for:
        assert_refused(client, scenario, sent)
        return
    answer = http.post(client, scenario.hook, sent)
    found = differences(scenario, answer["cards"])
    if scenario.account is not None:
        said = http.explain(client, scenario.hook, sent)
        found += account_differences(scenario.account, said)
    if found:
        pytest.fail(report(scenario, answer["cards"], found), pytrace=False)
    assert_valid_answer(answer, body)


def assert_refused(client: FlaskClient, scenario: Scenario, sent: bytes) -> None:
    """412, and the answer names what could not be had."""
    response = http.call(client, scenario.hook, sent)
    assert response.status_code == 412, f"{scenario.id}: {response.get_data(as_text=True)[:500]}"
    for key in scenario.refused_for:
        assert key in response.get_data(as_text=True)


def test_every_vignette_is_a_scenario() -> None:
    missing = [name for name in VIGNETTES if name not in BY_ID]
    assert not missing, f"no scenario for {', '.join(missing)}"


@pytest.mark.parametrize("name", FIRST_REVISION)
def test_a_vignette_expects_what_the_specification_expects(name: str, shared_dir: Path) -> None:
    specified = _specified(shared_dir)[name]
    scenario = BY_ID[name]
    facts = specified["facts"]
    assert scenario.hook == facts["hook"]
    assert scenario.patient.age == facts.get("age")
    assert scenario.patient.sex == facts.get("sex")
    written = [(card.card, card.indicator, card.offers) for card in scenario.expect or ()]
    assert written == vignettes.expected(specified)


def _specified(shared_dir: Path) -> dict[str, Any]:
    content = json.loads((shared_dir / "clinical" / "vignettes.json").read_text(encoding="utf-8"))
    return {vignette["id"]: vignette for vignette in content["vignettes"]}
