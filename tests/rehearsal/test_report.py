"""The page of a committee, the chart review and its marks, and two sets of rules side by side."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cds_service.cli.main import main
from cds_service.rehearsal.figures import figures_of, rows_in
from cds_service.rehearsal.marks import wilson
from cds_service.rehearsal.report import _suppressed
from cds_service.rehearsal.review import Sampler, lowest
from cds_service.rehearsal.rules import rules_of

from .population import (
    MAGNESIUM_OXIDE,
    RXNORM,
    Resource,
    egfr,
    eligible,
    order,
    patient,
    visit,
    write_export,
)
from .running import rows, run

ASPIRIN = ("1191", RXNORM)
AS_OF = {"transactionTime": "2026-11-22T00:00:00Z"}


def population() -> list[Resource]:
    """30 patients of whom 10 get `mg-suggest` at each of four visits; one has died, one is young."""
    found: list[Resource] = []
    days = ("2026-01-01", "2026-01-21", "2026-03-02", "2026-09-28")
    for n in range(30):
        own = f"secret-{n}"
        found += eligible(own) if n < 12 else [patient(own)]
        found.append(egfr(own, f"{own}-e", 90, "2025-12-31"))
        place = {"location": [{"location": {"display": "Neurology <A&B>"}}]}
        people = {"participant": [{"individual": {"reference": f"Practitioner/dr-{n % 2}"}}]}
        found += [visit(own, f"{own}-v{m}", day, **place, **people) for m, day in enumerate(days)]
        found.append(order(own, f"{own}-o", ASPIRIN, "2026-02-01"))
    next(r for r in found if r["id"] == "secret-0")["deceasedDateTime"] = "2025-01-01"
    next(r for r in found if r["id"] == "secret-1")["birthDate"] = "2015-01-01"
    return found


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_export(tmp_path_factory.mktemp("in") / "x", population(), manifest=AS_OF)
    return run(folder, tmp_path_factory.mktemp("out") / "x")


class _Page(HTMLParser):
    """The tables of a page by caption, and what is wrong with its form."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self._caption = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href")]
        if tag not in ("meta", "path", "use", "rect", "br", "link"):
            self.open.append(tag)
        if tag == "tr" and self._caption:
            self.tables[self._caption].append([])

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("path", "use", "rect"):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("path", "use", "rect"):
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "caption":
            self._caption = data
            self.tables[data] = []
        elif self.open and self.open[-1] in ("td", "th") and self._caption:
            self.tables[self._caption][-1].append(data)


@pytest.fixture(scope="module")
def page(out: Path) -> _Page:
    return _Page((out / "report.html").read_text(encoding="utf-8"))


def test_the_rates(page: _Page) -> None:
    found = {row[0]: row[1:] for row in page.tables["Rates"][1:]}
    assert found["cards on opening a chart or discharge, per 1,000 visits"] == [
        "40",
        "120",
        "333.33",
    ]
    assert found["cards on orders and refills, per 100 orders"] == ["0", "30", "0.00"]
    # Two clinicians on each of four days; the orders name nobody.
    assert found["all cards, per clinician-day"] == ["40", "8", "5.00"]
    assert found["all cards, per patient"] == ["40", "30", "1.33"]


def test_repeats_and_what_lockouts_leave(page: _Page) -> None:
    found = {
        row[0]: row[1]
        for row in page.tables["Cards that a lock-out leaves. Safety cards are never locked out."]
    }
    assert (found["none"], found["30 days"], found["90 days"], found["365 days"]) == (
        "40",
        "30",
        "20",
        "10",
    )
    assert page.tables["Repeats by card"][1:] == [["mg-suggest", "30"]]


def test_a_lockout_never_takes_a_safety_card_away(tmp_path: Path) -> None:
    """Four hazard cards of one patient in a month: all are left."""
    visits = [visit("p", f"v{day}", f"2026-01-0{day}T09:00:00Z") for day in (2, 3, 4, 5)]
    found = [patient("p"), egfr("p", "e", 22, "2026-01-01"), *visits]
    found.append(order("p", "o", MAGNESIUM_OXIDE, "2025-06-01"))
    source = write_export(tmp_path / "in", found, manifest=AS_OF)
    made = run(source, tmp_path / "out", hooks=("patient-view",))
    figures = figures_of(rows(made), rules_of(None).knowledge.cards)
    assert figures.by(0) == {"mg-hazard-renal": 4}
    assert figures.left == dict.fromkeys((30, 90, 365), 4)


