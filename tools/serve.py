"""Start the service: `make run` at a terminal, `make serve` in production.

Granian is the server. This module adds a clear message if a setting is wrong, the port is taken or
the service would be open to others. It says when the workers have started, treats Ctrl-C as
success, supervises the workers, and sets up what they share (metrics, salt, heartbeats,
operators' port).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import os
import resource
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from cds_service.hooks.configured import SNAPSHOT, require_site_file
from cds_service.knowledge.entries import are_approved, installed
from cds_service.settings import Settings, SettingsError, read_settings
from cds_service.version import VERSION
from cds_service.web.operate import lines
from cds_service.web.operate.lines import say, say_fault
from cds_service.web.serving.heartbeat import HEARTBEATS
from tools import clients_copy, site_snapshot
from tools.supervising import SupervisedServer

HOST = "127.0.0.1"
DISCOVERY = "/cds-services"
SANDBOX = "/"
UNUSABLE_SETTING = 2
METRICS = "PROMETHEUS_MULTIPROC_DIR"
MOST_OPEN_CONNECTIONS = 16_384
"""For one worker. Idle connections need little memory, but a low limit would let them block others."""
HEADER_READ_MS = 10_000
STOP_SECONDS = 35
NOT_APPROVED = "The rules are NOT APPROVED for patient care."
TAKEN = "Port {port} is taken. Choose another one: make run PORT={next}"
REFUSED_CHANGE = "the changed {file} is not used, the one before stays in force"


class OneLineParser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """End with the line."""
        say_fault(message.removeprefix("argument --port: "))
        sys.exit(UNUSABLE_SETTING)


def a_port(text: str) -> int:
    """The number of a port. Raises `ArgumentTypeError`."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**16:
        example = "make run PORT=8001"
        raise argparse.ArgumentTypeError(
            f"PORT must be a whole number from 1 to 65535, for example: {example}"
        )
    return int(text)


def port_is_free(host: str, port: int) -> bool:
    """Check the port first, because granian reports a taken port with a native stack trace."""
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
    """Take the foreground of the terminal, so that Ctrl-C stops the server and not make.

    If make receives Ctrl-C, it dies of the signal, whatever the exit code of the server is. Ctrl-Z
    is disabled, because make is still waiting and could not return the terminal.
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


def base_address(host: str, port: int) -> str:
    """The address of the service, without a final slash."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def addresses(host: str, port: int, settings: Settings) -> str:
    """The addresses to open, for the person who started the service."""
    base = base_address(host, port)
    shown = [f"Discovery  {base}{DISCOVERY}"]
    if settings.shows_sandbox:
        shown.append(f"Sandbox    {base}{SANDBOX}")
    return "".join(f"  {line}\n" for line in shown)


