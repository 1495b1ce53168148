"""Slow modules are imported in a background thread after the first request.

An import before the port opens would delay the start. A thread that starts earlier would be lost
when the server forks its workers.
"""

from __future__ import annotations

from importlib import import_module
from threading import Thread

# The models that validate draft orders. A request that needs them earlier waits for this import.
_MODULES = ("fhir.resources.R4B.medicationrequest", "fhir.resources.R4B.servicerequest")


def start() -> None:
    """Start the imports. Call this when the first request has arrived."""
    Thread(target=_import_all, name="warming", daemon=True).start()


def _import_all() -> None:
    for module in _MODULES:
        import_module(module)