def test_by_month_department_and_person(page: _Page) -> None:
    assert page.tables["Cards by department"][1:] == [["Neurology <A&B>", "40", "120"]]
    assert ["2026-01", "20", "60"] in page.tables["Cards by month"]
    assert page.tables["Patients by number of cards"][1:] == [["3 to 5", "10"]]
    assert page.tables["Clinicians by number of cards (no names)"][1:] == [["11 to 20", "2"]]


def test_why_silent_and_near_misses(page: _Page) -> None:
    near = {row[0]: row[1] for row in page.tables["Near misses: one condition was not met"][1:]}
    assert near == {"adult": "4", "alive": "4"}


def test_small_groups_are_not_shown(page: _Page) -> None:
    ages = {row[0]: row[1:] for row in page.tables["Patients by age"][1:]}
    assert ages["0-17"] == ["not shown", "not shown"]
    assert ages["40-64"] == ["not shown", "not shown"]  # else the other could be worked out
    assert _suppressed([("a", 500, 5), ("b", 600, 60), ("c", 700, 70)]) == [
        ("a", "not shown", "not shown", ""),
        ("b", "not shown", "not shown", ""),
        ("c", 700, 70, "10.0 %"),
    ]
    assert [
        row[1] for row in _suppressed([("a", 3, 0), ("b", 4, 0), ("c", 60, 0), ("d", 70, 0)])
    ] == [
        *("not shown", "not shown", "not shown"),
        70,
    ]  # a and b together are 7, which the number of all patients would show
    assert _suppressed([("a", 500, 0), ("b", 600, 60)]) == [
        ("a", 500, 0, "0.0 %"),
        ("b", 600, 60, "10.0 %"),
    ]


def test_the_page_names_no_patient_and_no_clinician(out: Path) -> None:
    text = (out / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"secret-\d|dr-\d", text)


