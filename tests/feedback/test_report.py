"""The report: counting, medians, shares, and its forms."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from flask import Flask

from cds_service.cli.main import main
from cds_service.feedback.plots import stacked_bars
from cds_service.feedback.report import (
    FEW,
    Line,
    Tally,
    as_csv,
    as_json,
    duration,
    make_report,
    percent,
)
from cds_service.knowledge.model import OverrideReason
from cds_service.store.history import (
    CardOutcome,
    History,
    IssuedCards,
    OverrideCounts,
    SuggestionCounts,
    Withheld,
)
from cds_service.store.store import Store

from ..store.conftest import NOW
from ..store.making import accepted, card, overridden, withheld

MONDAY = date(2026, 11, 16)
SVG = "{http://www.w3.org/2000/svg}"


def alike(
    count: int, outcome: CardOutcome, seconds: int | None = None, **changes: Any
) -> IssuedCards:
    usual: dict[str, Any] = {
        "card": "mg-suggest",
        "service": "s",
        "hook": "patient-view",
        "client": "",
        "knowledge": "1.0.0+a",
        "site": "",
        "rules": ("RF1", "migraine"),
        "week": MONDAY,
    }
    return IssuedCards(**{**usual, **changes}, outcome=outcome, seconds=seconds, count=count)


def history(*issues: IssuedCards, overrides: tuple[OverrideCounts, ...] = ()) -> History:
    return History(
        since=NOW - timedelta(days=90),
        until=NOW,
        issues=issues,
        overrides=overrides,
        taken=(SuggestionCounts("mg-suggest", "plan", 9, 4),),
        feedback=12,
        unmatched=3,
    )


MIXED = history(
    alike(6, CardOutcome.ACCEPTED, 10),
    alike(3, CardOutcome.ACCEPTED, 50, rules=("RF2",), client="https://ehr.example"),
    alike(2, CardOutcome.OVERRIDDEN, 400, card="mg-check-renal"),
    alike(8, CardOutcome.IGNORED, week=date(2026, 11, 9), knowledge="1.0.0+b"),
    alike(5, CardOutcome.OPEN),
    overrides=(
        OverrideCounts("mg-check-renal", "sys|refuses", 1),
        OverrideCounts("mg-check-renal", "", 4),
        OverrideCounts("mg-check-renal", "other", 1),
    ),
)
REASONS = (OverrideReason("sys", "refuses", "Patient refuses"),)


def named(lines: tuple[Line, ...]) -> dict[str, Tally]:
    return {line.name: line.tally for line in lines}


def test_every_card_is_counted_once_in_all_and_by_its_rules() -> None:
    report = make_report(MIXED, REASONS)
    total = report.total
    assert (total.issued, total.accepted, total.overridden, total.ignored, total.open) == (
        24, 9, 2, 8, 5,
    )  # fmt: skip
    assert {name: t.issued for name, t in named(report.groups["rule"]).items()} == {
        "RF1": 21, "RF2": 3, "migraine": 21,
    }  # fmt: skip
    alone = ("card", "hook", "service", "client", "week", "knowledge", "site", "card and knowledge")
    for by in alone:
        assert sum(line.tally.issued for line in report.groups[by]) == 24, by
    assert [line.name for line in report.groups["week"]] == ["2026-11-09", "2026-11-16"]
    assert set(named(report.groups["client"])) == {"(not authenticated)", "https://ehr.example"}


def test_shares_are_of_the_cards_that_are_no_longer_open() -> None:
    total = make_report(MIXED, REASONS).total
    assert total.share == pytest.approx(9 / 19)
    low, high = total.interval or (0, 0)
    assert (low, high) == (pytest.approx(0.2733, abs=1e-4), pytest.approx(0.6829, abs=1e-4))


def test_the_median_is_of_those_decided() -> None:
    assert make_report(MIXED, REASONS).total.median_seconds == 10
    even = history(alike(1, CardOutcome.ACCEPTED, 10), alike(1, CardOutcome.ACCEPTED, 20))
    assert make_report(even, ()).total.median_seconds == 10
    assert make_report(history(alike(1, CardOutcome.ACCEPTED)), ()).total.median_seconds is None


def test_few_cards_are_marked() -> None:
    enough = make_report(history(alike(FEW, CardOutcome.IGNORED)), ())
    assert not enough.some_are_few
    assert make_report(history(alike(FEW - 1, CardOutcome.IGNORED)), ()).some_are_few
    assert make_report(
        history(alike(1, CardOutcome.OPEN), alike(FEW - 1, CardOutcome.IGNORED)), ()
    ).some_are_few


def test_reasons_have_their_names() -> None:
    lines = make_report(MIXED, REASONS).reasons
    assert [(line.reason, line.count) for line in lines] == [
        ("(no reason given)", 4),
        ("(a reason that no card offers)", 1),
        ("Patient refuses", 1),
    ]


def test_an_empty_report_can_be_made() -> None:
    report = make_report(history(), ())
    assert report.total.share is None
    assert report.total.interval is None
    assert as_csv(report)
    assert as_json(report)["total"]["issued"] == 0
    assert "Nothing was issued." in stacked_bars("x", "t", report.groups["card"])


def test_silent_weeks_can_be_compared_with_live_weeks() -> None:
    week = MONDAY - timedelta(days=7)
    silent = (
        Withheld("mg-suggest", "patient-view", "silentHere", week, 9),
        Withheld("mg-suggest", "order-select", "silentHere", week, 2),
        Withheld("mg-suggest", "patient-view", "lockedUntil", MONDAY, 4),
        Withheld("mg-avoid-renal", "patient-view", "neverHere", MONDAY, 1),
    )
    issues = (
        alike(3, CardOutcome.ACCEPTED, site="st-mary+1"),
        alike(2, CardOutcome.IGNORED, site="st-mary+2"),
    )
    report = make_report(msgspec.structs.replace(history(*issues), withheld=silent), ())
    lines = [
        ("mg-avoid-renal", "2026-11-16", 1, 0, {"neverHere": 1}),
        ("mg-suggest", "2026-11-09", 11, 0, {"silentHere": 11}),
        ("mg-suggest", "2026-11-16", 9, 5, {"lockedUntil": 4}),
    ]
    assert [
        (w.card, w.week, w.decided, w.returned, {k: n for k, n in w.withheld.items() if n})
        for w in report.weeks
    ] == lines
    assert {name: t.issued for name, t in named(report.groups["site"]).items()} == {
        "st-mary+1": 3, "st-mary+2": 2,
    }  # fmt: skip
    assert as_json(report)["weeks"][2] == {
        "card": "mg-suggest", "week": "2026-11-16", "decided": 9, "returned": 5,
        "silentHere": 0, "neverHere": 0, "lockedUntil": 4, "notAskedFor": 0,
    }  # fmt: skip
    rows = [r for r in csv.DictReader(io.StringIO(as_csv(report))) if r["table"].startswith("dec")]
    assert [(r["name"], r["decided"], r["silentHere"]) for r in rows][1] == (
        "mg-suggest, 2026-11-09", "11", "11",
    )  # fmt: skip


def test_csv_has_every_table() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(make_report(MIXED, REASONS)))))
    tables = {row["table"] for row in rows}
    assert tables >= {"total", "card", "rule", "hook", "client", "week", "knowledge"}
    assert tables >= {"override reason", "suggestion", "unmatched feedback"}
    [total] = [row for row in rows if row["table"] == "total"]
    assert (total["issued"], total["accepted"], total["acceptedShare"]) == ("24", "9", "0.4737")


def test_a_plot_says_in_words_what_it_shows() -> None:
    lines = (
        *make_report(MIXED, REASONS).groups["card"],
        Line("<b>" * 20, Tally(0, 0, 0, 0, 0, None)),
    )
    svg = ET.fromstring(stacked_bars("by-card", "Cards & fates", lines))  # noqa: S314
    assert svg.get("role") == "img"
    words = {element.get("id"): element.text for element in svg.iter()}
    for label in (svg.get("aria-labelledby") or "").split():
        assert words[label]
    description = svg.findtext(f"{SVG}desc") or ""
    assert "mg-check-renal: 2 issued, 0 accepted, 2 overridden, 0 ignored, 0 open." in description


def test_the_bars_of_a_plot_are_as_long_as_the_counts() -> None:
    svg = ET.fromstring(stacked_bars("x", "t", make_report(MIXED, REASONS).groups["card"]))  # noqa: S314
    bars = [r for r in svg.findall(f"{SVG}rect") if r.get("height") == "18.0"]
    lengths = {(float(r.get("y") or 0), r.get("fill")): float(r.get("width") or 0) for r in bars}
    [overridden_one] = [w for (y, _), w in lengths.items() if y == min(y for y, _ in lengths)]
    whole = sum(w for (y, _), w in lengths.items() if y > min(y for y, _ in lengths))
    assert whole / overridden_one == pytest.approx(22 / 2, rel=0.01)
    assert len({fill for _, fill in lengths}) == 4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"),
     (172_800, "2 d")],
)  # fmt: skip
def test_durations_are_said_in_one_unit(seconds: int | None, text: str) -> None:
    assert duration(seconds) == text


def test_shares_are_said_in_percent() -> None:
    assert percent(0.126) == "13%"
    assert percent(None) == ""


# ------------------------------------------------------------ page and command


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory with a little history, which the command line looks at."""
    directory = str(tmp_path_factory.mktemp("history"))
    now = datetime.now(UTC)
    store = Store(f"sqlite:///{directory}/cds.sqlite3", 365)
    taken = card(now - timedelta(days=3))
    refused = card(now - timedelta(days=3), site="st-mary+abc")
    silent = withheld(now - timedelta(days=3))
    for issued in (taken, refused, silent, card(now - timedelta(days=400), site="st-mary+def")):
        store.remember(issued)
    store.close()
    comment = "\x1b[31mHe fears\nthe taste [bold]"
    store.add_feedback([accepted(taken), overridden(refused, reason="other", comment=comment)])
    store.close()
    monkeypatch.setenv("CDS_DATA_DIR", directory)
    return directory


