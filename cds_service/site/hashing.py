"""The hash of what a file says: two files with the same content have the same hash."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

HASH_LENGTH = 12
_NOT_HASHED = "approvals"


def content_hash(content: dict[str, Any]) -> str:
    """The hash of the parsed content without `approvals`, which name it.

    Order of keys, comments and the way a number is written (35, 35.0) make no difference.
    """
    hashed = {key: value for key, value in content.items() if key != _NOT_HASHED}
    text = json.dumps(_canonical(hashed), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return {"number": f"{Decimal(value).normalize():f}"}
    return value