def test_the_page_stands_alone_and_is_well_formed(page: _Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [link for link in page.links if not link.startswith("#")] == []
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_plots_have_words(out: Path) -> None:
    text = (out / "report.html").read_text(encoding="utf-8")
    plots = re.findall(r'<svg[^>]*role="img" aria-labelledby="(\S+) (\S+)"', text)
    assert len(plots) == 3
    for names in plots:
        assert all(f'id="{name}"' in text for name in names)
    assert "mg-suggest: 40" in text


# ------------------------------------------------------------------------------ chart review


def reviewed(out: Path, tmp_path: Path, verdicts: list[str]) -> Path:
    with (out / "review.csv").open(newline="", encoding="utf-8-sig") as file:
        found = list(csv.DictReader(file))
    for row, verdict in zip(found, verdicts, strict=False):
        row |= {"correct": verdict, "reviewer": "A. B."}
    file = tmp_path / "marked.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return file


def test_the_sample_explains_each_moment(out: Path) -> None:
    with (out / "review.csv").open(newline="", encoding="utf-8-sig") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 20  # of 40
    assert {row["card"] for row in found} == {"mg-suggest"}
    assert all("migraine" in row["explanation"] and row["correct"] == "" for row in found)
    assert len({row["id"] for row in found}) == 20


def test_marks_come_back_into_the_report(out: Path, tmp_path: Path) -> None:
    marked = reviewed(out, tmp_path, ["yes"] * 8 + ["no"] * 2 + ["unsure"])
    assert main(["rehearse-marks", str(marked), "--out", str(out)]) == 0
    page = _Page((out / "report.html").read_text(encoding="utf-8"))
    assert page.tables["Positive predictive value"][1:] == [
        ["mg-suggest", "8", "2", "1", "80 %", "49 to 94 %"]
    ]
    assert json.loads((out / "marks.json").read_text())["cards"] == {"mg-suggest": [8, 2, 1]}


@pytest.mark.parametrize("verdicts", [[], ["yes", "perhaps"]])
def test_marks_that_cannot_be_read_are_one_line(
    out: Path, tmp_path: Path, verdicts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    marked = reviewed(out, tmp_path, verdicts)
    with pytest.raises(SystemExit) as ended:
        main(["rehearse-marks", str(marked), "--out", str(out)])
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("right", "number", "low", "high"),
    [
        # Newcombe 1998 (Statistics in Medicine 17:857-872), table I: score intervals
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(right: int, number: int, low: float, high: float) -> None:
    assert wilson(right, number) == pytest.approx((low, high), abs=0.00006)


def test_the_sample_does_not_depend_on_the_order(out: Path) -> None:
    from cds_service.rehearsal.rows import Row

    found = [
        Row(**row | {k: tuple(row[k]) for k in ("risk", "why_silent", "unknown")})
        for row in rows(out)
    ]
    cards = [row for row in found if row.card]
    explained: dict[str, Any] = {"cards": [], "facts": []}

    def sample(*parts: list[Row]) -> list[Row]:
        samplers = [Sampler(3) for _ in parts]
        for sampler, part in zip(samplers, parts, strict=True):
            for row in part:
                sampler.offer(row, lambda: explained)
        return [s.row for s in lowest([s for x in samplers for s in x.kept()], 3)]

    whole = sample(cards)
    assert sample(cards[::-1]) == sample(cards[::2], cards[1::2]) == whole
    assert len(whole) == 3


def test_the_figures_do_not_depend_on_how_many_rows_are_read_at_once(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = rules_of(None).knowledge.cards
    whole = figures_of(rows(out), cards)
    monkeypatch.setattr("cds_service.rehearsal.figures._BATCH", 3)
    assert figures_of(rows_in(out / "decisions.parquet"), cards) == whole


# ----------------------------------------------------------------------------- side by side


def knowledge_with(tmp_path: Path, parameter: str, value: float) -> Path:
    """Another version of the knowledge: one parameter has another value."""
    import shutil

    import cds_service.knowledge

    folder = tmp_path / "knowledge"
    shutil.copytree(Path(cds_service.knowledge.__file__).parent / "data", folder)
    file = folder / "parameters.json"
    found = json.loads(file.read_text())
    (row,) = (r for r in found if r["id"] == parameter)
    row["value"] = value
    file.write_text(json.dumps(found))
    return folder


def test_two_versions_of_the_knowledge(tmp_path: Path) -> None:
    found = [r for r in population()[:60] if r["resourceType"] != "Observation"]
    found += [egfr(f"secret-{n}", f"e-{n}", 65, "2025-12-31") for n in range(12)]
    source = write_export(tmp_path / "in", found, manifest=AS_OF)
    other = knowledge_with(tmp_path, "egfr.moderate_below", 70)
    out = run(source, tmp_path / "out", against=other)
    changes = pq.read_table(out / "changes.parquet").to_pylist()
    shown = [r for r in rows(out) if r["card"]]
    assert {(r["card"], r["change"]) for r in changes} == {
        ("mg-suggest", "appears"),
        ("mg-suggest-reduced", "vanishes"),
    }
    assert len([r for r in changes if r["change"] == "appears"]) == len(shown) > 0
    page = _Page((out / "report.html").read_text(encoding="utf-8"))
    (table,) = (t for c, t in page.tables.items() if c.startswith("Moments at which"))
    assert table[1:] == [
        ["mg-suggest", str(len(shown)), "0", "0"],
        ["mg-suggest-reduced", "0", str(len(shown)), "0"],
    ]


SITE = """
site: {id: quiet, title: Quiet}
cards: {mg-suggest: {mode: never}}
"""


@pytest.mark.slow
def test_two_site_files_with_any_number_of_workers(tmp_path: Path) -> None:
    found = population()[:40]
    source = write_export(tmp_path / "in", found, manifest=AS_OF)
    (tmp_path / "site.yaml").write_text(SITE)
    lists = []
    for workers in (1, 2, 5):
        out = run(
            *(source, tmp_path / f"out-{workers}"),
            against=tmp_path / "site.yaml",
            workers=workers,
        )
        lists.append((out / "changes.parquet").read_bytes())
    assert lists[0] == lists[1] == lists[2]
    changes = pq.read_table(out / "changes.parquet").to_pylist()
    assert {(r["card"], r["change"]) for r in changes} == {("mg-suggest", "appears")}
    assert "quiet" in (out / "report.html").read_text(encoding="utf-8")
