"""docs/openapi.json has every address that clients and operators call, with its method, and no other."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask

from cds_service.version import VERSION

from .reading import text_of

DOCUMENT: dict[str, Any] = json.loads(text_of("docs/openapi.json"))
METHODS = {"get", "post", "put", "delete", "patch", "head", "options"}
# Pages for people, and what they are made of.
PAGES = ("/evidence", "/sandbox", "/static", "/feedback/report")


def test_every_address_for_clients_is_described(app: Flask) -> None:
    routes = {
        rule.rule.replace("<service_id>", "{id}"): {m.lower() for m in rule.methods or ()}
        - {"head", "options"}
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith(PAGES) and rule.rule != "/"
    }
    described = {path: METHODS & set(item) for path, item in DOCUMENT["paths"].items()}
    assert described == routes


def test_refusals_of_the_document_are_those_that_integrators_are_told() -> None:
    told = text_of("docs/integrating.md").partition("## Errors")[2].partition("\n## ")[0]
    described = {
        status
        for item in DOCUMENT["paths"].values()
        for method in METHODS & set(item)
        for status in item[method]["responses"]
        if not status.startswith("2")
    }
    assert [status for status in sorted(described) if f"`{status}`" not in told] == []


def test_its_version_is_that_of_the_project() -> None:
    assert DOCUMENT["info"]["version"] == VERSION
