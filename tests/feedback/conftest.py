"""The service with a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.parts import parts_of


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Flask]]:
    """Services on one directory of data, with settings."""
    with ExitStack() as stack:

        def built(**settings: Any) -> Flask:
            app = create_app(Settings(**{"data_dir": str(tmp_path / "data"), **settings}))
            stack.callback(parts_of(app).store.close)
            return app

        yield built
