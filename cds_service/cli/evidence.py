"""`evidence`: the evidence page of the configured service, as a file."""

from __future__ import annotations

import tempfile
from http import HTTPStatus
from pathlib import Path

import msgspec

from cds_service import create_app
from cds_service.cli.errors import CommandError
from cds_service.settings import read_settings


def write_pdf(file: str) -> None:
    """Write the page that `/evidence.pdf` returns, with the settings of this environment.

    Raises `CommandError` if it cannot be made or written.
    """
    if not Path(file).absolute().parent.is_dir():
        raise CommandError(f"{file}: this folder does not exist")
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        # Nothing is stored here, so the database of the service is not opened.
        settings = msgspec.structs.replace(read_settings(), data_dir=folder, database_url="")
        response = create_app(settings).test_client().get("/evidence.pdf")
    if response.status_code != HTTPStatus.OK:
        (issue,) = response.get_json()["issue"]
        raise CommandError(issue["details"]["text"])
    try:
        Path(file).write_bytes(response.data)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
