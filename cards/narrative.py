"""The narrative of a suggested resource: what it orders, for a reader whose EHR shows no structure.

It is XHTML (FHIR R4, Narrative), made from the resource itself, so that both say the same. Text of
the chart is escaped. It names no patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from cards.markdown import plain
from cards.phrases import Phrases, non_empty

Resource = dict[str, Any]


def of_medication(draft: Resource, phrases: Phrases) -> Resource:
    """The narrative of the draft order of a plan."""
    instructions = draft["dosageInstruction"]
    product = draft["medicationCodeableConcept"]["text"]
    return _narrative(
        phrases,
        phrases.fill("narrative.plan", product=plain(product)),
        [instruction["text"] for instruction in instructions],
        instructions[0]["patientInstruction"],
        " ".join(_supply(draft["dispenseRequest"], phrases)),
        draft["note"][0]["text"],
    )


def of_test(draft: Resource, phrases: Phrases) -> Resource:
    """The narrative of the draft order of a laboratory test."""
    due = draft.get("occurrencePeriod", {})
    return _narrative(
        phrases,
        phrases.fill("narrative.lab", test=draft["code"]["text"]),
        [],
        phrases.fill("narrative.due", start=due.get("start", ""), end=due.get("end", "")),
    )


def of_changed_dose(order: Resource, name: str, phrases: Phrases) -> Resource:
    """The narrative of an order with a changed dose. It replaces the client's own, which may name
    the dose from before.
    """
    (instruction,) = order["dosageInstruction"]
    as_needed = "asNeededCodeableConcept" in instruction or instruction.get("asNeededBoolean")
    said = [instruction["text"], phrases["narrative.as_needed"] if as_needed is True else ""]
    title = phrases.fill("narrative.update", order=plain(name))
    return _narrative(phrases, title, [phrases["list.comma"].join(non_empty(said))])


def _supply(supply: Resource, phrases: Phrases) -> Iterable[str]:
    """The units to be supplied, the first fill first, and how often."""
    first = supply.get("initialFill")
    if first is not None:
        yield _fill("narrative.supply.first", first["quantity"], first["duration"], phrases)
    duration = supply["expectedSupplyDuration"]
    then = "narrative.supply" if first is None else "narrative.supply.then"
    yield _fill(then, supply["quantity"], duration, phrases)
    interval = supply.get("dispenseInterval")
    repeats = str(supply["numberOfRepeatsAllowed"])
    if interval is None:
        yield phrases.fill("narrative.repeats", count=repeats)
    else:
        days = str(interval["value"])
        yield phrases.fill("narrative.repeats.every", count=repeats, days=days)


def _fill(phrase: str, quantity: Resource, duration: Resource, phrases: Phrases) -> str:
    number, days = str(quantity["value"]), str(duration["value"])
    return phrases.fill(phrase, number=number, unit=plain(quantity["unit"]), days=days)


def _narrative(phrases: Phrases, title: str, items: list[str], *lines: str) -> Resource:
    """A title, a list and paragraphs, without those that are empty."""
    listed = "".join(f"<li>{escape(item, quote=False)}</li>" for item in items)
    body = [f"<ul>{listed}</ul>" if listed else ""]
    body += [f"<p>{escape(line, quote=False)}</p>" for line in non_empty(lines)]
    language = escape(phrases.language)
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
        f"<p>{escape(title, quote=False)}</p>{''.join(body)}</div>",
    }
