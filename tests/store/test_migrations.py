"""The migrations and the tables in the code say the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from cds_service.store.database import Database
from cds_service.store.migrating import SCRIPTS
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
