"""Start the service: `make run` for a person at a terminal, `make serve` for production.

Granian does the serving. This adds what is needed around it: a plain word when a setting is wrong,
the port is taken or the service would be open to others, the addresses once the port is bound, a
Ctrl-C that counts as success, and what the workers have in common (figures, salt, operators' port).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server import Server
from granian.server.common import AbstractServer

from cds_service.settings import Settings, SettingsError, read_settings

HOST = "127.0.0.1"
DISCOVERY = "/cds-services"
SANDBOX = "/"
UNUSABLE_SETTING = 2
METRICS = "PROMETHEUS_MULTIPROC_DIR"
MOST_OPEN_REQUESTS = 4096
HEADER_READ_MS = 10_000
RESPAWN_SECONDS = 1.0
STOP_SECONDS = 35


def a_port(text: str) -> int:
    port = int(text)
    if not 0 < port < 2**16:
        raise argparse.ArgumentTypeError(f"{port} is not between 1 and 65535")
    return port


def port_is_free(host: str, port: int) -> bool:
    """Granian answers a taken port with a page of native stack trace, so look first."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
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


def addresses(host: str, port: int, settings: Settings) -> str:
    """What to open, for whoever started the service."""
    base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    lines = [f"Discovery  {base}{DISCOVERY}"]
    if settings.shows_sandbox:
        lines.append(f"Sandbox    {base}{SANDBOX}")
    return "\n" + "".join(f"  {line}\n" for line in lines) + "\n  Ctrl-C stops it.\n"


@contextmanager
def shared_by_workers(settings: Settings) -> Iterator[None]:
    """What all workers must have in common, in the environment that they inherit."""
    if not settings.log_salt:
        os.environ["CDS_LOG_SALT"] = secrets.token_hex(16)
    if METRICS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="cds-metrics-") as directory:
        os.environ[METRICS] = directory
        yield


def check(settings: Settings, host: str) -> None:
    """Raises `SettingsError` with what would otherwise stop every worker."""
    from cds_service.web.auth import verifier_of
    from cds_service.web.binding import require_closed

    require_closed(settings, [host])
    verifier_of(settings)


def start_operators(settings: Settings, host: str, port: int) -> None:
    """Serve the operators' port from this process."""
    from cds_service import create_app
    from cds_service.web.operators import serve_operators

    # A thread here, and workers that are forked, do not go together.
    multiprocessing.set_start_method("spawn")
    reached = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        serve_operators(create_app(settings), settings.operator_address, (reached, port))
    except OSError:
        text = "CDS_OPERATOR_ADDRESS must be an address of this machine with a port that is free."
        raise SettingsError(text) from None


def server_for(host: str, port: int, workers: int) -> AbstractServer[Any]:
    """Granian as this service needs it."""
    return Server(
        "app:front",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        websockets=False,
        workers=workers,
        # Each worker takes in more than it works on: the front sheds load, with an answer.
        backlog=2048,
        backpressure=MOST_OPEN_REQUESTS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS),
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=STOP_SECONDS,
    )


def heed_a_stop() -> None:
    """Let a worker that is still starting be stopped; granian sets its own handlers later.

    A forked worker begins with the handlers of its parent, which would swallow the parent's word to
    stop. The terminal's Ctrl-C is left to the parent, so that it knows which workers it ended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until told to stop."""
    if settings.operator_address:
        start_operators(settings, host, port)
    os.register_at_fork(after_in_child=heed_a_stop)
    server = server_for(host, port, workers)
    server.on_startup(lambda: print(addresses(host, port, settings), flush=True))
    with own_foreground_group():
        server.serve()


def main() -> int:
    """Check, serve, and say how it ended."""
    parser = argparse.ArgumentParser(description="Serve, on loopback unless told otherwise.")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=a_port, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    try:
        settings = read_settings()
        # First of all: what is imported to check the settings looks at the environment.
        with shared_by_workers(settings):
            check(settings, given.host)
            if not port_is_free(given.host, given.port):
                sys.exit(
                    f"Port {given.port} is taken. Choose another one: make run PORT={given.port + 1}"
                )
            serve(settings, given.host, given.port, given.workers)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return UNUSABLE_SETTING
    return 0


if __name__ == "__main__":
    sys.exit(main())
