"""The service on a day that stands still, so that whole answers can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from .accounts import NOW


@pytest.fixture(scope="session")
def client_that_day() -> Iterator[FlaskClient]:
    from cds_service import create_app
    from cds_service.web.parts import parts_of

    app = create_app(now=lambda: NOW)
    yield app.test_client()
    parts_of(app).store.close()
