"""An application for granian that dies, or holds the interpreter's lock, when a call asks for it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from typing import Any

from cds_service.web.serving import heartbeat

# Twenty-eight characters take minutes, and the match does not let go of the interpreter.
_SLOW = re.compile(r"(a+)+b")


class _Front:
    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heartbeat = heartbeat.start(loop)

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        if scope.path == "/die":
            os.kill(os.getpid(), signal.SIGKILL)
        if scope.path == "/hang":
            _SLOW.match("a" * 40)
        proto.response_str(200, [], str(os.getpid()))


front = _Front()
