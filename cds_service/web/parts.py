"""The parts of one application: the settings, the services, and the objects that its views use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from flask import Flask, Request, current_app
from flask.globals import request_ctx

from cds_service.correlation import Correlation, correlation_of
from cds_service.hooks.answering import Answering
from cds_service.hooks.services import Service
from cds_service.knowledge.loader import Knowledge
from cds_service.settings import Settings
from cds_service.store.store import Store

if TYPE_CHECKING:
    from cds_service.web.calls.auth import Guard

_NAME: Final = "cds"
Made = TypeVar("Made")


class Parts(msgspec.Struct, frozen=True, eq=False):
    """The parts of one application.

    `remake` creates `answering` again when the site file has changed. `log_key` is the secret of
    the hash with which a call is found in the log. `correlate` finds the ids of a request.
    """

    settings: Settings
    services: Mapping[str, Service]
    answering: Answering
    store: Store
    guard: Guard
    log_key: bytes
    remake: Callable[[], Answering] | None = None
    correlate: Callable[[Mapping[str, Any]], Correlation] = correlation_of
    first_request: Any = msgspec.field(default_factory=Lock)
    """No more changes are allowed after the first request."""
    _made: dict[Callable[[Parts], Any], Any] = msgspec.field(default_factory=dict)

    @property
    def knowledge(self) -> Knowledge:
        """The knowledge of all responses."""
        return self.answering.knowledge

    def once(self, make: Callable[[Parts], Made]) -> Made:
        """The result of a function of these parts. It is created on first use and then cached."""
        if make not in self._made:
            self._made.setdefault(make, make(self))
        made: Made = self._made[make]
        return made

    def belong_to(self, app: Flask) -> None:
        """Make the parts available to the views of an application."""
        app.extensions[_NAME] = self


def parts_of(app: Flask) -> Parts:
    """The parts of an application."""
    parts: Parts = app.extensions[_NAME]
    return parts


def current_parts() -> Parts:
    """The parts of the application that handles the current request."""
    return parts_of(current_app)


def current_request() -> Request:
    """The current request itself. Flask's `request` looks it up again for each attribute."""
    return request_ctx.request
