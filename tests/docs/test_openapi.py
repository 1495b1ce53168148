"""The OpenAPI document that the service serves has every address, method and status, and no other."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service.version import VERSION

from .reading import ROOT, text_of

FILE = "cds_service/web/pages/openapi.json"
DOCUMENT: dict[str, Any] = json.loads(text_of(FILE))
METHODS = {"get", "post", "put", "delete", "patch"}
# For every address, so it is described once, in words and as a response of the components.
EVERYWHERE = {"405"}


def template(rule: str) -> str:
    """A rule of Flask as OpenAPI writes it. The standard calls the service of a hook call `id`."""
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
    return path if path.startswith("/sandbox") else path.replace("{service_id}", "{id}")


def test_every_address_is_described(app: Flask) -> None:
    routes = {
        template(rule.rule): {m.lower() for m in rule.methods or ()} & METHODS
        for rule in app.url_map.iter_rules()
    }
    described = {path: METHODS & set(item) for path, item in DOCUMENT["paths"].items()}
    assert described == routes, f"Describe the addresses in {FILE}"


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": item[method]
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS & set(item)
    }


@pytest.mark.parametrize("name", operations())
def test_an_operation_is_complete(name: str) -> None:
    operation = operations()[name]
    assert operation["summary"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert {"200", "500", "503"} <= set(operation["responses"])
    _, _, path = name.partition(" ")
    named = set(re.findall(r"{(\w+)}", path))
    parameters = [*operation.get("parameters", ()), *DOCUMENT["paths"][path].get("parameters", ())]
    resolved = [resolve(p) for p in parameters]
    assert {p["name"] for p in resolved if p["in"] == "path"} == named


def resolve(part: Any) -> Any:
    """The part of the document that a reference names."""
    while "$ref" in part:
        found: Any = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        part = found
    return part


def statuses_in_code() -> set[str]:
    """Every status of 400 and above that the code of the web and of the hooks answers with."""
    found: set[str] = set()
    for folder in ("web", "hooks", "sandbox", "feedback"):
        for file in (ROOT / "cds_service" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and type(node.value) is int:
                    found |= {str(node.value)} if node.value in STATUSES else set()
    return found


# What a status may be; larger numbers of the code are limits and times.
STATUSES = {400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 422, 429, 503}


def test_every_status_of_the_code_is_described() -> None:
    described = {s for operation in operations().values() for s in operation["responses"]}
    answered = statuses_in_code()
    assert {"400", "401", "404", "412", "503"} <= answered
    assert answered - described - EVERYWHERE == set(), f"Describe the status in {FILE}"
    assert "405" in DOCUMENT["info"]["description"]
    assert "MethodNotAllowed" in DOCUMENT["components"]["responses"]


def test_refusals_of_the_document_are_those_that_integrators_are_told() -> None:
    told = text_of("docs/integrating.md").partition("## Errors")[2].partition("\n## ")[0]
    described = {
        status
        for name, operation in operations().items()
        if "/sandbox" not in name
        for status in operation["responses"]
        if not status.startswith("2")
    }
    assert [status for status in sorted(described) if f"`{status}`" not in told] == []


def test_its_version_is_that_of_the_project() -> None:
    assert DOCUMENT["info"]["version"] == VERSION


def test_the_service_serves_it(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert answer.get_data(as_text=True) == text_of(FILE)
