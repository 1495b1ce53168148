"""Every view, error handler and step around the views can be imported, called and read alone."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest
from flask import Flask
from werkzeug.test import create_environ

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.parts import Parts, parts_of
from cds_service.web.serving.front import Front

from ...support import charts
from ...support.fhir import PATIENT_VIEW

ROOT = Path(__file__).resolve().parent.parent.parent.parent
WEB = ROOT / "cds_service" / "web"
FRAMEWORK = "flask."


def of_the_framework(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith(FRAMEWORK)


def registered(app: Flask) -> Iterator[Callable[..., Any]]:
    """Whatever Flask may call for a request."""
    yield from app.view_functions.values()
    for functions in (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
    ):
        for several in functions.values():
            yield from several
    for by_code in app.error_handler_spec.values():
        for handlers in by_code.values():
            yield from handlers.values()


def test_what_answers_a_request_can_be_imported(app: Flask) -> None:
    ours = [function for function in registered(app) if not of_the_framework(function)]
    assert len(ours) > 25
    for function in ours:
        assert getattr(import_module(function.__module__), function.__name__) is function


def test_only_files_are_served_by_the_framework(app: Flask) -> None:
    names = {name for name, view in app.view_functions.items() if of_the_framework(view)}
    assert names == {"statics.static"}


@pytest.mark.parametrize("file", sorted(WEB.rglob("*.py")), ids=lambda f: str(f.relative_to(WEB)))
def test_no_function_registers_functions_of_its_own(file: Path) -> None:
    """A view inside another function cannot be imported, and hides what it works with."""
    for outer in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(outer, ast.FunctionDef):
            inner = [
                n for n in ast.walk(outer) if isinstance(n, ast.FunctionDef) and n is not outer
            ]
            assert [n.name for n in inner if n.decorator_list] == []


def test_a_view_can_be_called_alone(app: Flask) -> None:
    from cds_service.web.calls.hook_calls import discover

    with app.test_request_context():
        assert discover().get_json() == app.test_client().get("/cds-services").get_json()


def test_two_applications_have_parts_of_their_own(app: Flask) -> None:
    other = create_app(Settings(public_url="https://cds.example"))
    assert parts_of(other) is not parts_of(app)
    assert parts_of(other).settings.public_url == "https://cds.example"


def test_what_is_made_of_the_parts_is_made_once(app: Flask) -> None:
    made: list[Parts] = []

    def make(parts: Parts) -> int:
        made.append(parts)
        return len(made)

    parts = parts_of(app)
    assert [parts.once(make), parts.once(make)] == [1, 1]
    assert made == [parts]


# ------------------------------------------------------------ the path of one call


def files_to_follow() -> list[str]:
    """The files that the page for developers names, in its order."""
    section = (ROOT / "docs" / "developers.md").read_text(encoding="utf-8")
    section = section.partition("### Follow one call")[2].partition("\nThese rules")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def files_run(run: Callable[[], object]) -> list[str]:
    """Our files in the order in which a function of theirs is called first."""
    found: dict[str, None] = {}

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{ROOT}/"):
            found.setdefault(frame.f_code.co_filename.removeprefix(f"{ROOT}/"))

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(before)
    return [file for file in found if file.startswith(("cds_service/", "cards/"))]


def test_the_page_for_developers_follows_a_call(app: Flask, today: date) -> None:
    parts = parts_of(app)
    front = Front(app, parts.settings, parts.guard)
    body = msgspec.json.encode(charts.patient_view(today))
    environ = create_environ(
        f"/cds-services/{PATIENT_VIEW}",
        method="POST",
        content_type="application/json",
        content_length=len(body),
        environ_overrides={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert front._call(dict(environ), body).status == 200  # what is made once is made here
    run = files_run(lambda: front._call(dict(environ), body))
    *walked, record = files_to_follow()
    assert 10 <= len(walked) < 12
    assert [file for file in run if file in walked] == walked
    assert record in run
