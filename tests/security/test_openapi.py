"""The authored OpenAPI document: it is one, it names what is there, and calls made from it do no harm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode

from cds_service import create_app
from cds_service.settings import Settings

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "cds_service/web/pages/openapi.json").read_text()
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(Settings(data_dir=str(tmp_path_factory.mktemp("openapi"))))


def test_it_is_an_openapi_document() -> None:
    validate(DOCUMENT)


OPERATIONS = [
    pytest.param(path, method, mode, id=f"{method} {path} {mode.value}")
    for path, item in DOCUMENT["paths"].items()
    for method in ("get", "post")
    if method in item
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or method == "post"
]


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_calls_made_from_it_are_answered_as_it_says(
    app: Flask, path: str, method: str, mode: GenerationMode
) -> None:
    """Never a 5xx; every status, media type and body is one that the document names."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = app
    operation = schema[path][method.upper()]

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def calls(case: Any) -> None:
        case.call_and_validate(
            checks=[
                schemathesis.checks.not_a_server_error,
                schemathesis.checks.status_code_conformance,
                schemathesis.checks.content_type_conformance,
                schemathesis.checks.response_schema_conformance,
            ]
        )

    calls()
