"""What a visitor does on the sandbox page, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from cds_service.sandbox.patients import hook_request, load_all

from .session import Sandbox

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from playwright.sync_api import Page, Route

VIEW = "magnesium-migraine-patient-view"
EVIL = (
    '<img src=x onerror="window.hit=1"><script>window.hit=1</script> [x](javascript:window.hit=1)'
)


def test_the_first_visit_shows_a_patient_and_a_card_at_once(sandbox: Sandbox) -> None:
    sandbox.page.goto(sandbox.site + "/")
    sandbox.expect_cards("mg-suggest")
    card = sandbox.card("mg-suggest")
    sandbox.expect(card.get_by_role("heading", level=3)).to_contain_text("Migraine + diabetes")
    sandbox.expect(card.get_by_text("Information", exact=True)).to_be_visible()


def test_first_paint_comes_within_a_second(sandbox: Sandbox) -> None:
    sandbox.page.goto(sandbox.site + "/")
    sandbox.expect_cards("mg-suggest")
    painted = sandbox.page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    assert painted < 1000


def test_patients_are_found_by_name_or_story(sandbox: Sandbox) -> None:
    sandbox.open("hugo-plainfield")
    sandbox.page.get_by_label("Find a patient").fill("haemodialysis")
    people = sandbox.page.locator("[data-people] button")
    sandbox.expect(people).to_have_count(1)
    people.click()
    sandbox.expect_cards("rx-mg-renal-critical")
    sandbox.expect(sandbox.page.get_by_role("heading", name="Magnus")).to_be_focused()


def test_a_worse_kidney_changes_the_card_at_once_and_back(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.slide("egfr", 48)
    sandbox.expect_cards("mg-suggest-reduced")
    sandbox.slide("egfr", 22)
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.expect(sandbox.page.locator(".point.edited")).to_have_count(1)
    sandbox.page.get_by_role("button", name="Undo all edits").click()
    sandbox.expect_cards("mg-suggest")


def test_magnesium_and_age_change_the_card(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.slide("magnesium", 1.0)
    sandbox.expect_cards("mg-low-severe")
    sandbox.page.get_by_role("button", name="Undo Magnesium today").click()
    sandbox.slide("age", 15)
    sandbox.expect_cards()
    sandbox.expect(sandbox.tab("Why")).to_contain_text(
        "No card came. What stood in the way: not an adult"
    )


def test_diagnoses_and_medicines_are_added_and_removed_by_keyboard(sandbox: Sandbox) -> None:
    sandbox.open("felix-merriweather")
    sandbox.expect_cards()
    sandbox.choose("Add a diagnosis", "type 2 diab", "Type 2 diabetes mellitus")
    sandbox.expect_cards("mg-suggest")
    sandbox.page.get_by_role("button", name="Remove Type 2 diabetes mellitus").press("Enter")
    sandbox.expect_cards()
    sandbox.choose("Add a medicine", "furosemide 40", "furosemide 40 MG Oral Tablet")
    sandbox.expect_cards("mg-suggest")
    sandbox.page.get_by_role("button", name="Remove furosemide").press("Enter")
    sandbox.expect_cards()
    sandbox.expect(sandbox.tab("Why")).to_contain_text("What stood in the way: no risk factor")


def test_an_own_order_is_written_and_checked(sandbox: Sandbox) -> None:
    sandbox.open("winifred-blackthorn")
    sandbox.page.get_by_role("radio", name="Orders to be signed").check()
    sandbox.page.locator("#draft").select_option("")
    sandbox.expect_cards()
    sandbox.page.get_by_text("Write an order").click()
    sandbox.choose("Drug", "magnesium citr", "magnesium citrate")
    sandbox.page.get_by_role("spinbutton", name="Dose").fill("300")
    sandbox.page.get_by_role("combobox", name="Unit").select_option("mg")
    sandbox.page.get_by_role("button", name="Add this order").click()
    card = sandbox.card("rx-mg-renal-critical")
    sandbox.expect(card.get_by_text("Critical", exact=True)).to_be_visible()


def test_an_accepted_suggestion_shows_its_change_becomes_an_order_and_sends_feedback(
    sandbox: Sandbox,
) -> None:
    sandbox.open("marigold-fenwick")
    card = sandbox.card("mg-suggest")
    card.get_by_role("button", name="Start magnesium glycinate").click()
    sandbox.expect(card.get_by_text("No order")).to_be_visible()
    in_words = card.locator(".order-in-words")
    sandbox.expect(in_words).to_contain_text("1. 100 mg, oral route")
    sandbox.expect(in_words).to_contain_text("1. 2 times a day, for 14 days")
    sandbox.expect(in_words).to_contain_text("for 70 days")
    sandbox.expect(in_words).to_contain_text("Stop and call if you have vomiting")
    card.get_by_text("After: FHIR JSON").click()
    after = card.get_by_role("region", name="After, as FHIR")
    sandbox.expect(after).to_contain_text('"resourceType": "MedicationRequest"')
    with sandbox.page.expect_response("**/feedback") as sent:
        card.get_by_role("button", name="Accept").click()
    item = json.loads(sent.value.request.post_data or "")["feedback"][0]
    assert (sent.value.status, item["outcome"]) == (200, "accepted")
    assert len(item["acceptedSuggestions"]) == 1
    sandbox.expect(card).to_contain_text("Accepted. Feedback was sent and checked.")
    sandbox.expect(card.get_by_role("button", name="Start magnesium")).to_be_disabled()
    sandbox.expect(card.get_by_role("button", name="Accept")).to_have_count(0)
    card.get_by_role("button", name="Go on to signing").click()
    sandbox.expect_cards()
    sandbox.expect(sandbox.page.locator(".drafts li")).to_contain_text("agnesium glycinate")


def test_an_accepted_change_of_an_order_is_marked_and_calms_the_card(sandbox: Sandbox) -> None:
    sandbox.open("winifred-blackthorn", "order-select", "magnesium")
    card = sandbox.card("rx-mg-renal-critical")
    card.get_by_role("button", name="Remove the order").click()
    card.get_by_text("Before: FHIR JSON").click()
    sandbox.expect(card.get_by_role("region", name="Before, as FHIR")).to_contain_text("draft")
    card.get_by_role("button", name="Accept").click()
    card.get_by_role("button", name="Ask again").click()
    sandbox.expect_cards()
    sandbox.open("cornelius-ravenscroft", "order-sign", "magnesium-400")
    card = sandbox.card("rx-mg-renal-caution")
    card.get_by_role("button", name="Change to 200 mg").click()
    sandbox.expect(card.locator("mark").first).to_be_visible()


def test_an_override_names_its_reason_in_the_feedback(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    card = sandbox.card("mg-suggest")
    card.get_by_role("button", name="Override").click()
    card.get_by_label("Reason").select_option(label="Already taking non-prescription magnesium")
    with sandbox.page.expect_response("**/feedback") as sent:
        card.get_by_role("button", name="Override", exact=True).click()
    item = json.loads(sent.value.request.post_data or "")["feedback"][0]
    assert (sent.value.status, item["outcome"]) == (200, "overridden")
    assert item["overrideReason"]["reason"]["code"] == "already-taking-otc"
    sandbox.expect(card).to_contain_text("Overridden: Already taking")


def test_a_server_without_feedback_is_said_so_politely(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.page.evaluate(
        """() => {
          const whole = window.fetch;
          const none = () => Promise.resolve(new Response("{}", { status: 404 }));
          window.fetch = (to, how) => (String(to).endsWith("/feedback") ? none() : whole(to, how));
        }"""
    )
    card = sandbox.card("mg-suggest")
    card.get_by_role("button", name="Start magnesium glycinate").click()
    card.get_by_role("button", name="Accept").click()
    sandbox.expect(card).to_contain_text("This server takes no feedback yet")


def test_a_link_leads_another_visitor_to_the_same_state(
    sandbox: Sandbox, opens: Callable[..., Page]
) -> None:
    sandbox.open("marigold-fenwick", "order-sign", "magnesium")
    sandbox.slide("egfr", 20)
    sandbox.expect_cards("rx-mg-renal-critical")
    other = Sandbox(opens(), sandbox.site)
    other.page.goto(sandbox.page.url)
    other.expect_cards("rx-mg-renal-critical")
    other.expect(other.page.locator(".try output").first).to_have_text("20")


def test_a_broken_link_falls_back_to_the_first_patient(sandbox: Sandbox) -> None:
    sandbox.page.goto(sandbox.site + "/#patient=nobody&hook=patient-view&with=%00")
    sandbox.expect_cards("mg-suggest")


def test_the_tabs_show_request_response_and_discovery(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.expect(sandbox.tab("Request")).to_contain_text('"hookInstance"')
    sandbox.expect(sandbox.tab("Response")).to_contain_text("Status 200")
    sandbox.expect(sandbox.tab("Discovery")).to_contain_text('"usageRequirements"')
    why = sandbox.tab("Why")
    sandbox.expect(why).to_contain_text("NORMAL")
    why.get_by_role("button", name="Observation/").first.click()
    sandbox.expect(sandbox.page.get_by_role("dialog")).to_contain_text("valueQuantity")


def test_the_call_can_be_copied_as_curl(opens: Callable[..., Page], site: str) -> None:
    page = opens(permissions=["clipboard-read", "clipboard-write"])
    sandbox = Sandbox(page, site)
    sandbox.open("marigold-fenwick")
    sandbox.tab("Request").get_by_role("button", name="Copy as curl").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{site}/sandbox/requests/marigold-fenwick/{VIEW}" in copied
    sandbox.slide("egfr", 40)
    sandbox.expect_cards("mg-suggest-reduced")
    page.get_by_role("button", name="Copy as curl").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "<<'END_OF_CALL'" in copied
    assert json.loads(copied.splitlines()[1])["hook"] == "patient-view"


def test_an_own_bundle_stays_here_and_gets_its_card(
    sandbox: Sandbox, today: date, tmp_path: Path
) -> None:
    from cds_service.sandbox.patients import bundle_of

    file = tmp_path / "chart.json"
    file.write_text(json.dumps(bundle_of("winifred-blackthorn", today)), encoding="utf-8")
    sandbox.open("hugo-plainfield")
    sandbox.page.get_by_role("button", name="Paste or upload").click()
    sandbox.page.get_by_label("File").set_input_files(str(file))
    sandbox.expect(sandbox.page.get_by_label("or text")).not_to_have_value("")
    sandbox.page.get_by_role("button", name="Use it").click()
    sandbox.expect_cards("mg-avoid-renal")
    assert sandbox.page.url == sandbox.site + "/"
    assert sandbox.page.evaluate("localStorage.length + sessionStorage.length") == 0
    sandbox.expect(sandbox.page.get_by_text("There is no link for your own data")).to_be_visible()


def test_an_own_hook_request_is_sent_as_it_is(sandbox: Sandbox, today: date) -> None:
    body = hook_request("winifred-blackthorn", VIEW, today)
    del body["prefetch"]["kidneyLabs"]
    body["prefetch"]["conditions"] = None
    sandbox.open("hugo-plainfield")
    with sandbox.page.expect_request(f"**/cds-services/{VIEW}") as sent:
        sandbox.use_own(json.dumps(body))
    assert json.loads(sent.value.post_data or "") == body


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "This is not valid JSON."),
        ('{"resourceType": "Patient"}', "neither a Bundle nor a request"),
        ('{"resourceType": "Bundle", "entry": []}', "holds 0 patients"),
    ],
)
def test_own_data_that_cannot_be_used_are_told_why(
    sandbox: Sandbox, text: str, reason: str
) -> None:
    sandbox.open("hugo-plainfield")
    sandbox.use_own(text)
    sandbox.expect(sandbox.page.get_by_role("alert")).to_contain_text(reason)


def test_a_chart_that_cannot_be_shown_is_still_asked_about(sandbox: Sandbox) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980", "name": [None]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]}
    sandbox.open("marigold-fenwick")
    sandbox.use_own(json.dumps(bundle))
    sandbox.expect_cards()
    sandbox.expect(sandbox.page.get_by_role("alert")).to_contain_text("cannot be shown in brief")


def test_references_by_full_url_are_followed_in_an_own_bundle(sandbox: Sandbox) -> None:
    medication = {
        "resourceType": "Medication",
        "code": {"text": "magnesium oxide 400 MG Oral Tablet"},
    }
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "urn:uuid:m"},
    }
    entries = [
        {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient", "birthDate": "1980"}},
        {"fullUrl": "urn:uuid:m", "resource": medication},
        {"fullUrl": "urn:uuid:r", "resource": order},
    ]
    sandbox.open("marigold-fenwick")
    sandbox.use_own(json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}))
    sandbox.expect_cards()
    sandbox.expect(sandbox.page.locator("[data-chart]")).to_contain_text("magnesium oxide 400 MG")


def test_hostile_text_in_a_chart_never_becomes_markup(sandbox: Sandbox, today: date) -> None:
    body = hook_request("marigold-fenwick", VIEW, today)
    _poison(body["prefetch"])
    sandbox.open("hugo-plainfield")
    sandbox.use_own(json.dumps(body))
    sandbox.expect_cards("mg-suggest")
    for tab in ("Request", "Response", "Why"):
        sandbox.tab(tab)
        markup = "main img, main script, .answer img, .answer script, [onerror]"
        assert sandbox.page.locator(markup).count() == 0
    assert sandbox.page.locator("a[href^='javascript']").count() == 0
    assert sandbox.page.evaluate("window.hit") is None
    sandbox.expect(sandbox.page.locator("[data-chart]")).to_contain_text("<img src=x")


def _poison(value: Any) -> None:
    """Put hostile text wherever a chart has a text for people."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in {"text", "display", "family", "note"} and isinstance(inner, str):
                value[name] = f"{inner} {EVIL}"
            else:
                _poison(inner)
    elif isinstance(value, list):
        for inner in value:
            _poison(inner)


