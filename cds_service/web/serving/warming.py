"""What is slow to import is imported behind the back of the first request, not before the port opens.

A thread started any earlier would be lost where the server forks its workers.
"""

from __future__ import annotations

from importlib import import_module
from threading import Thread

# The models that check drafts. Whoever needs them earlier waits for this import, no longer.
_MODULES = ("fhir.resources.R4B.medicationrequest", "fhir.resources.R4B.servicerequest")


def start() -> None:
    """Start the imports. To be called when the first request has come in."""
    Thread(target=_import_all, name="warming", daemon=True).start()


def _import_all() -> None:
    for module in _MODULES:
        import_module(module)