def seconds_since_start() -> float | None:
    """The age of this process in seconds, or `None` if the system has no `/proc`.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (field 22, in clock ticks).
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return float(time.clock_gettime(time.CLOCK_BOOTTIME)) - started


def say_ready(host: str, port: int, settings: Settings) -> None:
    """Report that the workers have started and how long that took, with the addresses last."""
    seconds = seconds_since_start()
    is_unapproved = not settings.site_file and not are_approved(installed())
    if lines.is_for_terminal():
        taken = "" if seconds is None else f" in {seconds:.1f} s"
        note = f"  {NOT_APPROVED}\n" if is_unapproved else ""
        said = f"\n  Ready{taken}. Ctrl-C stops it.\n{note}\n{addresses(host, port, settings)}"
        print(said, end="", flush=True)
        return
    if is_unapproved:
        say(NOT_APPROVED, "warning")
    taken_seconds = seconds and round(seconds, 2)
    address = base_address(host, port)
    say("the service is ready", version=VERSION, address=address, seconds=taken_seconds)


@contextmanager
def shared_by_workers(settings: Settings) -> Iterator[None]:
    """Set the environment variables that all workers inherit and share."""
    if not settings.log_salt:
        os.environ["CDS_LOG_SALT"] = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="cds-workers-") as directory:
        for variable, name in ((HEARTBEATS, "heartbeats"), (METRICS, "metrics")):
            if variable not in os.environ:
                os.environ[variable] = str(Path(directory, name))
                Path(directory, name).mkdir()
        if settings.site_file:
            os.environ[SNAPSHOT] = str(Path(directory, "site", Path(settings.site_file).name))
            Path(directory, "site").mkdir()
        if settings.clients_file:
            clients_copy.announce(settings.clients_file, Path(directory, "clients"))
        yield


def check(settings: Settings, host: str) -> None:
    """Raise `SettingsError` for a fault that would otherwise stop every worker."""
    from cds_service.web.calls.auth import servers_of, verifier_of
    from cds_service.web.operate.tracing import tracing_of
    from cds_service.web.serving.binding import require_closed

    require_closed(settings, [host])
    require_store(settings)
    servers_of(verifier_of(settings))
    tracing_of(os.environ)
    require_site_file(settings)
    if settings.clients_file:
        clients_copy.stage(settings.clients_file)
        clients_copy.publish()
    if settings.site_file:
        is_published, said = site_snapshot.run(Path(os.environ[SNAPSHOT]))
        if not is_published:
            raise SettingsError(said)
        say(said)


def reload_files(clients_file: str) -> bool:
    """On SIGHUP: use the changed files of site and clients, or neither if one of them has a fault.

    Returns whether the workers can go on. If the clients have changed, or there is no site file,
    they are replaced one by one, and each finishes its calls in progress.
    """
    why = fault_of_clients(clients_file)
    if why:
        say(REFUSED_CHANGE.format(file="file of clients"), "warning", why=why)
        return True
    is_site_published = publish_site()
    if is_site_published is False:
        return True
    has_changed_clients = bool(clients_file) and clients_copy.publish()
    return is_site_published is not None and not has_changed_clients


def fault_of_clients(clients_file: str) -> str:
    """The fault of the file of clients, or "" if it can be used or is not configured."""
    if not clients_file:
        return ""
    try:
        clients_copy.stage(clients_file)
    except SettingsError as error:
        return str(error)
    return clients_copy.fault()


def publish_site() -> bool | None:
    """Publish the site file if it has no fault. `None` if there is no site file.

    The workers see the published copy and take it in while they answer calls.
    """
    snapshot = os.environ.get(SNAPSHOT)
    if snapshot is None:
        return None
    is_published, said = site_snapshot.run(Path(snapshot))
    if is_published:
        say("the site file is published to all workers", site=said)
    else:
        say(REFUSED_CHANGE.format(file="site file"), "warning", why=said)
    return is_published


def require_store(settings: Settings) -> None:
    """Raise `SettingsError` if records cannot be stored. Otherwise they would be lost silently."""
    from cds_service.store.location import database_url
    from cds_service.store.starting import why_unusable

    why = why_unusable(database_url(settings.database_url, settings.data_dir))
    if why:
        setting = "CDS_DATABASE_URL" if settings.database_url else "CDS_DATA_DIR"
        raise SettingsError(f"{setting}: the database cannot be used, because {why}.")


def allow_many_connections() -> None:
    """Raise the limit on open files to what the system allows, because each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 4 * MOST_OPEN_CONNECTIONS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def allow_no_core_files() -> None:
    """Disable core files, because the memory of the process may contain patient data."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def start_operators(settings: Settings, host: str, port: int) -> Connection:
    """Serve the operators' port from a separate process while the result is kept open.

    It is not a thread of this process, because workers are forked from it at any time, and a fork
    while another thread holds a lock can deadlock.
    """
    reached = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=operate, args=(settings, (reached, port), theirs), name="operators", daemon=True
    )
    process.start()
    theirs.close()
    try:
        bound = ours.recv()
    except EOFError:
        bound = False
    if not bound:
        text = "CDS_OPERATOR_ADDRESS must be an address of this machine with a port that is free."
        raise SettingsError(text)
    return ours


def operate(settings: Settings, service: tuple[str, int], parent: Connection) -> None:
    """Run the operators' process until the parent ends."""
    lines.take_all(os.environ[lines.FORM])
    from cds_service import create_app
    from cds_service.web.operate import reloading
    from cds_service.web.parts import parts_of
    from cds_service.web.serving.operators import serve_operators

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = create_app(settings)
    try:
        serve_operators(app, settings.operator_address, service)
    except OSError:
        parent.send(False)
        return
    # Its metrics are added to those of the workers, and its report names the site file.
    reloading.start(app, parts_of(app).remake)
    parent.send(True)
    with contextlib.suppress(EOFError, OSError):
        parent.recv()


def server_for(settings: Settings, host: str, port: int, workers: int) -> SupervisedServer:
    """Granian with the options that this service needs."""
    return SupervisedServer(
        "app:front",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        # HTTP/2 without TLS would be read as a call without a body and never closed.
        http=HTTPModes.http1,
        websockets=False,
        workers=workers,
        backlog=2048,
        backpressure=MOST_OPEN_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_MS),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        heartbeats=Path(os.environ[HEARTBEATS]),
        stall_seconds=settings.stall_seconds,
        reload_files=lambda: reload_files(settings.clients_file),
        on_ready=lambda: say_ready(host, port, settings),
        log_level=LogLevels.warning if lines.is_for_terminal() else LogLevels.info,
        log_dictconfig=lines.of_granian(),
    )


def import_for_workers() -> None:
    """Import what every worker needs, so that they share it and a replaced one starts at once.

    Until here, the garbage collector would only find objects that are permanent.
    """
    import cds_service.web.application
    import cds_service.web.serving.front  # noqa: F401 - both are used by the workers

    gc.freeze()
    gc.enable()


def heed_a_stop() -> None:
    """Let a worker be stopped while it starts. Granian sets its own handlers later.

    A forked worker inherits the handlers of its parent, which would ignore the stop signal of the
    parent. The worker ignores Ctrl-C of the terminal, so that the parent knows which workers it
    ended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a stop signal arrives."""
    import_for_workers()
    allow_many_connections()
    allow_no_core_files()
    operators = start_operators(settings, host, port) if settings.operator_address else None
    # The workers inherit the listening socket.
    multiprocessing.set_start_method("fork", force=True)
    os.register_at_fork(after_in_child=heed_a_stop)
    server = server_for(settings, host, port, workers)
    with own_foreground_group(), contextlib.closing(operators) if operators else nullcontext():
        server.serve()


def main() -> int:
    """Check the settings, serve, and return the exit code."""
    gc.disable()
    lines.take_all(lines.TERMINAL if "--terminal" in sys.argv else lines.JSON)
    parser = OneLineParser(description="Serve the application. The default host is loopback.")
    parser.add_argument("--terminal", action="store_true", help="write for a person, not JSON")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=a_port, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    try:
        settings = read_settings()
        # Must be first: modules imported to check the settings read the environment.
        with shared_by_workers(settings):
            check(settings, given.host)
            if not port_is_free(given.host, given.port):
                say_fault(TAKEN.format(port=given.port, next=given.port + 1))
                return 1
            serve(settings, given.host, given.port, given.workers)
    except SettingsError as error:
        say_fault(error)
        return UNUSABLE_SETTING
    return 0


if __name__ == "__main__":
    sys.exit(main())
