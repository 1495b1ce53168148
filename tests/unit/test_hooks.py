"""The registry of hooks: what is made from it, and that the tables of the knowledge agree with it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from cds_service.hooks.registry import HOOKS, mismatches, require_rows
from cds_service.hooks.services import services_of
from cds_service.knowledge.loader import KnowledgeError
from cds_service.knowledge.model import SuggestRow
from tests.support.decisions import knowledge

PRODUCT = [Path(root) for root in ("cds_service", "cards")]
MOST_FILES = 4
ROWS = knowledge().policy.suggest


def said(*rows: SuggestRow) -> list[str]:
    policy = msgspec.structs.replace(knowledge().policy, suggest=rows)
    return list(mismatches(msgspec.structs.replace(knowledge(), policy=policy)))


def test_the_knowledge_has_a_row_for_each_trigger_of_each_hook() -> None:
    assert said(*ROWS) == []
    assert said(*ROWS[1:]) == [f"suggest: no row for {ROWS[0].hook}/{ROWS[0].trigger}"]
    for row in (
        msgspec.structs.replace(ROWS[0], trigger="weather"),
        msgspec.structs.replace(ROWS[0], hook="order-sign"),
        msgspec.structs.replace(ROWS[0], hook="appointment-book"),
    ):
        assert said(*ROWS, row) == [f"suggest: nothing reads the row {row.hook}/{row.trigger}"]
    assert said(*ROWS, ROWS[0]) == [f"suggest: 2 rows for {ROWS[0].hook}/{ROWS[0].trigger}"]


def test_a_table_that_does_not_agree_stops_the_start() -> None:
    policy = msgspec.structs.replace(knowledge().policy, suggest=ROWS[1:])
    lacking = msgspec.structs.replace(knowledge(), policy=policy)
    for start in (require_rows, services_of):
        with pytest.raises(KnowledgeError, match=r"policy\.json: suggest: no row for"):
            start(lacking)


def test_each_hook_has_a_schema_of_its_context_and_no_schema_is_left_over() -> None:
    schemas = (files("cds_service.hooks") / "schemas").iterdir()
    names = {path.name.removesuffix(".schema.json") for path in schemas}
    assert names - {"envelope", "draft-orders"} == set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_few_files_of_the_product_name_a_hook(hook: str) -> None:
    """Its module, its schema, its rows of the table `suggest`, and the moments of the rehearsal.

    The registry imports its module. Synthetic patients are data. The OpenAPI document describes every
    address, and a test compares it with them.
    """
    naming = [
        str(path)
        for root in PRODUCT
        for path in sorted(root.rglob("*"))
        if path.suffix in {".py", ".js", ".html", ".json"}
        and path.name != "openapi.json"
        and "sandbox/patients/" not in path.as_posix()
        and hook in path.read_text()
    ]
    assert len(naming) <= MOST_FILES, naming
