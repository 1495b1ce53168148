"""The addresses on which the server listens, independent of the server program.

A server opens its sockets before it starts its workers, so they are among the open files of this
process.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable

from cds_service.loopback import is_loopback
from cds_service.settings import Settings, SettingsError

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def addresses_served() -> set[str]:
    """The addresses of listening sockets of this process."""
    try:
        files = [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 - numbers, not paths
    except OSError:
        return set()  # this system has no such directory, so the addresses are unknown
    return {address for file in files for address in _served_by(file)}


def require_closed(settings: Settings, addresses: Iterable[str]) -> None:
    """Raise `SettingsError` if others could call without a check and the operator has not allowed it."""
    exposed = [address for address in addresses if not is_loopback(address)]
    if exposed and not settings.clients_file and not settings.open:
        raise SettingsError(
            f"Listening on {exposed[0]} needs CDS_CLIENTS_FILE, the file of trusted clients;"
            " or CDS_OPEN=1, to serve anybody."
        )


def _served_by(file: int) -> list[str]:
    try:
        if not stat.S_ISSOCK(os.fstat(file).st_mode):
            return []
        with socket.socket(fileno=os.dup(file)) as copy:
            if copy.family not in _INTERNET or copy.type != socket.SOCK_STREAM:
                return []
            address, port = copy.getsockname()[:2]
            return [] if port == 0 or _connected(copy) else [str(address)]
    except OSError:
        return []


def _connected(copy: socket.socket) -> bool:
    try:
        copy.getpeername()
    except OSError:
        return False
    return True
