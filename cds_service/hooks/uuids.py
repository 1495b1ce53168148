"""Random UUIDs. Random bytes are read from the system for many of them at once.

Each read releases the interpreter's lock. With two active threads, getting it back may take longer
than the rest of the call.
"""

from __future__ import annotations

import os
from collections import deque
from uuid import UUID

_BYTES = 16
_AT_ONCE = 256

_left: deque[bytes] = deque()
# A forked process must not use the same bytes as its parent.
os.register_at_fork(after_in_child=_left.clear)


def new_uuid() -> str:
    """A UUID of version 4, from the system's source of randomness."""
    while True:
        try:
            return str(UUID(bytes=_left.popleft(), version=4))
        except IndexError:
            fresh = os.urandom(_BYTES * _AT_ONCE)
            _left.extend(fresh[at : at + _BYTES] for at in range(0, len(fresh), _BYTES))
