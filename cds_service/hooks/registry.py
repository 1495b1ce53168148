"""The registry of all hooks. Everything that depends on a hook is derived from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cds_service.hooks.encounter_discharge import ENCOUNTER_DISCHARGE
from cds_service.hooks.hook import Hook
from cds_service.hooks.medication_refill import MEDICATION_REFILL
from cds_service.hooks.order_select import ORDER_SELECT
from cds_service.hooks.order_sign import ORDER_SIGN
from cds_service.hooks.patient_view import PATIENT_VIEW
from cds_service.knowledge.loader import Knowledge, KnowledgeError

HOOKS: Mapping[str, Hook] = MappingProxyType(
    {
        hook.name: hook
        for hook in (PATIENT_VIEW, ORDER_SELECT, ORDER_SIGN, MEDICATION_REFILL, ENCOUNTER_DISCHARGE)
    }
)
"""By name, in the order of discovery."""


def require_rows(knowledge: Knowledge) -> None:
    """Raises `KnowledgeError` unless the table `suggest` has one row for each trigger of each hook."""
    for line in mismatches(knowledge):
        raise KnowledgeError(f"knowledge file policy.json: {line}")


def mismatches(knowledge: Knowledge) -> Iterator[str]:
    """Each row of the table `suggest` that is missing, unused, or duplicated."""
    wanted = {(hook.name, trigger) for hook in HOOKS.values() for trigger in hook.policy.triggers}
    rows = Counter((row.hook, row.trigger) for row in knowledge.policy.suggest)
    for hook, trigger in sorted(wanted - rows.keys()):
        yield f"suggest: no row for {hook}/{trigger}"
    for hook, trigger in sorted(rows.keys() - wanted):
        yield f"suggest: nothing reads the row {hook}/{trigger}"
    for (hook, trigger), count in rows.items():
        if count > 1:
            yield f"suggest: {count} rows for {hook}/{trigger}"
