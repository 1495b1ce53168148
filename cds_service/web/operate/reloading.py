"""Reload a changed site file in a running worker, and in the process of the operators' port.

The parent of the workers checks the file and publishes a copy of it (`tools.site_snapshot`). Each
process checks the copy twice a second. When it has changed, the process creates its parts again and
replaces them in one assignment, so no call is lost and no connection is closed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import msgspec
from flask import Flask

from cds_service.hooks.answering import Answering
from cds_service.hooks.configured import SNAPSHOT
from cds_service.hooks.services import services_in_force
from cds_service.web.operate import metrics
from cds_service.web.parts import parts_of

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5

Remake = Callable[[], Answering]
"""Create the object that handles calls from the current site file."""


def start(app: Flask, remake: Remake | None) -> None:
    """Watch the copy, in a thread, if there is one. Call this in the process that serves."""
    snapshot = os.environ.get(SNAPSHOT)
    if snapshot is not None and remake is not None:
        arguments = (app, Path(snapshot), remake)
        Thread(target=_watch, args=arguments, name="reloading", daemon=True).start()


def _watch(app: Flask, snapshot: Path, remake: Remake) -> None:
    # The worker may have started before the copy changed, so the first check replaces the parts
    # too.
    seen: object = None
    while True:
        now = _state(snapshot)
        if now not in (seen, None):
            _exchange(app, remake)
            seen = now
        time.sleep(_LOOK_SECONDS)


def _state(snapshot: Path) -> object:
    try:
        found = snapshot.stat()
    except OSError:  # being replaced, or the server is stopping
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _exchange(app: Flask, remake: Remake) -> None:
    """Exchange the parts. The copy was checked, so a failure here is a fault of ours: keep the old."""
    parts = parts_of(app)
    try:
        answering = remake()
        services = services_in_force(answering.force)
    except Exception as error:  # noqa: BLE001 - the thread and the worker must go on
        _log.error("the site file could not be reloaded: %s", type(error).__name__)
        return
    force, old = answering.force, parts.answering.force
    # The hash does not cover approvals, which can change alone.
    if (force.label, force.review) == (old.label, old.review):
        return
    msgspec.structs.replace(parts, services=services, answering=answering, _made={}).belong_to(app)
    metrics.state(force)
    _log.info("the site file %s is in force", force.label)
