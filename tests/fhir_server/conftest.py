"""These tests need a server that `make test-fhir-server` starts; without it they are not collected."""

from __future__ import annotations

import os
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.fetching.servers import Server
from cds_service.settings import Settings

from .server import VARIABLE

collect_ignore_glob = [] if VARIABLE in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def address() -> str:
    return os.environ[VARIABLE]


@pytest.fixture(scope="session", params=["fhir", "paged"], ids=["pages of 20", "pages of 2"])
def base(request: pytest.FixtureRequest, address: str) -> str:
    """Both doors of the server: the usual pages, and pages of two."""
    return f"{address}/{request.param}"


@pytest.fixture(scope="session")
def client(base: str) -> FlaskClient:
    """The service, which may ask that server without a token, and may take its time."""
    servers = (Server(url=base, open=True),)
    settings: dict[str, Any] = {"fhir_total_ms": 10_000, "fhir_request_ms": 10_000}
    return create_app(Settings(fhir_servers=servers, **settings)).test_client()
