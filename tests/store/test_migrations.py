"""The migrations and the tables in the code say the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, func, insert, inspect, select, text

from cds_service.store.database import Database, _engine_for, new_engine
from cds_service.store.migrating import SCRIPTS, migrate, revision_of
from cds_service.store.steps import STEPS
from cds_service.store.tables import metadata


def config() -> Config:
    found = Config()
    found.set_main_option("script_location", str(SCRIPTS))
    return found


def test_the_steps_are_those_of_the_scripts() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert tuple(s.revision for s in reversed(list(scripts.walk_revisions()))) == STEPS


def test_the_scripts_make_the_tables_of_the_code(url: str) -> None:
    database = Database(url)
    with database.read_transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_the_scripts_can_be_taken_back(url: str) -> None:
    database = Database(url)
    with database.write_transaction() as connection:
        backwards = config()
        backwards.attributes["connection"] = connection
        command.downgrade(backwards, "base")
    with database.read_transaction() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    database.close()


def _row(table: Table, key: int) -> dict[str, Any]:
    """A value for each column, as the version of this table writes them all."""
    values: dict[type, Any] = {str: str(key), int: key, bool: True, date: date(2026, 11, 23)}
    return {c.name: values.get(c.type.python_type, float(key)) for c in table.columns}


@pytest.mark.parametrize("before", STEPS[:-1])
def test_the_version_before_can_go_on_with_the_migrated_tables(url: str, before: str) -> None:
    """A rollback of the program leaves the database as it is: a step only adds, so the statements
    of the version before work, and no row is lost in either direction.
    """
    engine = _engine_for(url)
    ours = config()
    with engine.begin() as connection:
        ours.attributes["connection"] = connection
        command.upgrade(ours, before)
    old = MetaData()
    old.reflect(engine)
    tables = [t for t in old.sorted_tables if t.name != "alembic_version"]
    with engine.begin() as connection:
        for table in tables:
            connection.execute(insert(table), _row(table, 1))
    migrate(engine)
    with engine.begin() as connection:
        assert revision_of(connection) == STEPS[-1]
        for table in tables:
            connection.execute(insert(table), _row(table, 2))
            assert connection.scalar(select(func.count()).select_from(table)) == 2
            row = connection.execute(select(*table.columns).limit(1)).mappings().one()
            assert dict(row) in (_row(table, 1), _row(table, 2))
    engine.dispose()


def test_a_database_of_a_newer_version_is_used_as_it_is(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = new_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    migrate(engine)
    assert "the database is of a newer version; it is used as it is" in caplog.text
    with engine.connect() as connection:
        assert revision_of(connection) == "9999"
    engine.dispose()


def test_several_databases_may_be_brought_up_to_date_at_once(tmp_path: Path) -> None:
    databases = [Database(f"sqlite:///{tmp_path / str(n)}.sqlite3") for n in range(8)]
    together = Barrier(len(databases))

    def opened(database: Database) -> list[str]:
        together.wait()
        with database.read_transaction() as connection:
            return inspect(connection).get_table_names()

    with ThreadPoolExecutor(len(databases)) as threads:
        tables = list(threads.map(opened, databases))
    assert all(found == tables[0] for found in tables)
    assert set(metadata.tables) <= set(tables[0])
    for database in databases:
        database.close()
