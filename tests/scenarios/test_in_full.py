"""Some scenarios to the last word: the whole card, its drafts, and the account of how it came.

What was read and found right stands in `in_full/`. Where the service now says something else, read
the difference; if it is meant, `python -m tests.scenarios.accounts` writes the files anew.
"""

from __future__ import annotations

import difflib

import pytest
from flask.testing import FlaskClient

from .accounts import IN_FULL, account
from .loading import load_all

BY_ID = {scenario.id: scenario for scenario in load_all()}
FILES = sorted(IN_FULL.glob("*.yaml"))


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_it_says_what_was_read_and_found_right(client_that_day: FlaskClient, name: str) -> None:
    agreed = (IN_FULL / f"{name}.yaml").read_text(encoding="utf-8")
    said = account(client_that_day, BY_ID[name])
    if said != agreed:
        lines = difflib.unified_diff(
            agreed.splitlines(), said.splitlines(), "agreed", "now", lineterm="", n=2
        )
        pytest.fail(f"{name}: {BY_ID[name].title}\n" + "\n".join(lines), pytrace=False)
