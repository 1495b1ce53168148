"""Equal units, doses and words of use never change a decision (SPEC 12.2 N-1, N-5, N-6, N-6a)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from ..support import charts, fhir
from ..support.cards import card_id, decision, offers, recommended
from . import calls
from .calls import DAY, Body
from .changes import (
    EGFR_UNITS,
    MG_DL_UNITS,
    MILLIGRAMS,
    TABLETS,
    changed_data,
    with_units,
)
from .confidence import Answer
from .service import Service

pytestmark = pytest.mark.slow

NOON = calls.Call("", "", DAY, lambda: None).now
OXIDE_TABLET = "198741"  # magnesium oxide 400 mg oral tablet: 241 mg elemental
NOT_READ = frozenset({"on", "o.n."})
"""Omne nocte is an English word too: the table says so. A dose that is not read is Unknown."""
WORDS = calls.SHARED / "clinical" / "rules" / "dosage_words.json"


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


def decided(answer: Answer) -> Any:
    """The decision without the words of the cards: these may quote what was written."""
    assert answer.is_served
    shown = [
        (
            card_id(c),
            c["indicator"],
            c["summary"],
            offers(c),
            recommended(c),
            decision(c)["cautions"],
        )
        for c in answer.cards
    ]
    return shown, answer.states, answer.unknown


def differing(service: Service, usual: Body, written: Iterable[tuple[str, Body]]) -> list[str]:
    """The spellings that lead to another decision than the usual one."""
    expected = decided(service.ask(usual["hook"], usual, NOON))
    return [
        name for name, body in written if decided(service.ask(body["hook"], body, NOON)) != expected
    ]


# ---------------------------------------------------------------------------------- units


def _results() -> Iterator[tuple[str, Body]]:
    """Charts whose card depends on a result, of each class of the kidneys and of magnesium."""
    conditions = [fhir.condition("G43.009", today=DAY), fhir.condition("E11.9", today=DAY)]
    for value in (22, 48, 90):
        labs = [fhir.observation(fhir.EGFR, value, fhir.EGFR_UNIT, today=DAY)]
        chart: dict[str, Any] = {"conditions": conditions, "kidneyLabs": labs}
        yield f"eGFR {value}", fhir.hook_request(fhir.PATIENT_VIEW, chart, charts.patient(DAY))
    for code, key, value in (
        (fhir.CREATININE, "kidneyLabs", 3.1),
        (fhir.MAGNESIUM, "magnesiumLabs", 1.1),
    ):
        labs = [fhir.observation(code, value, "mg/dL", today=DAY)]
        chart = {"conditions": conditions, key: labs}
        yield f"{key} {value}", fhir.hook_request(fhir.PATIENT_VIEW, chart, charts.patient(DAY))


@pytest.mark.parametrize("same", [EGFR_UNITS, MG_DL_UNITS], ids=["eGFR", "mg/dL"])
@pytest.mark.parametrize("as_code", [True, False], ids=["as code", "as unit"])
@pytest.mark.parametrize("name", dict(_results()))
def test_another_spelling_of_a_unit_changes_nothing(
    service: Service, name: str, same: tuple[str, ...], as_code: bool
) -> None:
    body = dict(_results())[name]

    def written(unit: str) -> Body:
        return changed_data(body, lambda value: with_units(value, same, unit, as_code=as_code))

    assert differing(service, body, [(unit, written(unit)) for unit in same]) == []


@pytest.mark.parametrize("text", ["1,1 mg/dL", "1.1 mg/dl", "1,10 mg%", "1.1 mg/100 mL"])
def test_a_result_in_words_counts_as_its_number(service: Service, text: str) -> None:
    body = dict(_results())["magnesiumLabs 1.1"]
    labs = [fhir.observation(fhir.MAGNESIUM, value_string=text, today=DAY)]
    in_words = {**body, "prefetch": {**body["prefetch"], "magnesiumLabs": fhir.bundle(labs)}}
    assert card_id(service.ask("patient-view", in_words, NOON).cards[0]) == "mg-low-severe"


# ---------------------------------------------------------------------------------- doses


def order(instruction: Body, code: str = OXIDE_TABLET, egfr: float = 48) -> Body:
    """An order of magnesium oxide: with an eGFR of 48 whatever is above 200 mg a day is told."""
    draft = fhir.draft_order(code, id="magnesium", text="Magnesium oxide 400 MG Oral Tablet")
    draft["dosageInstruction"] = [instruction]
    labs = [fhir.observation(fhir.EGFR, egfr, fhir.EGFR_UNIT, today=DAY)]
    return fhir.hook_request(fhir.ORDER_SIGN, {"kidneyLabs": labs}, charts.patient(DAY), [draft])


def test_another_unit_of_one_tablet_changes_nothing(service: Service) -> None:
    def of(unit: str, coded: bool) -> Body:
        instruction = fhir.dosage(1, unit, 2)
        if coded:
            dose = {"value": 1, "code": unit, "system": fhir.SYSTEMS["ucum"]}
            instruction["doseAndRate"] = [{"doseQuantity": dose}]
        return order(instruction)

    written = [(f"{unit} {coded}", of(unit, coded)) for unit in TABLETS for coded in (True, False)]
    assert differing(service, of("tablet", coded=False), written) == []


def test_another_spelling_of_milligrams_changes_nothing(service: Service) -> None:
    written = [
        (
            unit,
            order(
                {
                    **fhir.dosage(times_per_day=1),
                    "doseAndRate": [{"doseQuantity": {"value": 400, "unit": unit}}],
                }
            ),
        )
        for unit in MILLIGRAMS
    ]
    assert differing(service, written[0][1], written) == []


@pytest.mark.parametrize(
    "repeat",
    [
        {"frequency": 2, "period": 1, "periodUnit": "d"},
        {"frequency": 2, "period": 1, "periodUnit": "d", "when": ["MORN", "EVE"]},
        {"frequency": 1, "period": 12, "periodUnit": "h"},
        {"frequency": 14, "period": 1, "periodUnit": "wk"},
        {"when": ["MORN", "EVE"]},
        {"when": ["CM", "CV"]},
        {"when": ["MORN", "EVE", "PC"]},
        {"timeOfDay": ["08:00:00", "20:00:00"]},
        {"timeOfDay": ["08:00:00", "20:00:00"], "frequency": 2, "period": 1, "periodUnit": "d"},
        {"when": ["MORN", "EVE"], "timeOfDay": ["08:00:00", "20:00:00"]},
    ],
    ids=json.dumps,
)
def test_twice_a_day_is_twice_a_day(service: Service, repeat: Body) -> None:
    usual, other = fhir.dosage(1, "tablet", 2), fhir.dosage(1, "tablet", 2)
    other["timing"] = {"repeat": repeat}
    assert differing(service, order(usual), [(str(repeat), order(other))]) == []


def _words() -> dict[tuple[int, int, str], list[str]]:
    """The words of use of SPEC 12.2 N-6 by how often they say."""
    found: dict[tuple[int, int, str], list[str]] = {}
    if not WORDS.is_file():
        return found
    for word in json.loads(WORDS.read_bytes())["words"]:
        if word["frequency"] is not None and word["text"] not in NOT_READ:
            often = word["frequency"], word["period"], word["periodUnit"]
            found.setdefault(often, []).append(word["text"])
    return found


FOLDS: dict[str, Callable[[str], str]] = {
    "as in the table": str,
    "in capitals": str.upper,
    "with blanks around": lambda text: f"  {text}  ",
}


@pytest.mark.shared
@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize(
    "often",
    _words()
    or [pytest.param(None, marks=pytest.mark.skip(reason="../shared is not beside this checkout"))],
    ids=str,
)
def test_words_of_use_are_read_as_the_timing_that_they_say(
    service: Service, often: tuple[int, int, str], fold: str
) -> None:
    frequency, period, unit = often
    usual = fhir.dosage(1, "tablet")
    usual["timing"] = {"repeat": {"frequency": frequency, "period": period, "periodUnit": unit}}
    written = [
        (word, order({"text": f"Take 1 tablet {FOLDS[fold](word)}"})) for word in _words()[often]
    ]
    assert differing(service, order(usual), written) == []