@pytest.mark.usefixtures("data")
def test_the_command_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "report"]) == 0
    text = capsys.readouterr().out
    for word in (
        "mg-suggest",
        "By rule",
        "kidney:normal",
        "By knowledge",
        "By site",
        "50% (few)",
        "30 s",
        "silentHere",
    ):
        assert word in text


@pytest.mark.usefixtures("data")
def test_the_command_prints_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "report", "--json", "--days", "30"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["issued"] == 2
    assert main(["feedback", "report", "--csv", "--days", "1000"]) == 0
    assert "total,all,3,1,1,1,0" in capsys.readouterr().out


@pytest.mark.usefixtures("data")
def test_comments_come_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "comments", "--days", "365"]) == 0
    text = capsys.readouterr().out
    assert text.index("may hold patient data") < text.index("the taste [bold]")
    assert "\x1b[31m" not in text


@pytest.mark.usefixtures("data")
def test_the_command_purges(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "purge"]) == 0
    assert capsys.readouterr().out == "Deleted 3 rows.\n"


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999"])
def test_days_are_a_number(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["feedback", "report", "--days", days])
    assert "number of days" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    assert main(["feedback", "report"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "secret" not in error


def test_a_password_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDS_DATABASE_URL", "postgresql://me:open5esame@h/none?password=open5esame")
    assert main(["config"]) == 0
    assert "open5esame" not in capsys.readouterr().out


def test_the_page_shows_plots_and_numbers(build: Callable[..., Flask], data: str) -> None:
    client = build(data_dir=data).test_client()
    response = client.get("/feedback/report")
    # Without the attributes that only narrow screens need.
    text = re.sub(r' (?:role|data-label)="[^"]*"', "", response.get_data(as_text=True))
    assert response.status_code == 200
    assert text.count('<svg xmlns="http://www.w3.org/2000/svg"') == 3
    assert text.count("<desc") == 3
    assert "fewer than 20 cards" in text
    assert "mg-suggest" in text
    assert "(no site file)" in text
    assert "st-mary+abc" in text
    assert re.search(
        r"mg-suggest</th><td>[-\d]{10}</td><td class=.n.>3</td><td class=.n.>2</td>", text
    )
    assert "The rules are not yet approved for patient care." in text
    assert "the taste" not in text
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert client.get("/feedback/report?days=30").status_code == 200
    assert client.get("/feedback/report?days=31").status_code == 400


def test_the_page_and_the_evidence_lead_to_each_other(
    build: Callable[..., Flask], data: str
) -> None:
    client = build(data_dir=data).test_client()
    text = client.get("/feedback/report").get_data(as_text=True)
    assert 'href="/evidence"' in text
    assert 'href="/feedback/report"' in client.get("/evidence").get_data(as_text=True)
    assert "Offer a trial of magnesium: mg-suggest</th>" in text
    assert "--accent:" in text, "the colours of the other pages, also in the dark scheme"
    elsewhere = build(data_dir=data, public_url="https://cds.example/").test_client()
    report = elsewhere.get("/feedback/report").get_data(as_text=True)
    assert 'href="https://cds.example/evidence"' in report
