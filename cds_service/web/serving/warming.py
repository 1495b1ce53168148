"""What is slow to import is imported behind the back of the first request, not before the port opens.

A thread started any earlier would be lost where the server forks its workers.
"""

from __future__ import annotations

from importlib import import_module
from threading import Lock, Thread

from flask import Flask

from cds_service.store.store import Store

# The models that check drafts. Whoever needs them earlier waits for this import, no longer.
_MODULES = ("fhir.resources.R4B.medicationrequest", "fhir.resources.R4B.servicerequest")


def register(app: Flask, store: Store) -> None:
    """Start the import and the store, once, when the first request has come in."""
    first = Lock()

    @app.before_request
    def once() -> None:
        if first.acquire(blocking=False):
            Thread(target=_import_all, name="warming", daemon=True).start()
            store.start()


def _import_all() -> None:
    for module in _MODULES:
        import_module(module)
