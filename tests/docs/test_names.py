"""What documents call by name is there: files, tests, targets, settings, commands, addresses, cards."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache

import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed, NotFound

from cds_service.cli.main import _parser
from cds_service.correlation import correlation_of
from cds_service.knowledge.loader import load
from cds_service.settings import VARIABLES
from cds_service.web.operate import metrics
from cds_service.web.operate.record import LOGGED, CallRecord, log_fields

from .reading import DOCUMENTS, ROOT, blocks_of, code_of, prose_of, rows_of, text_of

KNOWLEDGE = load()
each_document = pytest.mark.parametrize("name", DOCUMENTS)

FOLDERS = ("cards", "cds_service", "tests", "docs", "tools", "bench", "deploy", ".ci")
PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*<>-]*")
CARD = re.compile(r"(?:mg|rx)-[a-z][a-z-]+")
# In the place of a value in an example.
MADE_UP = {
    "docs/developers.md": ("encounter-start", "encounter_start"),
    "docs/operations.md": ("deploy/local",),  # made by the commands, and ignored by git
}


def is_made_up(name: str, word: str) -> bool:
    return any(part in word for part in MADE_UP.get(name, ()))


@each_document
def test_files_are_there(name: str) -> None:
    for word in code_of(name):
        for found in PATH.findall(word):
            path = found.rstrip("./")
            if "<" in path or is_made_up(name, path):
                continue
            base = path.partition("*")[0] if "*" in path else path
            assert any(ROOT.glob(path)) if "*" in path else (ROOT / base).exists(), path


@cache
def test_names() -> frozenset[str]:
    """All functions and files of tests, as they are named in documents."""
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("*.py"):
        found.add(file.name)
        tree = ast.parse(file.read_text("utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return frozenset(found)


test_names.__test__ = False  # type: ignore[attr-defined]


@each_document
def test_tests_are_there(name: str) -> None:
    for word in code_of(name):
        for test in re.findall(r"\btest_\w+(?:\.py)?(?![\w/*])", word):
            assert test in test_names(), test


@each_document
def test_targets_of_make_are_there(name: str) -> None:
    makefile = text_of("Makefile")
    for line in code_of(name):
        command = line.partition("#")[0]
        for words in re.findall(
            r"(?:^|[;&|] *)make ((?:[\w-]+(?:=\"[^\"]*\"|=\S+)?(?: |$))+)", command
        ):
            for word in shlex.split(words):
                target, _, value = word.partition("=")
                shape = rf"^{re.escape(target)} *\?=" if value else rf"^{re.escape(target)}:"
                assert re.search(shape, makefile, re.MULTILINE), line


@each_document
def test_settings_are_there(name: str) -> None:
    known = {name for variable in VARIABLES for name in (variable.name, variable.file)}
    for setting in re.findall(r"\bCDS_[A-Z_]+[A-Z]\b", text_of(name)):
        assert setting in known, setting


def test_every_setting_is_explained_where_it_matters() -> None:
    """Each stands in the table; those that guard or keep something in the text for its reader too."""
    table = text_of("docs/configuration.md")
    for variable in VARIABLES:
        assert f"`{variable.name}`" in table
    read_by = {
        "docs/security.md": {"CDS_CLIENTS_FILE", "CDS_OPEN", "CDS_PUBLIC_URL", "CDS_FHIR_SERVERS"},
        "docs/privacy.md": {"CDS_RETENTION_DAYS", "CDS_FEEDBACK_COMMENTS", "CDS_LOG_SALT"},
        "docs/operations.md": {
            *("CDS_OPERATOR_ADDRESS", "CDS_MAX_BODY_BYTES", "CDS_UPLOAD_SECONDS"),
            *("CDS_MAX_UPLOADS", "CDS_THREADS", "CDS_MAX_WAITING", "CDS_REQUEST_SECONDS"),
        },
        "docs/integrating-fetching.md": {
            *("CDS_FHIR_SERVERS", "CDS_FHIR_TOTAL_MS", "CDS_FHIR_REQUEST_MS"),
            *("CDS_FHIR_MAX_PAGES", "CDS_FHIR_MAX_BYTES"),
        },
        "docs/feedback.md": {"CDS_DATABASE_URL", "CDS_DATA_DIR", "CDS_RETENTION_DAYS"},
        "docs/tour.md": {"CDS_SANDBOX"},
    }
    for name, settings in read_by.items():
        assert [s for s in sorted(settings) if s not in text_of(name)] == [], name


@each_document
def test_commands_can_be_given(name: str) -> None:
    for line in code_of(name):
        for command in re.findall(r"python -m ([\w.]+(?: [^>|`#]*)?)", line):
            module, *arguments = shlex.split(command)
            if module == "cds_service":
                assert _exit_code(arguments) == 0, line
            elif module not in {"pytest", "coverage", "compileall"}:
                path = ROOT / module.replace(".", "/")
                assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), line


def _exit_code(arguments: list[str]) -> int | str | None:
    """That of parsing them: --version and --help end it with 0, a fault with 2."""
    try:
        _parser().parse_args(arguments)
    except SystemExit as ended:
        return ended.code
    return 0


NOT_OURS = ("/tmp", "/dev", "/proc", "/var", "/etc")  # noqa: S108


@each_document
def test_addresses_are_routes(app: Flask, name: str) -> None:
    """`/path` or `POST /path`, with {id} in the place of a name; or the beginning of one."""
    routes = app.url_map.bind("localhost")
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for word in code_of(name):
        found = re.fullmatch(r"(?:(GET|POST) )?(/(?!/)[a-z][\w./{}_-]*)", word)
        if found is None or found[2].startswith(NOT_OURS):
            continue
        path = re.sub(r"\{[^}]*\}", "x", found[2])
        if any(rule.startswith(path.rstrip("/") + "/") for rule in rules) and not found[1]:
            continue
        try:
            routes.match(path, found[1] or "GET")
        except MethodNotAllowed:
            assert found[1] is None, f"{word}: another method"
        except NotFound:
            pytest.fail(f"{word}: no such address")


@each_document
def test_cards_are_those_of_the_knowledge(name: str) -> None:
    for word in code_of(name):
        if CARD.fullmatch(word) and not is_made_up(name, word):
            assert word in KNOWLEDGE.cards, word


@each_document
def test_parameters_are_those_of_the_knowledge(name: str) -> None:
    groups = {row.id.partition(".")[0] for row in KNOWLEDGE.parameter_rows}
    known = {row.id for row in KNOWLEDGE.parameter_rows}
    shape = re.compile(rf"(?:{'|'.join(groups)})\.[a-z][\w.]*")
    for word in code_of(name):
        if shape.fullmatch(word) and not word.endswith((".json", ".py", ".md", ".uuid", ".yaml")):
            assert word in known, word


def test_the_figures_of_the_service_are_all_told() -> None:
    told = {word for row in rows_of("docs/operations.md") for word in row.code}
    made = {
        sample.name.removesuffix("_created")
        for metric in metrics._registry.collect()
        for sample in metric.samples
    } | {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in metrics._registry.collect()
    }
    figures = {word for word in told if word.startswith("cds_")}
    assert figures <= made
    counters = {m.name for m in metrics._registry.collect()}
    assert {figure.removesuffix("_total") for figure in figures} == counters


def test_the_fields_of_a_log_line_are_all_told() -> None:
    """Every member of a line stands in the list that a privacy officer reads."""
    section = prose_of("docs/privacy.md").partition("## A line of the log\n")[2]
    items = [line for line in section.partition("\n\n`")[0].splitlines() if line]
    assert all(line.startswith(("- ", "  ")) for line in items)
    listed = set(re.findall(r"`(\w+)`", "\n".join(items)))
    always = set(log_fields(CallRecord(ids=correlation_of({})), "2.0.0"))
    assert {"route", "status", "ms", "request", "trace", "span"} <= always
    assert (always | set(LOGGED)) - listed == set()


def test_blocks_of_json_are_json() -> None:
    import json

    for name in DOCUMENTS:
        for block in blocks_of(name, "json"):
            json.loads(block)
