"""An explanation as tables for a terminal.

Texts of a chart are shown as texts: no markup of theirs and no control character takes effect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Json = Mapping[str, Any]

# If the output is a file or a pipe, lines may be longer than on a terminal.
_WIDTH_OF_A_FILE = 140
_STYLES = {
    "present": "bold",
    "unknown": "yellow",
    "fired": "bold green",
    "blocked": "red",
    "info": "blue",
    "warning": "yellow",
    "critical": "bold red",
}
_CONTROL = {code: " " for code in (*range(32), *range(127, 160)) if code != ord("\n")}


def console() -> Console:
    """The output console."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE, highlight=False)


def print_as_is(text: str) -> None:
    """Print text for a program: lines are not wrapped, and a closed pipe is not an error."""
    console().out(text, highlight=False)


def print_explanation(explained: Json) -> None:
    """Print all parts of a decision, the cards last: they stay on the screen."""
    out = console()
    out.print(
        _text(f"{explained['service']} on {explained['day']}, knowledge {explained['knowledge']}")
    )
    parts = [_facts, _kidney, _magnesium, _rules, _unknown, _set_aside]
    parts += [_withheld, _cards] if "withheld" in explained else [_cards]
    for part in parts:
        out.print()
        out.print(part(explained))


def _text(value: Any, style: str = "") -> Text:
    return Text(str(value).translate(_CONTROL), style=style)


def _styled(word: str) -> Text:
    return _text(word, _STYLES.get(word, ""))


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold")


def _rest(label: str, names: Iterable[str]) -> Text:
    joined = ", ".join(names)
    return _text(f"{label}: {joined}") if joined else Text()


def _facts(explained: Json) -> RenderableType:
    table = _table("Facts", "fact", "state", "evidence")
    facts = explained["facts"]
    for fact in facts:
        if fact["state"] != "absent":
            shown = [_evidence(e) for e in fact.get("evidence", ())] or [fact.get("why", "")]
            table.add_row(_text(_name(fact)), _styled(fact["state"]), _text("\n".join(shown)))
    absent = [_name(fact) for fact in facts if fact["state"] == "absent"]
    return Group(table, _rest("Looked for and not found", absent))


def _name(fact: Json) -> str:
    label = fact.get("label")
    return f"{fact['id']} {label}" if label else str(fact["id"])


def _evidence(evidence: Json) -> str:
    coding = evidence.get("coding", {})
    measured = f"{evidence.get('value', '')} {evidence.get('unit', '')}".strip()
    said = (
        evidence.get("display"),
        coding.get("code"),
        measured,
        evidence.get("date"),
        evidence.get("note"),
        f"by {evidence['matched']}" if "matched" in evidence else None,
    )
    place = evidence.get("resource") or evidence.get("entry", "")
    return f"{place}: {', '.join(str(part) for part in said if part)}"


def _pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    table = _table(title, "what", "finding")
    for name, value in pairs:
        if value:
            table.add_row(name, value if isinstance(value, Text) else _text(value))
    return table


def _kidney(explained: Json) -> RenderableType:
    kidney = explained["kidney"]
    evidence = kidney.get("evidence")
    return _pairs(
        "Kidney",
        (
            ("class", kidney["class"]),
            ("because", kidney.get("why")),
            ("finding", kidney.get("reason")),
            ("eGFR", f"{kidney['text']} mL/min/1.73 m2" if kidney.get("text") else None),
            ("basis", kidney.get("basis")),
            ("evidence", _evidence(evidence) if evidence else None),
            ("flags", ", ".join(kidney.get("flags", ()))),
        ),
    )


def _magnesium(explained: Json) -> RenderableType:
    magnesium = explained["magnesium"]
    evidence = magnesium.get("evidence")
    return _pairs(
        "Serum magnesium",
        (
            ("state", magnesium["state"]),
            ("result", magnesium.get("text")),
            ("because", magnesium.get("why")),
            ("evidence", _evidence(evidence) if evidence else None),
        ),
    )


def _rules(explained: Json) -> RenderableType:
    table = _table("Rules", "rule", "outcome", "why")
    rules = explained["rules"]
    for rule in rules:
        if rule["outcome"] != "not met":
            table.add_row(_text(rule["rule"]), _styled(rule["outcome"]), _text(rule.get("why", "")))
    others = [rule["rule"] for rule in rules if rule["outcome"] == "not met"]
    return Group(table, _rest("Not met", others))


def _rows(title: str, columns: Sequence[str], rows: Sequence[Json], nothing: str) -> RenderableType:
    if not rows:
        return _text(nothing)
    table = _table(title, *columns)
    for row in rows:
        table.add_row(*(_text(row.get(column, "")) for column in columns))
    return table


def _unknown(explained: Json) -> RenderableType:
    nothing = "Everything that was asked for could be read."
    return _rows("Not known", ("key", "why"), explained["unknown"], nothing)


def _set_aside(explained: Json) -> RenderableType:
    columns = ("resource", "what", "why")
    return _rows("Set aside", columns, explained["setAside"], "Nothing was set aside.")


def _withheld(explained: Json) -> RenderableType:
    """Cards that the site file withholds: their ids, and each reason with its day."""
    return _pairs(
        "Decided, not returned",
        (
            (card["card"], f"{why}: {until}" if isinstance(until, str) else why)
            for card in explained["withheld"]
            for why, until in card.items()
            if why not in {"card", "indicator"}
        ),
    )


def _cards(explained: Json) -> RenderableType:
    cards = explained["cards"]
    if not cards:
        return _text("No card.", "bold")
    return Group(*(part for card in cards for part in _card(card)))


def _card(card: Json) -> Iterable[RenderableType]:
    yield Text.assemble(_styled(card["indicator"]), ": ", _text(card["summary"], "bold"))
    yield Padding(Markdown(card.get("detail", "").translate(_CONTROL)), (0, 0, 0, 2))
    for suggestion in card.get("suggestions", ()):
        recommended = " (recommended)" if suggestion.get("isRecommended") else ""
        yield _text(f"  Offer: {suggestion['label']}{recommended}")
        for action in suggestion.get("actions", ()):
            yield _text(f"    {action['type']}: {action['description']}")
    yield Text()
