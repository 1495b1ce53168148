"""The service with a site file, as a hospital runs it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings

NAME = "site: {id: example, title: Example}\n"


def client_with(text: str, folder: Path, now: datetime) -> FlaskClient:
    """A client of a service with these lines of a site file, and a clock that stands still."""
    file = folder / "site.yaml"
    file.write_text(NAME + text, encoding="utf-8")
    settings = Settings(site_file=str(file), data_dir=str(folder))
    return create_app(settings, lambda: now).test_client()
