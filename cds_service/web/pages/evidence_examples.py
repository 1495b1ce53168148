"""Every card as a clinician reads it, each with a synthetic patient, for the evidence page.

The cards come from the function that answers hook calls, with the values in force. Only what a site
does not show is shown here too: a committee reads every card. The charts are dated for the day on
which the rules were revised, so the page of one version is the same on every day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from itertools import chain
from typing import Any, Final

import msgspec
from markupsafe import Markup

from cards.registered import load_knowledge
from cds_service.fhir.prefetch import REQUIRED
from cds_service.hooks.answering import Answering, NotKnownError
from cds_service.hooks.envelope import read_call
from cds_service.hooks.registry import HOOKS
from cds_service.hooks.services import Service, services_in_force
from cds_service.sandbox.patients import SyntheticPatient, hook_request, load_all
from cds_service.site.force import InForce, of_defaults
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.showing import SEVERITY, SHOW_ALL

_EHR: Final = "https://ehr.example"
_DECISION: Final = "org.magnesium-migraine.decision"
_NOON: Final = time(12, tzinfo=UTC)


class Change(msgspec.Struct, frozen=True):
    """A change of a synthetic chart: `values` replace members of one of its resources."""

    person: str
    resource: str
    values: Mapping[str, Any]
    words: str


CHANGES: Final[tuple[Change, ...]] = (
    Change(
        "solveig-fjellmark",
        "fjel-observation-020",
        {"valueQuantity": {"value": 2.2, "unit": "mmol/L", "code": "mmol/L"}},
        "with a serum magnesium of 2.2 mmol/L",
    ),
    Change(
        "odette-fairweather",
        "a-19940.allergy-863339",
        {
            "type": "allergy",
            "criticality": "high",
            "reaction": [{"manifestation": [{"text": "Rash"}]}],
        },
        "with a rash instead of diarrhoea",
    ),
)
"""Changes that give levels of cards which no synthetic patient shows without a change."""


class Call(msgspec.Struct, frozen=True):
    """A call about a synthetic patient. `left_out` is a prefetch key that the call lacks."""

    person: SyntheticPatient
    service: Service
    draft: str | None
    expected: tuple[str, ...]
    left_out: str = ""
    change: Change | None = None


class Offer(msgspec.Struct, frozen=True):
    """A suggestion of a card. `actions` are its orders in words."""

    label: str
    is_recommended: bool
    actions: tuple[str, ...]


class Example(msgspec.Struct, frozen=True):
    """A card and the call that gave it. `others` are the ids of the other cards of the call.

    `changed` and `left_out` describe what was changed in the chart and what was not sent.

    `of_defaults`: with the site's values no synthetic patient gets the card, so this is the card
    with the default values.
    """

    card: str
    indicator: str
    summary: str
    detail: Markup
    label: str
    offers: tuple[Offer, ...]
    reasons: tuple[str, ...]
    name: str
    story: str
    moment: str
    draft: str
    left_out: str
    changed: str
    others: tuple[str, ...]
    of_defaults: bool = False


def examples(force: InForce, services: Mapping[str, Service]) -> dict[str, tuple[Example, ...]]:
    """Examples of each card of the registry, in its order: one for each level that is found.

    The most serious one is first. A card that no synthetic patient gets has no example.
    """
    day = date.fromisoformat(force.knowledge.source_attributes.revised)
    found = _first_of_each_level(force, services, day)
    missing = [card for card in force.knowledge.cards if card not in found]
    if missing and force.site is not None:
        defaults = of_defaults(load_knowledge())
        others = _first_of_each_level(defaults, services_in_force(defaults), day)
        for card in missing:
            own = (msgspec.structs.replace(e, of_defaults=True) for e in others.get(card, ()))
            found[card] = tuple(own)
    return {card: found[card] for card in force.knowledge.cards if found.get(card)}


def _first_of_each_level(
    force: InForce, services: Mapping[str, Service], day: date
) -> dict[str, tuple[Example, ...]]:
    """The first example of each card and level, the most serious level first."""
    answering = _answering_all(force, day)
    shown = sorted(_calls_shown(services), key=lambda call: len(call.expected) != 1)
    missing, found = set(force.knowledge.cards), dict[tuple[str, str], Example]()
    for call in chain(shown, _calls_with_a_change(shown), _calls_without_a_key(shown)):
        if call.left_out and not missing:
            break
        for example in _cards_of(call, answering, day):
            found.setdefault((example.card, example.indicator), example)
            missing.discard(example.card)
    levels: dict[str, tuple[Example, ...]] = {}
    for (card, _), example in sorted(found.items(), key=lambda item: SEVERITY.index(item[0][1])):
        levels[card] = (*levels.get(card, ()), example)
    return levels


def _answering_all(force: InForce, day: date) -> Answering:
    """The function that answers calls on a day, with no card withheld and nothing fetched."""
    views = {(hook, ""): SHOW_ALL for hook in HOOKS}
    shown = msgspec.structs.replace(force, views=views, keys=LockoutKeys())
    return Answering(shown, now=lambda: datetime.combine(day, _NOON))


def _calls_shown(services: Mapping[str, Service]) -> Iterator[Call]:
    """The calls with which the synthetic patients show their cards."""
    for person in load_all().values():
        for show in person.shows:
            yield Call(person, services[show.service], show.draft, show.expect)


def _calls_with_a_change(calls: Iterable[Call]) -> Iterator[Call]:
    """The calls of patients for whom there is a change."""
    for call in calls:
        for change in CHANGES:
            if change.person == call.person.id:
                yield msgspec.structs.replace(call, change=change)


def _calls_without_a_key(calls: Iterable[Call]) -> Iterator[Call]:
    """Calls about orders that give no card, each with one prefetch key left out."""
    for call in calls:
        if call.draft is not None and not call.expected:
            for key in call.service.prefetch:
                if key not in REQUIRED:
                    yield msgspec.structs.replace(call, left_out=key)


def _cards_of(call: Call, answering: Answering, day: date) -> Iterator[Example]:
    """The cards that a call gives. A call that lacks required data gives none."""
    person, service = call.person, call.service
    body = hook_request(person.id, service.id, day, call.draft, service.prefetch)
    body["prefetch"].pop(call.left_out, None)
    if call.change is not None:
        _apply(call.change, body["prefetch"])
    try:
        answer = answering.answer(read_call(msgspec.json.encode(body), service.hook), _EHR)
    except NotKnownError:
        return
    ids = [card["extension"][_DECISION]["card"] for card in answer.cards]
    gap = answering.knowledge.wording.texts.get(f"gap.{call.left_out}", "")
    for card_id, card in zip(ids, answer.cards, strict=True):
        yield Example(
            card=card_id,
            indicator=card["indicator"],
            summary=card["summary"],
            detail=as_html(card["detail"]),
            label=card["source"]["label"],
            offers=tuple(map(_offer, card.get("suggestions", ()))),
            reasons=tuple(reason["display"] for reason in card.get("overrideReasons", ())),
            name=person.name,
            story=person.story,
            moment=HOOKS[service.hook].moment,
            draft=person.drafts[call.draft].title if call.draft is not None else "",
            left_out=gap,
            changed=call.change.words if call.change is not None else "",
            others=tuple(other for other in ids if other != card_id),
        )


def _apply(change: Change, prefetch: Mapping[str, Any]) -> None:
    """Replace the members in the chart of a request."""
    for value in prefetch.values():
        for entry in (value or {}).get("entry", ()):
            if entry["resource"].get("id") == change.resource:
                entry["resource"] = {**entry["resource"], **change.values}


def _offer(suggestion: Mapping[str, Any]) -> Offer:
    actions = (action["description"] for action in suggestion.get("actions", ()))
    return Offer(suggestion["label"], bool(suggestion.get("isRecommended")), tuple(actions))


def as_html(markdown: str) -> Markup:
    """The detail of a card as an EHR shows it. Markup in it stays text."""
    from markdown_it import MarkdownIt  # slow to import, and needed by this page alone

    return Markup(MarkdownIt("commonmark", {"html": False, "breaks": True}).render(markdown))  # noqa: S704
