"""Why there is no card, in one word: the reason is the one that the policy met first."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.hooks.registry import HOOKS
from cds_service.reasoning.decide import decide
from cds_service.reasoning.silence import Silence
from cds_service.site.model import Mode
from cds_service.site.showing import SHOW_ALL, Showing
from tests.unit.chart.reading import WOMAN, chart
from tests.unit.reasoning.asking import (
    AV_BLOCK,
    DIABETES,
    GLYCINATE,
    HCTZ,
    MIGRAINE,
    OXIDE,
    TOPIRAMATE,
    aged,
    egfr,
    has,
    orders,
    takes,
)

WITH_MIGRAINE = [has(MIGRAINE)]
INDICATED = [has(MIGRAINE), has(DIABETES)]
DEAD = {**WOMAN, "deceasedBoolean": True}
STOPPED = takes(OXIDE, status="stopped", authored_days=100, id="s")
SILENT = Showing(modes={"mg-suggest": Mode.SILENT})
NO_BIRTHDATE = {name: value for name, value in WOMAN.items() if name != "birthDate"}


def reason(
    hook: str,
    who: Any = WOMAN,
    drafts: tuple[Any, ...] = (),
    without: str = "",
    showing: Showing = SHOW_ALL,
    **contents: Any,
) -> Silence | None:
    context = {
        "draftOrders": {"entry": [{"resource": draft} for draft in drafts]},
        "selections": [f"MedicationRequest/{draft['id']}" for draft in drafts],
    }
    on = chart({"kidneyLabs": [egfr(92)], **contents}, who, without=(without,))
    drafted = HOOKS[hook].read_orders(on, context)
    found = decide(hook, HOOKS[hook].policy, on, drafted, showing=showing)
    assert bool(found.cards) != bool(found.silence)
    return Silence(found.silence) if found.silence else None


@pytest.mark.parametrize(
    ("expected", "more"),
    [
        (None, {"conditions": INDICATED}),
        (Silence.DECEASED, {"conditions": INDICATED, "who": DEAD}),
        (Silence.NO_MIGRAINE, {"conditions": [has(DIABETES)]}),
        (Silence.MIGRAINE_UNKNOWN, {"without": "conditions"}),
        (Silence.NOT_ADULT, {"conditions": INDICATED, "who": aged(12)}),
        (Silence.AGE_UNKNOWN, {"conditions": INDICATED, "who": NO_BIRTHDATE}),
        (Silence.BLOCKED, {"conditions": [*INDICATED, has(AV_BLOCK)]}),
        (Silence.NO_RISK_FACTOR, {"conditions": WITH_MIGRAINE}),
        (Silence.STOPPED, {"conditions": INDICATED, "medicationRequests": [STOPPED]}),
        (Silence.WITHHELD, {"conditions": INDICATED, "showing": SILENT}),
        (
            Silence.RISK_FACTOR_UNKNOWN,
            {"conditions": WITH_MIGRAINE, "without": "medicationRequests"},
        ),
    ],
)
def test_at_the_chart(expected: Silence | None, more: dict[str, Any]) -> None:
    assert reason("patient-view", **more) is expected


@pytest.mark.parametrize(
    ("expected", "drafts", "more"),
    [
        (None, [orders(TOPIRAMATE)], {"conditions": INDICATED}),
        (Silence.NO_MIGRAINE, [orders(HCTZ)], {"conditions": []}),
        (
            Silence.ALREADY_ORDERED,
            [orders(TOPIRAMATE), orders(GLYCINATE)],
            {"conditions": INDICATED},
        ),
        (Silence.NOTHING_FOUND, [orders(GLYCINATE)], {"conditions": INDICATED}),
        (Silence.KIDNEY, [orders(TOPIRAMATE)], {"conditions": INDICATED, "kidneyLabs": [egfr(20)]}),
        (Silence.DECEASED, [orders(TOPIRAMATE)], {"conditions": INDICATED, "who": DEAD}),
    ],
)
def test_at_a_selected_order(
    expected: Silence | None, drafts: list[Any], more: dict[str, Any]
) -> None:
    assert reason("order-select", drafts=tuple(drafts), **more) is expected


def test_at_signing_nothing_is_suggested() -> None:
    assert reason("order-sign", drafts=(orders(TOPIRAMATE),), conditions=INDICATED) is (
        Silence.NOTHING_FOUND
    )
