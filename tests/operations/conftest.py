"""The production form of the service, without clients: two workers, an operators' port."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ..support import charts
from ..support.fhir import PATIENT_VIEW
from ..support.serving import HOST, Running, free_port, serving

HOOK = f"/cds-services/{PATIENT_VIEW}"


class Operated(msgspec.Struct):
    """A server and its operators' port."""

    server: Running
    operators: int


def hook_request() -> dict[str, Any]:
    return charts.CALLS[PATIENT_VIEW](datetime.now(UTC).date())


@pytest.fixture
def body() -> dict[str, Any]:
    return hook_request()


@pytest.fixture
def operated(tmp_path: Any) -> Iterator[Operated]:
    port = free_port()
    with serving(
        tmp_path, "--workers", "2", CDS_OPERATOR_ADDRESS=f"{HOST}:{port}", CDS_UPLOAD_SECONDS="3"
    ) as server:
        yield Operated(server, port)
