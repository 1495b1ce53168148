"""The OpenAPI document, which describes every address of the service."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from flask import Blueprint, Response

from cds_service.web.answers import JSON

blueprint = Blueprint("openapi", __name__)

FILE: Final = "openapi.json"


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The document, as it is in `openapi.json` next to this module."""
    return Response(files(__package__).joinpath(FILE).read_bytes(), content_type=JSON)
