"""`knowledge`: what is not approved yet, what differs between two versions, and approvals."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from cards.registered import load_knowledge
from cds_service.cli.errors import CommandError
from cds_service.cli.printing import print_as_is
from cds_service.cli.site import approval_entry
from cds_service.hooks.configured import HOOKS_OF_FILES
from cds_service.knowledge.difference import differences, folder_of
from cds_service.knowledge.entries import Entry, State, entries_of, installed, read_files
from cds_service.knowledge.loader import Knowledge
from cds_service.settings import read_settings
from cds_service.site.load import SiteFileError, read_site
from cds_service.site.model import Approval

DIFFERENT, NOT_APPROVED = 1, 1
FILES = {
    "as_it_stood.json": "What was known at a past moment",
    "cards.json": "Which card is shown when, and checks of orders",
    "code_systems.json": "Names under which code systems are sent",
    "coindications.json": "Other uses of preventives",
    "dosage.json": "Units and words of dosages",
    "dosage_words.json": "Words of dosage texts",
    "drug_text.json": "How names of drugs are read",
    "interactions.json": "Salts and words of products that neutralise acid",
    "override_reasons.json": "Override reasons",
    "plans.json": "Product, tests and alternatives",
    "policy.json": "Kidney classes, risk factors, cautions and choice of the plan",
    "rxnorm/brand_names.json": "Brand names",
    "rxnorm/ingredients.json": "Ingredients (RxNorm)",
    "rxnorm/magnesium.json": "Magnesium products and their elemental magnesium",
    "rxnorm/products.json": "Products by drug class (RxNorm)",
    "safety_words.json": "Words that name a safety condition",
    "source_attributes.json": "Intended use and limits",
    "wording.json": "All sentences of cards and messages",
}
"""What the part of a file outside its entries is about."""


def review(site_file: str | None) -> int:
    """Print what is not approved, by file. Returns 1 if anything is not."""
    knowledge = load_knowledge()
    approvals = _approvals(site_file, knowledge)
    subjects = frozenset(approval.of for approval in approvals)
    whole = [approval for approval in approvals if approval.of == f"knowledge {knowledge.hash}"]
    for approval in whole:
        print_as_is(f"Knowledge {knowledge.version} as a whole: approved by {said(approval)}.")
    if whole:
        return 0
    entries = [(e, e.state(subjects)) for e in entries_of(read_files(installed()))]
    states = Counter(state for _, state in entries)
    counts = ", ".join(f"{states[state]} {state.words}" for state in State if states[state])
    print_as_is(f"Knowledge {knowledge.version}: {len(entries)} entries, {counts}.")
    by_subject = {approval.of: said(approval) for approval in approvals}
    for entry, state in entries:
        by = by_subject.get(entry.subject, "") if subjects else ""
        if state is not State.APPROVED or by:
            said_by = f" by {by}" if by else ""
            print_as_is(f"{entry.name}: {state.words}{said_by}: {_title(entry, knowledge)}")
    return NOT_APPROVED if set(states) != {State.APPROVED} else 0


def diff(old: str, new: str, *, as_json: bool) -> int:
    """Print the differences between two versions. Each is a folder, a wheel or `installed`."""
    found = list(differences(folder_of(old), folder_of(new)))
    if as_json:
        print_as_is(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        for change in found:
            print_as_is(str(change))
    return DIFFERENT if found else 0


def approve(name: str, role: str, day: date | None, entry: str | None) -> int:
    """Print the entry of `approvals` for the installed knowledge, or for one entry of it."""
    subject = f"knowledge {load_knowledge().hash}" if entry is None else _entry(entry).subject
    print_as_is(approval_entry(name, role, day or datetime.now(UTC).date(), subject))
    return 0


def said(approval: Approval) -> str:
    """Who approved, in words."""
    return f"{approval.name}, {approval.role}, {approval.date.isoformat()}"


def _entry(name: str) -> Entry:
    found = {entry.name: entry for entry in entries_of(read_files(installed()))}
    if name not in found:
        raise CommandError(f"{name} is not an entry: `knowledge review` lists them as file#entry.")
    return found[name]


def _approvals(site_file: str | None, knowledge: Knowledge) -> tuple[Approval, ...]:
    path = site_file or read_settings().site_file
    if not path:
        return ()
    try:
        site = read_site(Path(path), knowledge, HOOKS_OF_FILES, datetime.now(UTC).date())
    except SiteFileError as error:
        raise CommandError(str(error)) from None
    return site.file.approvals


def _title(entry: Entry, knowledge: Knowledge) -> str:
    """The entry in words: the summary of a card, the title of what has one, else what a file is."""
    if entry.file == "cards.json" and entry.id in knowledge.cards:
        return knowledge.cards[entry.id].summary
    titles = {row.id: row.title for row in knowledge.parameter_rows}
    titles |= {plan.id: plan.title for plan in knowledge.plans.plans}  # with their numbers
    return titles.get(entry.id) or entry.title or FILES.get(entry.file, "")
