"""Results in the units of a site. Decisions and the machine-readable reason never change by them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cards.units import in_units
from cds_service.chart.evidence import Evidence
from cds_service.reasoning.decision import MagnesiumState, SerumMagnesium
from tests.support import charts, fhir, http
from tests.support.decisions import knowledge, suggestion_card
from tests.support.fhir import ORDER_SIGN, PATIENT_VIEW
from tests.support.sites import client_with

Body = dict[str, Any]
TODAY = datetime.now(UTC).date()
LOINC = "http://loinc.org"
UNITS = ("conventional", "si")


def result(code: str, value: str, unit: str | None) -> Evidence:
    return Evidence(resource="Observation/1", system=LOINC, code=code, value=value, unit=unit)


@pytest.mark.parametrize(
    ("code", "reported", "conventional", "si"),
    [
        (fhir.MAGNESIUM, "1.1 mg/dL", "1.1 mg/dL", "0.452 mmol/L"),
        (fhir.MAGNESIUM_MOLAR, "0.45 mmol/L", "1.09 mg/dL", "0.45 mmol/L"),
        (fhir.MAGNESIUM, "1 meq/L", "1.21 mg/dL", "0.5 mmol/L"),
        (fhir.MAGNESIUM, "<1.2 mg/dL", "<1.2 mg/dL", "<0.493 mmol/L"),
        (fhir.MAGNESIUM, ">=2.4305 mg/dL", ">=2.4305 mg/dL", ">=1 mmol/L"),
        (fhir.CREATININE, "1.0 mg/dL", "1.0 mg/dL", "88.4 umol/L"),
        (fhir.CREATININE_MOLAR, "100 umol/L", "1.13 mg/dL", "100 umol/L"),
        (fhir.CREATININE_MOLAR, "0.1 mmol/L", "1.13 mg/dL", "100 umol/L"),
        (fhir.EGFR, f"59.9 {fhir.EGFR_UNIT}", f"59.9 {fhir.EGFR_UNIT}", f"59.9 {fhir.EGFR_UNIT}"),
    ],
)
def test_a_result_is_converted_and_never_rounded(
    code: str, reported: str, conventional: str, si: str
) -> None:
    value, unit = reported.split()
    evidence = result(code, value, unit)
    for units, expected in (("", reported), ("conventional", conventional), ("si", si)):
        low = SerumMagnesium(MagnesiumState.LOW, "1 mEq/L", evidence)
        card = in_units(suggestion_card(magnesium=low), units, knowledge())
        assert card.magnesium is not None
        assert card.magnesium.evidence is not None
        assert f"{card.magnesium.evidence.value} {card.magnesium.evidence.unit}" == expected


@pytest.mark.parametrize(("value", "unit"), [("1.1", None), ("about 1", "mg/dL"), ("1.1", "mg/L")])
def test_what_cannot_be_converted_stays_as_reported(value: str, unit: str | None) -> None:
    evidence = result(fhir.MAGNESIUM, value, unit)
    low = SerumMagnesium(MagnesiumState.LOW, "", evidence)
    card = suggestion_card(magnesium=low)
    for units in UNITS:
        assert in_units(card, units, knowledge()) == card


def test_the_limits_are_on_the_same_side_in_both_units() -> None:
    """A converted value is below or above a limit where the reported value is."""
    limits = knowledge().parameters.magnesium
    for low, high in (
        (limits.severe_low_mmol_l, limits.severe_low_mg_dl),
        (limits.low_mmol_l, limits.low_mg_dl),
    ):
        for step in range(1, 40):
            below = min(high, low * limits.mg_dl_per_mmol_l) - Decimal(step) / 100
            evidence = result(fhir.MAGNESIUM, str(below), "mg/dL")
            magnesium = SerumMagnesium(MagnesiumState.LOW, "", evidence)
            shown = in_units(suggestion_card(magnesium=magnesium), "si", knowledge()).magnesium
            assert shown is not None
            assert shown.evidence is not None
            assert Decimal(shown.evidence.value or "") < low


# ------------------------------------------------------------------------ whole calls


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FlaskClient]:
    texts = {"": "", **{units: f"units: {units}\n" for units in UNITS}}
    now = datetime.now(UTC)
    return {
        units: client_with(text, tmp_path_factory.mktemp("site"), now)
        for units, text in texts.items()
    }


def low_magnesium(value: float, unit: str) -> Body:
    code = fhir.MAGNESIUM if unit != "mmol/L" else fhir.MAGNESIUM_MOLAR
    return charts.patient_view(
        TODAY, magnesiumLabs=[fhir.observation(code, value, unit, 5, today=TODAY)]
    )


def test_a_card_shows_the_units_of_the_site(clients: dict[str, FlaskClient]) -> None:
    for value, unit in ((1.1, "mg/dL"), (0.45, "mmol/L")):
        for units, shown in (("conventional", "mg/dL"), ("si", "mmol/L"), ("", unit)):
            (card,) = http.cards(clients[units], PATIENT_VIEW, low_magnesium(value, unit))
            text = card["summary"] + card["detail"]
            assert f" {shown}" in text
            other = {"mg/dL", "mmol/L"} - {shown}
            assert not any(f"{name}" in text for name in other)
            because = card["extension"]["org.magnesium-migraine.decision"]["because"]
            reported = [item for item in because if item.get("unit") in ("mg/dL", "mmol/L")]
            assert {(item["value"], item["unit"]) for item in reported} == {(str(value), unit)}


def test_creatinine_is_shown_in_the_units_of_the_site(clients: dict[str, FlaskClient]) -> None:
    result = fhir.observation(fhir.CREATININE, 1.6, "mg/dL", 30, today=TODAY)
    body = charts.patient_view(TODAY, kidneyLabs=[result])
    for units, shown in (("", "1.6 mg/dL"), ("conventional", "1.6 mg/dL"), ("si", "141.4 umol/L")):
        (card,) = http.cards(clients[units], PATIENT_VIEW, body)
        assert f"creatinine {shown}" in card["detail"].lower().replace("umol/l", "umol/L").replace(
            "mg/dl", "mg/dL"
        )


def same(explained: Body) -> Body:
    """A decision without its words, uuids and the id of the site file."""
    kept = copy.deepcopy(explained)
    kept.pop("site", None)
    for card in kept["cards"]:
        for name in ("uuid", "summary", "detail"):
            del card[name]
        card["extension"]["org.magnesium-migraine.decision"].pop("site", None)
        for suggestion in card.get("suggestions", ()):
            del suggestion["uuid"]
    return kept


VALUES = st.tuples(
    st.decimals(Decimal("0.1"), Decimal(12), places=3).map(float),
    st.sampled_from(["mg/dL", "mmol/L", "mEq/L"]),
    st.decimals(Decimal("0.2"), Decimal(15), places=2).map(float),
    st.sampled_from([("mg/dL", 1.0), ("umol/L", 88.4)]),
    st.sampled_from([PATIENT_VIEW, ORDER_SIGN]),
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(VALUES)
def test_decisions_never_change_by_units(clients: dict[str, FlaskClient], drawn: Any) -> None:
    magnesium, unit, creatinine, (kidney_unit, factor), service = drawn
    kidney = round(creatinine * factor, 2)
    code = fhir.CREATININE if kidney_unit == "mg/dL" else fhir.CREATININE_MOLAR
    changes = {
        "magnesiumLabs": [fhir.observation(fhir.MAGNESIUM, magnesium, unit, 5, today=TODAY)],
        "kidneyLabs": [fhir.observation(code, kidney, kidney_unit, 30, today=TODAY)],
    }
    body = charts.CALLS[service](TODAY, **changes)
    decided = [same(http.explain(client, service, body)) for client in clients.values()]
    assert decided[0] == decided[1] == decided[2]
