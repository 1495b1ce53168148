"""The rehearsal over the synthetic patients: where it is, what it shows, and when it is made."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.sandbox.patients import load_all
from cds_service.settings import Settings
from cds_service.web.pages import rehearsal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def page(client: FlaskClient) -> str:
    return client.get("/rehearsal").text


def link_to(card: str) -> str:
    return f'<th scope="row"><a href="/evidence#{card}">{card}</a></th>'


def tile(page: str, name: str) -> str:
    found = re.search(rf"<dt>{name}</dt><dd>([^<]*)</dd>", page)
    assert found is not None
    return found[1]


def test_it_shows_the_report_over_the_synthetic_patients(page: str) -> None:
    number = len(load_all())
    assert tile(page, "patients with a card").endswith(f" of {number}")
    assert int(tile(page, "cards")) > number
    assert int(tile(page, "of them critical")) > 0
    for title in ("Population", "Rates", "Cards by card and hook", "Cards by month"):
        assert f"<caption>{title}</caption>" in page
    for card in ("mg-suggest", "rx-mg-renal-critical", "mg-hazard-renal"):
        assert link_to(card) in page
    assert page.count("<svg") == 3


def test_it_says_what_it_is_and_how_to_rehearse_own_data(page: str) -> None:
    assert "made to show every card" in page
    assert "make install-rehearsal" in page
    assert "review.csv" not in page  # there is no such file here


def test_it_names_no_patient(page: str) -> None:
    """It is the report that a committee reads, which never does."""
    names = {name for person in load_all().values() for name in (person.id, person.name)}
    assert [name for name in names if name in page] == []


def test_every_id_is_there_once_and_every_reference_leads_somewhere(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    references = re.findall(r'(?:href="|url\()#([^")]+)', page)
    named = [
        name for text in re.findall(r'aria-labelledby="([^"]+)"', page) for name in text.split()
    ]
    assert {*references, *named} <= set(ids)


def test_nothing_is_inline_or_from_elsewhere(client: FlaskClient, page: str) -> None:
    policy = client.get("/rehearsal").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script|\bstyle=|(?:src|href)=.(?!/|#)", page)


def test_each_card_leads_to_what_it_says(client: FlaskClient, page: str) -> None:
    cards = set(re.findall(r'href="/evidence#([^"]+)"', page))
    evidence = client.get("/evidence").text
    assert len(cards) > 20
    assert [card for card in cards if f'id="{card}"' not in evidence] == []


@pytest.mark.parametrize("path", ["/", "/evidence"])
def test_the_other_pages_link_to_it(client: FlaskClient, path: str) -> None:
    assert '<a href="/rehearsal">' in client.get(path).text


def test_it_is_a_page_of_the_sandbox(tmp_path: Path) -> None:
    """A service without the sandbox has neither the page nor a link to it."""
    client = create_app(Settings(data_dir=str(tmp_path), sandbox=False)).test_client()
    assert client.get("/rehearsal").status_code == 404
    assert "/rehearsal" not in client.get("/evidence").text


def test_it_is_made_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(rehearsal, "_page", lambda _, today: made.append(today) or f"of {today}")
    clock = [NOW]
    app = create_app(Settings(data_dir=str(tmp_path)), now=lambda: clock[0])
    client = app.test_client()
    assert [client.get("/rehearsal").text for _ in range(2)] == ["of 2026-11-22"] * 2
    clock[0] += timedelta(days=1)
    assert client.get("/rehearsal").text == "of 2026-11-23"
    assert len(made) == 2


SITE = """
site: {id: quiet, title: Quiet}
mode: {silent: true, until: 2026-12-31}
cards: {mg-suggest: {mode: never}}
"""


def test_the_site_file_counts_but_not_its_silent_mode(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    settings = Settings(data_dir=str(tmp_path), site_file=str(file))
    page = create_app(settings, now=lambda: NOW).test_client().get("/rehearsal").text
    assert "site file quiet+" in page
    assert link_to("mg-suggest") not in page
    assert link_to("mg-suggest-reduced") in page


_WITHOUT_LIBRARIES = """
import sys
for name in ("matplotlib", "numpy", "pyarrow", "pyspark"):
    sys.modules[name] = None  # importing it fails
from cds_service import create_app
from cds_service.settings import Settings

client = create_app(Settings(data_dir=sys.argv[1])).test_client()
assert not [name for name in sys.modules if name.startswith("cds_service.rehearsal")]
answer = client.get("/rehearsal")
print(answer.status_code, answer.text.count("<svg"))
"""


@pytest.mark.slow
def test_it_needs_only_what_make_run_installs(tmp_path: Path) -> None:
    """And nothing of the rehearsal is imported before the page is asked for."""
    command = [sys.executable, "-c", _WITHOUT_LIBRARIES, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    assert ended.stdout.split() == ["200", "3"]
