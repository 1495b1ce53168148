"""The chart on the page: one timeline, and two plots that can be read without colours."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from cds_service.sandbox.patients import bundle_of

from .session import Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

DAY = re.compile(r"\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}")


def shown(iso: str) -> str:
    """A day as the page writes it."""
    day = date.fromisoformat(iso[:10])
    return f"{day.day} {day:%b} {day.year}"


def results(patient: str, today: date, name: str) -> list[dict[str, Any]]:
    """The results with this word in their name, newest first."""
    resources = [entry["resource"] for entry in bundle_of(patient, today)["entry"]]
    found = [
        r for r in resources if r["resourceType"] == "Observation" and name in json.dumps(r["code"])
    ]
    return sorted(found, key=lambda r: r["effectiveDateTime"], reverse=True)


# ------------------------------------------------------------------- timeline


def row(sandbox: Sandbox, text: str) -> Locator:
    return sandbox.page.locator(".timeline .event").filter(has_text=text).first


def test_problems_medicines_and_results_share_one_timeline(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    timeline = sandbox.page.get_by_role("region", name="Timeline")
    lanes = timeline.locator("summary h3").all_inner_texts()
    names = [re.sub(r" \(.*", "", text) for text in lanes]
    assert names[:4] == ["Problems", "Medicines", "Kidney and magnesium results", "Procedures"]
    # One axis for all: the same months at the same places.
    axes = timeline.locator(".lane[open] .axis-of-time").all_inner_texts()
    assert len(axes) >= 4
    assert len(set(axes)) == 1
    assert "today" in axes[0]
    for text in timeline.locator(".event .what > small").all_text_contents():
        assert DAY.search(text) or "no date" in text, text


def test_a_bar_shows_the_dates_of_its_row(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    diabetes = row(sandbox, "Type 2 diabetes mellitus")
    sandbox.expect(diabetes).to_contain_text(re.compile("since " + DAY.pattern))
    bar = diabetes.locator("rect.span")
    sandbox.expect(bar).to_have_attribute("x", "0%")
    sandbox.expect(bar).to_have_attribute("width", "100%")
    sandbox.expect(diabetes.locator("path.earlier")).to_have_count(1)
    recent = row(sandbox, "metformin")
    sandbox.expect(recent.locator("path.earlier")).to_have_count(0)
    start = float((recent.locator("rect.span").get_attribute("x") or "").rstrip("%"))
    assert 70 < start < 90  # five months ago, on an axis of two years
    past = row(sandbox, "sumatriptan 50 mg")
    sandbox.expect(past).to_contain_text("completed, began")
    sandbox.expect(past).to_have_class("event past")


def test_a_result_lists_all_its_values_and_one_can_be_removed(
    sandbox: Sandbox, today: date
) -> None:
    sandbox.open("marigold-fenwick")
    newest, *_ = results("marigold-fenwick", today, "eGFR")
    egfr = row(sandbox, "eGFR")
    value, day = newest["valueQuantity"]["value"], shown(newest["effectiveDateTime"])
    sandbox.expect(egfr).to_contain_text(f"{value} mL/min/1.73")
    sandbox.expect(egfr).to_contain_text(day)
    sandbox.expect(egfr.locator(".track text.value").first).to_have_text(str(value))
    egfr.get_by_text("All results of eGFR").click()
    listed = egfr.locator(".all li").all_inner_texts()
    assert len(listed) == len(egfr.locator(".track circle").all()) == 3
    assert all(DAY.search(text) for text in listed)
    egfr.get_by_role("button", name=f"Remove eGFR of {day}").press("Enter")
    sandbox.expect(row(sandbox, "eGFR")).not_to_contain_text(day)
    sandbox.expect(row(sandbox, "eGFR").locator(".all li")).to_have_count(2)
    sandbox.expect(sandbox.page.locator(".plot .latest").first).not_to_contain_text(day)


def test_what_has_no_date_is_listed_without_a_bar(sandbox: Sandbox) -> None:
    condition = {"resourceType": "Condition", "id": "c", "code": {"text": "Gout"}}
    partial = {**condition, "id": "d", "code": {"text": "Asthma"}, "onsetDateTime": "2019"}
    entries = [{"resource": {"resourceType": "Patient", "id": "p", "birthDate": "1980"}}]
    entries += [{"resource": resource} for resource in (condition, partial)]
    sandbox.open("marigold-fenwick")
    sandbox.use_own(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    sandbox.expect(row(sandbox, "Gout")).to_contain_text("no date")
    sandbox.expect(row(sandbox, "Gout").locator("rect.span, circle")).to_have_count(0)
    sandbox.expect(row(sandbox, "Asthma").locator("small")).to_have_text("since 2019")


def test_a_change_is_marked_on_the_timeline(sandbox: Sandbox) -> None:
    sandbox.open("hugo-plainfield")
    sandbox.choose("Add a diagnosis", "type 2 diab", "Type 2 diabetes mellitus")
    sandbox.expect(row(sandbox, "Type 2 diabetes mellitus")).to_have_class("event added")
    sandbox.slide("egfr", 41)
    egfr = row(sandbox, "eGFR")
    sandbox.expect(egfr).to_contain_text("41 mL/min")
    sandbox.expect(egfr).to_have_class("event added")


# ---------------------------------------------------------------------- plots


def test_the_plots_have_values_and_dates_at_their_points(sandbox: Sandbox, today: date) -> None:
    sandbox.open("winifred-blackthorn")
    for title, name in (("eGFR", "eGFR"), ("Serum magnesium", "agnesium")):
        plot = sandbox.page.locator(".plot").filter(has_text=title).first
        newest = results("winifred-blackthorn", today, name)[0]
        value, day = newest["valueQuantity"]["value"], shown(newest["effectiveDateTime"])
        sandbox.expect(plot.locator("svg text.value").first).to_have_text(str(value))
        sandbox.expect(plot.locator("svg text.date").first).to_have_text(day)
        label = plot.get_by_role("img").get_attribute("aria-label") or ""
        assert f"{value} on {day}" in label
    sandbox.slide("egfr", 15)
    sandbox.expect(sandbox.page.locator("text.value.edited")).to_have_text("15")
    sandbox.expect(sandbox.page.locator("text.date.edited")).to_have_text("today, as set")


@pytest.mark.parametrize("width", [390, 1440])
def test_no_two_labels_of_a_plot_overlap(opens: Callable[..., Page], site: str, width: int) -> None:
    sandbox = Sandbox(opens(viewport={"width": width, "height": 900}), site)
    for patient in ("winifred-blackthorn", "barnaby-thistlewood", "juniper-ashgrove"):
        sandbox.open(patient)
        sandbox.expect(sandbox.page.locator(".plot svg")).to_have_count(2)
        overlapping = sandbox.page.evaluate(
            """() => [...document.querySelectorAll(".plot svg")].flatMap((svg) => {
              const frame = svg.getBoundingClientRect();
              const texts = [...svg.querySelectorAll("text.value, text.axis:not(.month), text.meaning")];
              const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
              const out = boxes.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1);
              const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6;
              const pairs = boxes.flatMap(([one, a], at) => boxes.slice(at + 1)
                .filter(([, b]) => meet(a, b)).map(([other]) => `${one} and ${other}`));
              return [...pairs, ...out.map(([text]) => `${text} sticks out`)];
            })"""
        )
        assert overlapping == [], patient


INK = """async ([picture, areas]) => {
  const bytes = Uint8Array.from(atob(picture), (c) => c.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const drawn = canvas.getContext("2d");
  drawn.drawImage(image, 0, 0);
  return areas.map(({ x, y, width, height }) => {
    const { data } = drawn.getImageData(x, y, width, height);
    const grey = Array.from({ length: width * height }, (_, at) => data[4 * at]);
    const paper = grey.toSorted((a, b) => a - b)[Math.floor(grey.length / 2)];
    const ink = grey.map((value) => Math.abs(value - paper));
    const rows = Array.from({ length: height }, (_, row) =>
      ink.slice(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0) / width);
    const coloured = grey.filter((value, at) => value !== data[4 * at + 1]).length;
    const [most, least] = [Math.max(...rows), Math.min(...rows)];
    return { coloured, ink: most, varied: most ? (most - least) / most : 0 };
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_bands_differ_in_grey(opens: Callable[..., Page], site: str, scheme: str) -> None:
    """Seen without any colour: one band has lines, one has dots, and the rest is plain."""
    page = opens(color_scheme=scheme)
    sandbox = Sandbox(page, site)
    sandbox.open("marigold-fenwick")
    sandbox.expect(page.locator(".plot svg")).to_have_count(2)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    svg = page.locator(".plot svg").first
    svg.scroll_into_view_if_needed()
    picture = base64.b64encode(svg.screenshot(animations="disabled")).decode()
    # A part of each band to the right of its name, and one above the bands and below the course.
    areas = svg.evaluate(
        """(svg) => {
          const [severe, moderate] = svg.querySelectorAll("rect.band");
          const x = Math.round(svg.clientWidth * 0.55);
          const part = (y, height) => ({ x, y: Math.round(y), width: 90, height });
          const inside = (band) => part(Number(band.getAttribute("y")) + 6, 24);
          return [inside(severe), inside(moderate), part(Number(moderate.getAttribute("y")) - 22, 14)];
        }"""
    )
    lines, dots, plain = page.evaluate(INK, [picture, areas])
    assert lines["coloured"] == dots["coloured"] == 0
    assert plain["ink"] < 0.5
    assert min(lines["ink"], dots["ink"]) > 2
    # Lines are in each row of the picture alike. Between dots there are rows without any.
    assert lines["varied"] < 0.3
    assert dots["varied"] > 0.6


def test_the_strip_and_the_marks_differ_in_form(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    runs = sandbox.page.locator(".strip rect.run")
    sandbox.expect(runs).to_have_count(3)
    heights = [runs.nth(at).get_attribute("height") for at in (0, 2)]
    assert heights == ["9", "6"]  # a warning is taller than an information
    forms = sandbox.page.evaluate(
        """async () => {
          const { LEVELS } = await import("/static/js/outcome.js");
          return Object.values(LEVELS).map(({ path }) => path);
        }"""
    )
    assert len(set(forms)) == len(forms) == 5
