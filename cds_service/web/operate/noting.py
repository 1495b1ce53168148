"""What of a call and of its decision may be logged and counted."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from cds_service.fhir.prefetch import KINDS, Content
from cds_service.hooks.envelope import HookCall
from cds_service.reasoning.decision import Decision
from cds_service.web.operate.logs import note

_HASH_BYTES = 8


def call_noting(salt: str) -> Callable[[HookCall], None]:
    """Notes which prefetch keys a call brought, and by which hash it is found again."""
    key = (salt or secrets.token_hex(16)).encode()[: hashlib.blake2b.MAX_KEY_SIZE]

    def noted(call: HookCall) -> None:
        instance = call.hook_instance.encode("utf-8", "surrogatepass")
        note(
            call=hashlib.blake2b(instance, key=key, digest_size=_HASH_BYTES).hexdigest(),
            sent=[name for name in KINDS if name in call.prefetch],
            not_sent=[name for name in KINDS if name not in call.prefetch],
        )

    return noted


def fetched_noted(fetched: Mapping[str, Content[Any]]) -> None:
    """Notes which keys were fetched, and what became of that."""
    if fetched:
        note(fetched={name: content.state.value for name, content in fetched.items()})


def decision_noted(decision: Decision) -> None:
    """Notes the cards, the kidney class, and of which keys the data were not known, or withheld."""
    note(
        cards=[card.card for card in decision.cards],
        indicators=[card.indicator for card in decision.cards],
        unknown=sorted({gap.key for gap in decision.gaps}),
    )
    withheld = {gap.key: list(gap.withheld) for gap in decision.gaps if gap.withheld}
    if withheld:
        note(withheld=withheld)
    kidney = next((card.kidney for card in decision.cards if card.kidney), decision.kidney)
    if kidney is not None:
        note(kidney=kidney.kidney_class.value)
