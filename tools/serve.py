"""Start the service for a person at a terminal: `make run`.

Granian does the serving. This adds what a person needs around it: a plain word when a setting is
wrong or the port is taken, the two addresses to open once the port is bound, and a Ctrl-C that
counts as success.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from granian.constants import Interfaces
from granian.server import Server

from cds_service.settings import SettingsError, read_settings

HOST = "127.0.0.1"
DISCOVERY = "/cds-services"
SANDBOX = "/sandbox/patients"
UNUSABLE_SETTING = 2


def a_port(text: str) -> int:
    port = int(text)
    if not 0 < port < 2**16:
        raise argparse.ArgumentTypeError(f"{port} is not between 1 and 65535")
    return port


def port_is_free(port: int) -> bool:
    """Granian answers a taken port with a page of native stack trace, so look first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@contextmanager
def own_foreground_group() -> Iterator[None]:
    """Hold the terminal's foreground, so that Ctrl-C stops the server and not make.

    make answers a Ctrl-C that reaches it by dying of it, whatever the server's exit code was.
    Ctrl-Z is switched off meanwhile: make, still waiting, could not hand the terminal back.
    """
    terminal = sys.stdin.fileno()
    before = os.getpgrp()
    in_foreground = os.isatty(terminal) and os.tcgetpgrp(terminal) == before
    if not in_foreground or before == os.getpid():
        yield
        return
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)


def addresses(port: int) -> str:
    base = f"http://{HOST}:{port}"
    return f"\n  Discovery  {base}{DISCOVERY}\n  Sandbox    {base}{SANDBOX}\n\n  Ctrl-C stops it.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Serve on loopback, for trying it out.")
    parser.add_argument("--port", type=a_port, default=8000)
    port = parser.parse_args().port
    try:
        read_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return UNUSABLE_SETTING
    if not port_is_free(port):
        sys.exit(f"Port {port} is taken. Choose another one: make run PORT={port + 1}")
    server = Server(
        "app:app",
        address=HOST,
        port=port,
        interface=Interfaces.WSGI,
        websockets=False,
        blocking_threads=4,
        respawn_failed_workers=True,
    )
    server.on_startup(lambda: print(addresses(port), flush=True))
    with own_foreground_group():
        server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
