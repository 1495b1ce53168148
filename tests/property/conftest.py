"""The service with a clock that stands still, so that equal calls may be compared exactly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient


@pytest.fixture(scope="session")
def app() -> Flask:
    from cds_service import create_app

    now = datetime.now(UTC)
    return create_app(now=lambda: now)


@pytest.fixture(scope="session")
def client(app: Flask) -> FlaskClient:
    return app.test_client()
