"""A FHIR server that does not answer, to show how the service deals with one."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import msgspec

from cds_service.fetching.fetching import Bounds, Fetching
from cds_service.fetching.servers import Server
from cds_service.hooks.answering import Answering
from cds_service.hooks.envelope import HookCall


@contextmanager
def late_server() -> Iterator[Server]:
    """A server on loopback. It takes connections, as the system does for it, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Server(url=f"http://127.0.0.1:{listener.getsockname()[1]}/fhir", open=True)


@contextmanager
def without_data_in_time(
    answering: Answering, call: HookCall, late: Iterable[str], bounds: Bounds
) -> Iterator[tuple[Answering, HookCall]]:
    """The call without the `late` prefetch keys, and what answers it: it asks a server for them.

    The server does not answer, so the limits in time apply. No other key is fetched.
    """
    keys = frozenset(late)
    kept = {key: value for key, value in call.prefetch.items() if key not in keys}
    templates = answering.templates[call.hook.name]
    fetched = {key: template for key, template in templates.items() if key in keys}
    with late_server() as server:
        fetching = Fetching([server], bounds)
        try:
            yield (
                msgspec.structs.replace(
                    answering, fetching=lambda: fetching, templates={call.hook.name: fetched}
                ),
                msgspec.structs.replace(call, prefetch=kept, fhir_server=server.url, token=None),
            )
        finally:
            fetching.close()
