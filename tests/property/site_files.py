"""Valid site files by the thousand, each tried on many calls, and files damaged in one place.

No valid file may withhold, delay or soften a safety card, or loosen a limit. A damaged file is either
refused with lines that say where and why, or is valid. `python -m tests.property.site_files` runs
more of them than the tests do (`--files 3000 --damaged 10000`).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any
from unittest import mock

import msgspec
import yaml

from cds_service.hooks.answering import Answer, Answering
from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.hooks.envelope import HookCall, read_call
from cds_service.knowledge.loader import Knowledge, load
from cds_service.reasoning.decision import CardDecision, OfferKind
from cds_service.site import check as checking
from cds_service.site.check import Checked, check
from cds_service.site.force import InForce, in_force
from cds_service.site.lockouts import LockoutKeys
from cds_service.site.model import Site
from cds_service.site.showing import SEVERITY

from ..support.decisions import knowledge
from .calls import DAY, sandbox, scenarios

Content = dict[str, Any]
KEYS = LockoutKeys(("k" * 40,))
CLIENT = "https://ehr.example/"
MOST_CARDS = 3
KIDNEY = ("NORMAL", "UNKNOWN", "MODERATE", "SEVERE")


# ------------------------------------------------------------------ valid files


def valid_content(draw: random.Random) -> Content:
    """A site file without faults, as plain values."""
    content: Content = {"site": {"id": draw.choice(("a", "st-mary", "h1")), "title": "A hospital"}}
    for key, part in _PARTS.items():
        if draw.random() < 0.5:
            content[key] = part(draw)
    return content


def _cards(draw: random.Random) -> Content:
    cards = knowledge().cards
    chosen = draw.sample(list(cards), draw.randint(1, 8))
    return {name: settings for name in chosen if (settings := _card(draw, name))} or {
        "mg-suggest": {"mode": "show"}
    }


def _card(draw: random.Random, name: str) -> Content:
    card = knowledge().cards[name]
    rank = SEVERITY.index(card.indicator)
    allowed = SEVERITY if card.kind == "suggestion" else SEVERITY[: rank + 1]
    settings: Content = {"indicator": draw.choice(allowed)} if draw.random() < 0.5 else {}
    if card.may_be_silenced:
        settings["mode"] = draw.choice(("show", "silent", "never"))
        settings["lockoutDays"] = draw.choice((0, 1, 90, 3650))
    return settings


def _hooks(draw: random.Random) -> Content:
    found = {}
    for name in draw.sample(HOOKS_OF_FILES.names, draw.randint(1, 2)):
        modes = ("show", "silent") if name in HOOKS_OF_FILES.always else ("show", "silent", "never")
        found[name] = {"mode": draw.choice(modes)}
    return found


def _parameters(draw: random.Random) -> Content:
    return dict(draw.choice(parameter_sets()))


@cache
def parameter_sets() -> list[Mapping[str, Any]]:
    """Each parameter at its limit and halfway, alone; some need a partner in another unit."""
    rows = [row for row in knowledge().parameter_rows if row.site.may_change]
    sets = [{row.id: value} for row in rows for value in _values(row)]
    draw = random.Random(7)  # noqa: S311
    sets += [_merged(draw.sample(sets, 4)) for _ in range(20)]
    return [found for found in sets if _loads(found)]


def _values(row: Any) -> list[Any]:
    if isinstance(row.value, bool):
        return [row.site.limit]
    middle = (Decimal(row.value) + Decimal(row.site.limit)) / 2
    whole = row.value == int(row.value)
    return [_plain(row.site.limit), _plain(Decimal(int(middle)) if whole else middle)]


def _plain(value: Any) -> Any:
    return int(value) if value == int(value) else float(value)


def _merged(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


def _loads(values: Mapping[str, Any]) -> bool:
    content = {"site": {"id": "a", "title": "A"}, "parameters": dict(values)}
    return checked(content).site is not None


def _clients(draw: random.Random) -> Content:
    return {CLIENT: {"hooks": _hooks(draw)}, "https://other.example/": {"hooks": _hooks(draw)}}


def _formulary(_: random.Random) -> list[Content]:
    code = {"system": "urn:oid:1.2.3", "code": "7", "display": "magnesium glycinate 100 mg"}
    return [{"code": code, "salt": "glycinate", "form": "capsule", "elementalMg": 100}]


_PARTS: Mapping[str, Callable[[random.Random], Any]] = {
    "cards": _cards,
    "hooks": _hooks,
    "parameters": _parameters,
    "clients": _clients,
    "units": lambda draw: draw.choice(("conventional", "si")),
    "search": lambda draw: {"medicationRequests": draw.choice(("active", "all"))},
    "formulary": _formulary,
}


# ---------------------------------------------------------------- what is in force


@cache
def _loaded(changes: tuple[tuple[str, Any], ...], products: tuple[Any, ...]) -> Knowledge:
    return load(changes=dict(changes), products=products)


def checked(content: Any) -> Checked:
    """A content, written as YAML and checked. Knowledge with the same values is loaded once."""
    text = content if isinstance(content, bytes) else yaml.safe_dump(content).encode()

    def quick(changes: Mapping[str, Any], products: Iterable[Any]) -> Knowledge:
        return _loaded(tuple(sorted(changes.items())), tuple(products))

    with mock.patch.object(checking, "load", quick):
        return check(text, knowledge(), HOOKS_OF_FILES, DAY)


def force_of(content: Content) -> InForce:
    """What is in force with a valid content."""
    found = checked(content)
    assert found.site is not None, found.faults
    return in_force(Site(found.site, "hash", found.knowledge), KEYS, HOOKS_OF_FILES.names)


@cache
def calls() -> list[HookCall]:
    """The calls on which files are tried: those with a card, by default, and their clients."""
    found = []
    for call in (*sandbox(), *scenarios()):
        body = call.load()
        if body is None or call.day != DAY:
            continue
        read = read_call(msgspec.json.encode(body), body["hook"], CLIENT)
        if answered(InForce(knowledge()), read).cards:
            found.append(read)
    return found


def answered(force: InForce, call: HookCall) -> Answer:
    """The answer to a call, by what is in force."""
    now = datetime.combine(DAY, time(12), UTC)
    return Answering(force, lambda: now, lambda: "uuid").answer(call, "https://cds.example")


# -------------------------------------------------------------------- what must hold


def losses(usual: Answer, with_file: Answer, cards: Knowledge) -> Iterator[str]:
    """Each safety card of the usual answer that is missing or softer with a site file."""
    shown = with_file.decision.cards
    for card in usual.decision.cards:
        known = cards.cards[card.card]
        if known.may_be_silenced:
            continue
        if not _is_still_said(card, shown, cards):
            yield f"{card.card} ({card.indicator}) is missing or softer"
    for withheld in with_file.decision.withheld:
        if not cards.cards[withheld.card.card].may_be_silenced:
            yield f"{withheld.card.card} is withheld"
    for rendered, decided in zip(with_file.cards, shown, strict=True):
        if rendered["indicator"] != decided.indicator:
            yield f"{decided.card} is rendered as {rendered['indicator']}"
    yield from _looser(usual, with_file)


def _is_still_said(card: CardDecision, shown: tuple[CardDecision, ...], cards: Knowledge) -> bool:
    """The same card, or a more serious one in its place (a limit that became stricter)."""
    serious = [c for c in shown if _rank(c) <= _rank(card)]
    if any(c.card == card.card for c in serious):
        return True
    safety = [c for c in serious if not cards.cards[c.card].may_be_silenced]
    if any(_rank(c) < _rank(card) for c in safety):
        return True
    subject = cards.cards[card.card].subject
    if any(cards.cards[c.card].subject == subject for c in serious):
        return True
    return len(serious) >= MOST_CARDS


def _rank(card: CardDecision) -> int:
    return SEVERITY.index(card.indicator)


def _looser(usual: Answer, with_file: Answer) -> Iterator[str]:
    """A better kidney class, or a plan where there was none."""
    before, after = _kidney(usual), _kidney(with_file)
    if before and after and KIDNEY.index(after) < KIDNEY.index(before):
        # A result that counts for a shorter time makes the class unknown, which offers less.
        yield f"the kidney class is {after}, it was {before}"
    if _plans(with_file) and not _plans(usual):
        yield "a plan is offered that was not offered before"


def _kidney(answer: Answer) -> str:
    return next((str(c.kidney.kidney_class) for c in answer.decision.cards if c.kidney), "")


def _plans(answer: Answer) -> bool:
    return any(o.kind is OfferKind.PLAN for c in answer.decision.cards for o in c.offers)


def try_files(seed: int, files: int, calls_each: int) -> Iterator[str]:
    """Each loss that a valid file causes; nothing if all is well."""
    draw = random.Random(seed)  # noqa: S311
    pool = calls()
    plain = InForce(knowledge())
    for number in range(files):
        content = valid_content(draw)
        found = checked(content)
        if found.site is None:
            yield f"file {number}: {found.faults[0]}"
            continue
        force = force_of(content)
        for call in draw.sample(pool, min(calls_each, len(pool))):
            for loss in losses(answered(plain, call), answered(force, call), knowledge()):
                yield f"file {number}, {call.hook.name} {call.patient_id}: {loss} {content}"


# ------------------------------------------------------------------- damaged files


def damaged(draw: random.Random) -> bytes:
    """The text of a valid file with one damage."""
    text = bytearray(yaml.safe_dump(valid_content(draw)).encode())
    how = draw.randrange(6)
    at = draw.randrange(len(text))
    if how == 0:
        text[at : at + draw.randint(1, 6)] = b""
    elif how == 1:
        text[at:at] = bytes(draw.choice(b":{}[]&*!|>'\"#\t\n-?,% aA0") for _ in range(2))
    elif how == 2:
        text[at] = draw.randrange(256)
    else:
        lines = bytes(text).splitlines(keepends=True)
        line = draw.randrange(len(lines))
        if how == 3:
            del lines[line]
        elif how == 4:
            lines.insert(line, lines[draw.randrange(len(lines))])
        else:
            name, colon, _ = lines[line].partition(b":")
            values = (b" never", b" -1", b" 1e9", b" [1]", b" {a: 1}", b" null", b" 2027-13-45")
            lines[line] = name + colon + draw.choice(values) + b"\n"
        return b"".join(lines)
    return bytes(text)


def try_damaged(seed: int, number: int) -> Iterator[str]:
    """Each damaged file that was neither refused with lines that say why, nor valid."""
    draw = random.Random(seed)  # noqa: S311
    for n in range(number):
        text = damaged(draw)
        try:
            found = checked(text)
        except Exception as error:  # noqa: BLE001 - that is the fault which is looked for
            yield f"file {n}: {type(error).__name__} {error} in {text!r}"
            continue
        lines = [str(fault) for fault in found.faults]
        if (found.site is None) is not bool(lines):
            yield f"file {n}: neither valid nor refused: {text!r}"
        for line in lines:
            if "\n" in line or not line.startswith(("line ", "the file: ")):
                yield f"file {n}: {line!r}"


def main() -> int:
    """Run many, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--damaged", type=int, default=10000)
    given = parser.parse_args()
    found = [*try_files(given.seed, given.files, 4), *try_damaged(given.seed, given.damaged)]
    for line in found[:50]:
        print(line)  # noqa: T201
    print(f"{given.files} valid and {given.damaged} damaged files, {len(found)} faults")  # noqa: T201
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
