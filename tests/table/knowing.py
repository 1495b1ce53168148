"""What a case leaves open: data that were not sent, were withheld, or cannot be read.

12.1, 12.7.1: facts that are found count, facts that are not found are Unknown, never absent.
"""

from __future__ import annotations

from tests.table.facts import Case
from tests.table.tables import UNCLEAR, UNREAD


def unknown_keys(case: Case) -> set[str]:
    """The prefetch keys that are not, or not fully, known."""
    unread = {UNREAD[name] for name in case.unread if name in UNREAD}
    if case.rf & UNCLEAR:
        unread.add("medicationRequests")
    return {*case.missing, *case.partly, *unread}


def not_all_known(case: Case, *keys: str) -> bool:
    """Whether one of these keys was not sent, or came with a sign that some of it was withheld."""
    return bool((case.missing | case.partly) & set(keys))


def drugs_not_all_known(case: Case) -> bool:
    """U-14: a drug in a code that nobody reads could be any drug."""
    lists = ("medicationRequests", "medicationStatements")
    return not_all_known(case, *lists) or "unknown-drug" in case.unread


def renal_history_not_all_known(case: Case) -> bool:
    """Kidney diseases and operations that could be among what is not known."""
    keys = ("conditions", "kidneyProcedures")
    return not_all_known(case, *keys) or "kidney-words" in case.unread
