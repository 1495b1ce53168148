"""What a scenario expected, what the service said, and the difference in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from ..support import cards as card_reading
from ..support.cards import Card
from .story import ExpectedAccount, ExpectedCard, Scenario


def differences(scenario: Scenario, cards: Sequence[Card]) -> list[str]:
    """Empty when the service answered as the scenario says."""
    if scenario.expect is None:
        return []
    expected = {card.card: card for card in scenario.expect}
    got = {card_reading.card_id(card): card for card in cards}
    found = [f"the card {name} is missing" for name in expected if name not in got]
    found += [f"the card {name} is not expected" for name in got if name not in expected]
    for name, card in expected.items():
        if name in got:
            found += [f"{name}: {said}" for said in _card_differences(card, got[name])]
    if len(got) != len(cards):
        found.append("the same card is shown more than once")
    return found


def _card_differences(expected: ExpectedCard, card: Card) -> Iterator[str]:
    yield from _unequal("it should be", expected.indicator, card["indicator"])
    yield from _unequal("it should offer", list(expected.offers), card_reading.offers(card))
    if expected.recommended is not None:
        best = card_reading.recommended(card)
        yield from _unequal("it should recommend", list(expected.recommended), best)
    missing_labs = {code.code for code in expected.labs} - card_reading.lab_codes(card)
    if missing_labs:
        yield f"the laboratory orders lack LOINC {', '.join(sorted(missing_labs))}"
    yield from _drafts(expected, card)
    yield from _texts(expected, card)
    yield from _reasons(expected, card)


def _drafts(expected: ExpectedCard, card: Card) -> Iterator[str]:
    drafts = card_reading.created_drafts(card)
    single = [_single_doses(draft) for draft in drafts]
    if expected.doses and list(expected.doses) not in single:
        yield f"a draft should give {'; then '.join(expected.doses)} mg, but they give {single}"
    for said in expected.instruction_says:
        for draft in drafts:
            told = " ".join(
                str(step.get("patientInstruction", "")) for step in draft["dosageInstruction"]
            )
            if said.lower() not in told.lower():
                yield f"the patient should be told {said!r}, but is told {told!r}"


def _single_doses(draft: dict[str, Any]) -> list[str]:
    """The single doses of each step: `100 and 200`."""
    steps: dict[int, list[str]] = {}
    for number, instruction in enumerate(draft["dosageInstruction"]):
        amount = instruction["doseAndRate"][0]["doseQuantity"]["value"]
        repeat = instruction.get("timing", {}).get("repeat", {})
        times = repeat.get("frequency", 1)
        steps.setdefault(instruction.get("sequence", -number), []).extend([f"{amount:g}"] * times)
    return [" and ".join(sorted(step, key=float)) for step in steps.values()]


def _unequal(what: str, expected: Any, got: Any) -> Iterator[str]:
    if expected != got:
        yield f"{what} {_words(expected)}, but {_words(got)}"


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "nothing"
    return str(value)


def _texts(expected: ExpectedCard, card: Card) -> Iterator[str]:
    summary, detail = plain(card["summary"]), plain(card.get("detail", ""))
    for said in expected.summary_says:
        if said.lower() not in summary.lower():
            yield f"the summary should say {said!r}, but is {summary!r}"
    for said in expected.summary_omits:
        if said.lower() in summary.lower():
            yield f"the summary should not say {said!r}, but is {summary!r}"
    for said in expected.detail_says:
        if said.lower() not in detail.lower():
            yield f"the detail should say {said!r}, but is:\n{_indented(detail)}"
    for said in expected.detail_omits:
        if said.lower() in detail.lower():
            yield f"the detail should not say {said!r}, but is:\n{_indented(detail)}"
    yield from _order(expected.detail_order, detail)


def plain(text: str) -> str:
    """Without commas of thousands and what Markdown escapes, so that words can be found."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", text).replace("\\", "")


def _order(parts: Sequence[str], detail: str) -> Iterator[str]:
    """Each part is found after the one before it."""
    position = 0
    for part in parts:
        position = detail.lower().find(part.lower(), position)
        if position < 0:
            yield (
                f"the detail should say, in this order, {', then '.join(parts)}; "
                f"{part!r} is not where it belongs:\n{_indented(detail)}"
            )
            return


def _reasons(expected: ExpectedCard, card: Card) -> Iterator[str]:
    decision = card_reading.decision(card)
    kidney = decision["kidney"]
    if expected.kidney is not None:
        yield from _unequal("the kidney class should be", expected.kidney, kidney["class"])
    yield from _lacking("the kidney flags", expected.flags, kidney.get("flags", []))
    yield from _lacking("the cautions", expected.cautions, decision["cautions"])
    yield from _lacking("the unknown data", expected.unknown, card_reading.unknown_keys(card))


def _lacking(what: str, expected: Sequence[str], got: Sequence[str]) -> Iterator[str]:
    missing = [item for item in expected if item not in got]
    if missing:
        yield f"{what} should include {', '.join(missing)}, but are {_words(list(got))}"


def account_differences(expected: ExpectedAccount, said: dict[str, Any]) -> Iterator[str]:
    """What `/explain` says otherwise than the scenario."""
    if expected.kidney is not None:
        yield from _unequal("the kidney class should be", expected.kidney, said["kidney"]["class"])
    unknown = [gap if isinstance(gap, str) else gap["key"] for gap in said.get("unknown", [])]
    yield from _lacking("the unknown data of /explain", expected.unknown, unknown)
    for key in expected.known:
        if key in unknown:
            yield f"/explain should not call {key} unknown"
    lost = [f"{entry['key']} {entry['resource']}" for entry in said.get("notReadable", [])]
    for words in expected.not_readable:
        if not any(words in entry for entry in lost):
            yield f"/explain should list {words!r} as not readable, but lists {_words(lost)}"
    facts = [fact["id"] for fact in said["facts"] if fact["state"] == "unknown"]
    yield from _lacking("the unknown facts of /explain", expected.facts_unknown, facts)
    rules = [rule["rule"] for rule in said["rules"] if rule["outcome"] == "unknown"]
    yield from _lacking("the undecided rules of /explain", expected.undecided, rules)


# ------------------------------------------------------------------- reporting


def report(scenario: Scenario, cards: Sequence[Card], found: Sequence[str]) -> str:
    """The failure as a clinician would want to read it."""
    story = {
        name: value
        for name, value in scenario.words.items()
        if name not in {"id", "title", "expect", "why"}
    }
    told = yaml.safe_dump(story, sort_keys=False, allow_unicode=True, width=100).rstrip()
    return "\n".join(
        [
            f"{scenario.id}: {scenario.title}   ({scenario.file})",
            _indented(told),
            f"why: {scenario.why}",
            f"expected: {_summary_of([_expected_line(card) for card in scenario.expect or ()])}",
            f"got:      {_summary_of([_card_line(card) for card in cards])}",
            *(f"- {said}" for said in found),
        ]
    )


def _summary_of(lines: Sequence[str]) -> str:
    return "; ".join(lines) or "no card"


def _expected_line(card: ExpectedCard) -> str:
    return f"{card.card} ({card.indicator}) offering {_words(list(card.offers))}"


def _card_line(card: Card) -> str:
    named = card_reading.card_id(card)
    offered = _words(card_reading.offers(card))
    return f"{named} ({card['indicator']}) offering {offered}: {card['summary']!r}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
