"""A service that may ask one server, and the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings

from ..support import charts
from .calling import listed
from .ehr import Answering, Ehr, Json, running

Serve = Callable[[Answering], Ehr]
Service = Callable[..., FlaskClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers as told, until the test is over."""
    with ExitStack() as servers:
        yield lambda answering: servers.enter_context(running(answering))


@pytest.fixture
def service() -> Service:
    """A client of the service, whose list holds these servers; with time for a busy machine."""

    def build(*bases: str, marks: Json | None = None, **settings: Any) -> FlaskClient:
        bounds = {"fhir_total_ms": 8_000, "fhir_request_ms": 6_000, **settings}
        chosen = Settings(fhir_servers=listed(*bases, **(marks or {})), **bounds)
        return create_app(chosen).test_client()

    return build


@pytest.fixture
def whole(today: date) -> Json:
    """A call with everything under prefetch, answered with mg-suggest."""
    return charts.patient_view(today)
