"""`config` and `knowledge`: the settings, and an overview of the knowledge."""

from __future__ import annotations

import re
from typing import Any

from rich.table import Table

from cards.registered import load_knowledge
from cds_service.cli.printing import console, print_as_is
from cds_service.settings import VARIABLES, Variable, markdown, read_settings

_PASSWORD = re.compile(r"(://[^:/@]*:|[?&]password=)[^@&]*")


def show_settings(*, as_markdown: bool) -> None:
    """Every variable with its value, or the page of the docs."""
    if as_markdown:
        print_as_is(markdown().removesuffix("\n"))
        return
    settings = read_settings()
    table = Table("variable", "value", "what it does", title="Configuration", title_justify="left")
    for variable in VARIABLES:
        value = _shown(variable, getattr(settings, variable.field))
        table.add_row(variable.name, value, variable.purpose)
    console().print(table)


def _shown(variable: Variable, value: Any) -> str:
    """The displayed value. A secret is not displayed, and a URL without its password."""
    if value == "":
        return "(none)"
    if variable.is_secret and "://" not in value:
        return "(set)"
    return _PASSWORD.sub(r"\1***", value) if isinstance(value, str) else str(value)


def show_knowledge() -> None:
    """The version and the number of entries."""
    knowledge = load_knowledge()
    drug_sets = [s for s in knowledge.sets if s.startswith("med_")]
    counts = {
        "value sets": len(knowledge.sets),
        "of these, drug classes": len(drug_sets),
        "codes in them": sum(len(s.codes) for s in knowledge.sets.values()),
        "parameters": len(knowledge.parameter_rows),
        "cards": len(knowledge.cards),
        "dose plans": len(knowledge.plans.plans),
        "interaction classes": len(knowledge.interactions.interactions),
        "references": len(knowledge.references),
    }
    table = Table("what", "count", title=f"Knowledge {knowledge.version}", title_justify="left")
    for what, count in counts.items():
        table.add_row(what, str(count))
    console().print(table)