def test_hostile_markdown_of_a_card_stays_text(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    text = sandbox.page.evaluate(
        """async (evil) => {
          const { markdown } = await import("/static/js/markdown.js");
          const place = document.createElement("div");
          place.append(...markdown(evil + "\\n\\n- **a** \\\\*b\\\\* &lt;i&gt; [ok](https://ehr.example/)"));
          document.querySelector(".detail").replaceChildren(place);
          return [...place.querySelectorAll("*")].map((e) => e.localName + (e.href ?? "")).join(" ");
        }""",
        EVIL,
    )
    assert text == "p span ul li strong ahttps://ehr.example/"
    assert sandbox.page.evaluate("window.hit") is None
    sandbox.expect(sandbox.page.locator(".detail li")).to_have_text("a *b* <i> ok")


def test_the_whole_way_goes_by_keyboard_alone(sandbox: Sandbox) -> None:
    sandbox.open("agatha-winterbourne")
    page = sandbox.page
    page.keyboard.press("Tab")
    sandbox.expect(page.get_by_role("link", name="Skip to the cards")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Override"):
            break
    page.keyboard.press("Enter")
    sandbox.expect(page.get_by_label("Reason")).to_be_focused()
    page.get_by_role("tab", name="Why").focus()
    page.keyboard.press("ArrowRight")
    sandbox.expect(page.get_by_role("tab", name="Request")).to_be_focused()
    sandbox.expect(page.get_by_role("tabpanel")).to_contain_text("Copy as curl")


def test_at_phone_width_nothing_sticks_out(opens: Callable[..., Page], site: str) -> None:
    sandbox = Sandbox(opens(viewport={"width": 360, "height": 780}), site)
    for patient, hook, draft in (
        ("agatha-winterbourne", "order-sign", "more-magnesium"),
        ("felix-merriweather", "order-select", "topiramate"),
    ):
        sandbox.open(patient, hook, draft)
        width = sandbox.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360


def test_a_failing_service_never_looks_like_silence(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.page.evaluate("() => { window.fetch = () => Promise.reject(new Error('gone')); }")
    sandbox.slide("egfr", 50)
    alert = sandbox.page.get_by_role("alert")
    sandbox.expect(alert).to_contain_text("no answer about this patient")
    sandbox.expect(sandbox.page.locator(".silence")).to_have_count(0)


def test_every_patient_is_on_the_list(sandbox: Sandbox) -> None:
    sandbox.open("hugo-plainfield")
    sandbox.expect(sandbox.page.locator("[data-people] button")).to_have_count(len(load_all()))


def test_three_buttons_play_a_story_and_take_it_back(sandbox: Sandbox) -> None:
    sandbox.page.goto(sandbox.site + "/")
    sandbox.expect_cards("mg-suggest")
    egfr, laxative, labs = (
        sandbox.page.get_by_role("button", name=name)
        for name in ("Pull eGFR to 22", "Add a magnesium laxative", "Hide the laboratory results")
    )
    egfr.click()
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.expect(egfr).to_have_attribute("aria-pressed", "true")
    laxative.click()
    sandbox.expect_cards("mg-hazard-renal")
    egfr.click()
    laxative.click()
    sandbox.expect_cards("mg-suggest")
    labs.click()
    sandbox.expect_cards("mg-check-renal")
    sandbox.expect(sandbox.tab("Request")).not_to_contain_text('"kidneyLabs"')
    labs.click()
    sandbox.expect_cards("mg-suggest")


def test_before_and_now_of_the_last_change_stand_side_by_side(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    for value in (60, 40, 22):
        sandbox.slide("egfr", value)
    sandbox.expect_cards("mg-avoid-renal")
    change = sandbox.page.get_by_role("region", name="Before and after the last change")
    sandbox.expect(change).to_contain_text("Last change: eGFR 22 mL/min")
    rows = change.locator("tbody tr")
    sandbox.expect(rows.nth(0).locator("td").first).to_contain_text("12-week trial")
    sandbox.expect(rows.nth(0).locator("td").last).to_contain_text("Do not start oral magnesium")
    sandbox.expect(rows.nth(1).locator("td").first).to_contain_text("Start magnesium glycinate")
    sandbox.expect(rows.nth(1).locator("td").last).to_have_text("none")
    sandbox.expect(rows.nth(2).locator("td").last).to_contain_text("kidney function severe")
    sandbox.open("hugo-plainfield")
    sandbox.expect(change).to_have_count(0)


def test_the_strip_has_the_outcome_for_every_egfr_and_sets_it(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    runs = sandbox.page.locator(".strip button")
    sandbox.expect(runs).to_have_count(3)
    sandbox.expect(runs.nth(1)).to_contain_text("eGFR 30 to 59")
    sandbox.expect(runs.nth(2)).to_have_attribute("aria-current", "true")
    runs.nth(1).click()
    sandbox.expect_cards("mg-suggest-reduced")
    sandbox.expect(runs.nth(1)).to_have_attribute("aria-current", "true")


def test_back_leads_through_the_states_and_not_away(sandbox: Sandbox) -> None:
    sandbox.page.goto(sandbox.site + "/")
    sandbox.expect_cards("mg-suggest")
    sandbox.page.get_by_role("button", name="Pull eGFR to 22").click()
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.locator("[data-patient=hugo-plainfield]").click()
    sandbox.expect_cards()
    sandbox.page.go_back()
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.go_back()
    sandbox.expect_cards("mg-suggest")
    sandbox.page.go_forward()
    sandbox.expect_cards("mg-avoid-renal")


def test_a_checked_order_without_a_card_shows_its_checks(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick", "order-sign", "magnesium")
    sandbox.expect_cards()
    checks = sandbox.page.locator(".checks li")
    sandbox.expect(checks).to_have_count(11)
    sandbox.expect(checks.first).to_contain_text("Kidney function is normal")
    sandbox.page.get_by_text("Data faults").click()
    sandbox.page.get_by_label("Pregnancy status").select_option("withhold")
    sandbox.expect(checks.or_(sandbox.page.locator(".card"))).not_to_have_count(11)
    sandbox.open("felix-merriweather", "order-sign", "topiramate")
    sandbox.expect(checks).to_have_count(0)


def test_the_same_suggestion_makes_one_order(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    for _ in range(2):
        card = sandbox.card("mg-suggest")
        card.get_by_role("button", name="Start magnesium glycinate").click()
        card.get_by_role("button", name="Accept").click()
        sandbox.expect(card).to_contain_text("Accepted.")
        sandbox.slide("age", 46)
        sandbox.expect(card.get_by_role("button", name="Start magnesium")).to_be_enabled()
    sandbox.page.get_by_role("radio", name="Orders to be signed").check()
    sandbox.page.locator("#draft").select_option("")
    sandbox.expect(sandbox.page.locator(".drafts li")).to_have_count(1)


def test_one_table_shows_every_outcome_and_opens_it(sandbox: Sandbox) -> None:
    sandbox.open("hugo-plainfield")
    sandbox.page.get_by_role("button", name="See every outcome").click()
    table = sandbox.page.get_by_role("table")
    sandbox.expect(table.locator("tbody tr")).to_have_count(len(load_all()), timeout=30_000)
    table.get_by_role("button", name="Agatha Winterbourne. Critical: On oral").first.click()
    sandbox.expect_cards("mg-hazard-renal")


@pytest.mark.parametrize("fault", ["withhold", "refuse", "damage"])
def test_data_that_did_not_arrive_are_not_absent(sandbox: Sandbox, fault: str) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.page.get_by_text("Data faults").click()
    sandbox.page.get_by_label("Kidney results").select_option(fault)
    sandbox.expect_cards("mg-check-renal")
    sandbox.page.get_by_label("Problem list").select_option(fault)
    alert = sandbox.page.get_by_role("alert")
    sandbox.expect(alert).to_contain_text("Status 412")
    sandbox.page.get_by_label("Problem list").select_option("")
    sandbox.expect_cards("mg-check-renal")


def test_a_late_key_shows_how_long_the_service_waits_and_what_it_does_then(
    sandbox: Sandbox,
) -> None:
    """The limit in time of the service ends the wait, as with an EHR's slow FHIR server."""
    sandbox.open("marigold-fenwick")
    sandbox.page.get_by_text("Data faults").click()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    sandbox.page.route("**/sandbox/calls/**", hold)
    sandbox.page.get_by_label("Kidney results").select_option("delay")
    cards = sandbox.page.locator("#cards")
    sandbox.expect(cards.get_by_role("progressbar")).to_be_visible()
    sandbox.expect(cards).to_contain_text("asks the FHIR server for kidney results and waits, 2 s")
    sandbox.expect(sandbox.page.locator("[data-status]")).to_contain_text("and waits, 2 seconds")
    sandbox.expect(sandbox.page.locator(".card")).to_have_count(0)
    held[0].continue_()
    sandbox.expect_cards("mg-check-renal")
    card = sandbox.card("mg-check-renal")
    sandbox.expect(card).to_contain_text("the FHIR server did not answer in time")
    sandbox.expect(cards.get_by_role("progressbar")).to_have_count(0)
    request = sandbox.tab("Request")
    sandbox.expect(request).to_contain_text("POST /sandbox/calls/")
    sandbox.expect(request).not_to_contain_text('"kidneyLabs"')
    sandbox.expect(request).to_contain_text('"conditions"')


def test_a_late_required_key_leaves_no_answer(sandbox: Sandbox) -> None:
    sandbox.open("marigold-fenwick")
    sandbox.page.get_by_text("Data faults").click()
    sandbox.page.get_by_label("Problem list").select_option("delay")
    alert = sandbox.page.get_by_role("alert")
    sandbox.expect(alert).to_contain_text("Status 412")
    sandbox.expect(alert).to_contain_text("did not answer in time")
    sandbox.page.get_by_label("Problem list").select_option("")
    sandbox.expect_cards("mg-suggest")


def test_a_file_can_be_dropped_on_the_page(sandbox: Sandbox, today: date) -> None:
    from cds_service.sandbox.patients import bundle_of

    sandbox.open("hugo-plainfield")
    text = json.dumps(bundle_of("winifred-blackthorn", today))
    drop = """(text) => {
      const data = new DataTransfer();
      data.items.add(new File([text], "chart.json", { type: "application/json" }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    sandbox.page.evaluate(drop, text)
    sandbox.expect_cards("mg-avoid-renal")
    sandbox.page.evaluate(drop, "{")
    sandbox.expect(sandbox.page.get_by_role("alert")).to_contain_text("not valid JSON")


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
def test_the_outcome_is_in_view_while_a_slider_is_moved(
    opens: Callable[..., Page], site: str, width: int
) -> None:
    sandbox = Sandbox(opens(viewport={"width": width, "height": 844}), site)
    sandbox.open("marigold-fenwick")
    sandbox.page.locator("#try-egfr").scroll_into_view_if_needed()
    sandbox.slide("egfr", 22)
    sandbox.expect_cards("mg-avoid-renal")
    shown = sandbox.page.locator("[data-bar]" if width <= 768 else ".card h3")
    sandbox.expect(shown).to_contain_text("Do not start oral magnesium")
    sandbox.expect(shown).to_be_in_viewport(ratio=1)
    sandbox.expect(sandbox.page.locator("#try-egfr")).to_be_in_viewport()
    cut = "e => e.scrollHeight > e.clientHeight + 1"
    assert not sandbox.page.locator(".detail").evaluate(cut)


def test_calls_of_the_page_are_marked(sandbox: Sandbox) -> None:
    with sandbox.page.expect_request(f"**/cds-services/{VIEW}") as sent:
        sandbox.open("marigold-fenwick")
    assert sent.value.headers["cds-sandbox"] == "page"
