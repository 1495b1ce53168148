"""What every test may ask for: the service with its default settings, a client, the day, the charts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from .support.requirements import RequirementsRan

if TYPE_CHECKING:
    from cds_service.knowledge.loader import Knowledge

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# No deadline: two workers on two cores make single examples slow for reasons of no interest.
# In CI the examples are the same in every run, so that a red run can be repeated.
settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Reports of all workers arrive where none is: there it is seen which requirements were verified."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RequirementsRan(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests without coverage: tracing more than doubles their time.

    The other tests reach every branch that must be covered (`FULLY_COVERED` in the Makefile).
    """
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def _data_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What services keep while under test, servers in their own process too, is thrown away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDS_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _knowledge_read_once() -> Iterator[None]:
    """Services in this process share the knowledge: reading it takes three quarters of a start."""
    from cards import registered

    from .support.decisions import knowledge

    read = registered.load

    def read_once(folder: Traversable | None = None) -> Knowledge:
        return knowledge() if folder is None else read(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registered, "load", read_once)
        yield


@pytest.fixture(scope="session")
def app() -> Iterator[Flask]:
    """Built late, so that a test of one room does not wait for the whole house."""
    from cds_service import create_app
    from cds_service.web.parts import parts_of

    built = create_app()
    yield built
    parts_of(built).store.close()


@pytest.fixture(scope="session")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def today() -> date:
    """The day of the call, as the service reckons it."""
    return datetime.now(UTC).date()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The specification's own files and the real charts, which stay outside this repository."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not beside this checkout")
    return SHARED
