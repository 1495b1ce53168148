"""Every synthetic patient gives, at every moment it was made for, its cards on the page."""

from __future__ import annotations

import pytest

from cds_service.sandbox.patients import hook_of, load_all

from .session import Sandbox


@pytest.mark.parametrize("patient", sorted(load_all()))
def test_every_moment_of_a_patient_gives_its_cards(sandbox: Sandbox, patient: str) -> None:
    for show in load_all()[patient].shows:
        sandbox.open(patient, hook_of(show.service).name, show.draft)
        sandbox.expect_cards(*_by_severity(show.expect, sandbox))


def _by_severity(cards: tuple[str, ...], sandbox: Sandbox) -> list[str]:
    """The order in which the answer has them; `shows` names them in any order."""
    shown = (sandbox.page.locator("body").get_attribute("data-answered") or "").split()
    assert sorted(shown) == sorted(cards)
    return shown
