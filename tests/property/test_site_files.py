"""No valid site file withholds or softens a safety card, and no damaged file is read halfway."""

from __future__ import annotations

import pytest

from . import site_files

pytestmark = pytest.mark.slow


def test_no_valid_file_withholds_or_softens_a_safety_card() -> None:
    assert list(site_files.try_files(seed=1, files=300, calls_each=4)) == []


def test_every_parameter_at_its_limit_and_halfway_loosens_nothing() -> None:
    from cds_service.site.force import InForce

    usual = InForce(site_files.knowledge())
    pool = site_files.calls()[::7]
    found = [
        (values, call.hook.name, loss)
        for values in site_files.parameter_sets()
        for force in [
            site_files.force_of({"site": {"id": "a", "title": "A"}, "parameters": dict(values)})
        ]
        for call in pool
        for loss in site_files.losses(
            site_files.answered(usual, call),
            site_files.answered(force, call),
            site_files.knowledge(),
        )
    ]
    assert found == []


def test_a_damaged_file_is_valid_or_refused_with_the_line() -> None:
    assert list(site_files.try_damaged(seed=1, number=1500)) == []
