"""A migration only adds: the version before it still serves while it runs, and for a while after."""

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event

from newsletter.database import open_engine
from tests.support.processes import ROOT

#: What takes something away and harms nobody all the same: the migration, the statement, the reason.
HARMLESS: Final = {
    (
        "0012",
        "DELETE FROM reader_shape",
    ): "figures of preflight, which the next tick measures anew; "
    "the version before it finds none, as on its first day, and measures as well",
}

_TABLE: Final = r'(?:ONLY\s+)?"?(\w+)"?'
_NEW_TABLE: Final = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_TABLE}", re.IGNORECASE)
_ALTERED: Final = re.compile(
    rf"ALTER TABLE (?:IF EXISTS )?{_TABLE}\s+(.*)", re.IGNORECASE | re.DOTALL
)
_UNIQUE: Final = re.compile(r'CREATE UNIQUE INDEX .*? ON "?(\w+)"?', re.IGNORECASE | re.DOTALL)
_TAKES_AWAY: Final = (
    (re.compile(r"\bDROP\b", re.IGNORECASE), "drops what the version before it may use"),
    (
        re.compile(r"\bRENAME\b", re.IGNORECASE),
        "renames what the version before it calls by its name",
    ),
    (re.compile(r"^\s*(?:DELETE|TRUNCATE)\b", re.IGNORECASE), "deletes rows"),
)
_STATEMENT: Final = re.compile(
    r"^\s*(?:DROP|ALTER|DELETE|TRUNCATE)\s|\bRENAME (?:TO|COLUMN)\b", re.IGNORECASE
)
#: Of Alembic's operations, those that do more than add, or may.
_OPERATIONS: Final = {
    *("drop_table", "drop_column", "drop_index", "drop_constraint", "rename_table"),
    *("alter_column", "batch_alter_table", "create_unique_constraint", "create_check_constraint"),
    *("create_foreign_key", "create_primary_key", "create_exclude_constraint"),
}


def breaks(statement: str, new: set[str]) -> str | None:
    """Why the version before a migration could not serve beside *statement*; None when it could.

    *new*: the tables that the migration makes itself, which that version does not know.
    """
    for pattern, why in _TAKES_AWAY:
        if pattern.search(statement):
            return why
    if (index := _UNIQUE.search(statement)) and index[1] not in new:
        return "makes unique what the version before it may write twice"
    if (altered := _ALTERED.search(statement)) and altered[1] not in new:
        how = altered[2].upper()
        if not how.startswith("ADD"):
            return "changes a column that the version before it reads and writes"
        if re.match(r"ADD\s+(CONSTRAINT|UNIQUE|CHECK|FOREIGN|PRIMARY|EXCLUDE)\b", how):
            return "asks of rows what the version before it does not know of"
        if "NOT NULL" in how and "DEFAULT" not in how:
            return "adds a column that the version before it leaves empty"
    return None


def test_every_statement_of_every_migration_only_adds(empty: str) -> None:
    found: dict[tuple[str, str], str] = {}
    for revision, statements in _said_by_each(empty):
        new = {made[1] for one in statements if (made := _NEW_TABLE.match(one.lstrip()))}
        found |= {
            (revision, one): why for one in statements if (why := breaks(one, new)) is not None
        }

    assert found.keys() == HARMLESS.keys()


def test_no_migration_has_a_way_that_takes_something_away() -> None:
    """What it would do only to a store with something in it: read, since an empty one does not show it."""
    found = {
        (path.name[:4], said)
        for path in sorted((ROOT / "newsletter" / "migrations" / "versions").glob("*.py"))
        for said in _taking_away(path.read_text())
    }

    assert found == HARMLESS.keys()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE digest",
        "ALTER TABLE digest DROP COLUMN subject",
        "ALTER TABLE digest RENAME COLUMN subject TO title",
        "ALTER TABLE digest RENAME TO edition",
        "ALTER TABLE digest ADD COLUMN zone VARCHAR(64) NOT NULL",
        "ALTER TABLE digest ALTER COLUMN subject SET NOT NULL",
        "ALTER TABLE digest ALTER COLUMN number TYPE BIGINT",
        "ALTER TABLE ONLY digest ADD CONSTRAINT one UNIQUE (number)",
        "CREATE UNIQUE INDEX one ON digest (number)",
        "DROP INDEX ix_digest_status",
        "\n DELETE FROM consent",
        "TRUNCATE engagement",
    ],
)
def test_what_the_version_before_could_not_live_with_is_found(statement: str) -> None:
    assert breaks(statement, new={"edition"})


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE edition (id INTEGER NOT NULL, UNIQUE (id))",
        "CREATE UNIQUE INDEX one ON edition (number)",
        "CREATE INDEX some ON digest (number)",
        "ALTER TABLE edition ADD CONSTRAINT one UNIQUE (number)",
        "ALTER TABLE digest ADD COLUMN zone VARCHAR(64)",
        "ALTER TABLE digest ADD COLUMN zone VARCHAR(64) DEFAULT 'UTC' NOT NULL",
        "INSERT INTO edition SELECT id FROM digest",
    ],
)
def test_what_adds_is_let_through(statement: str) -> None:
    assert breaks(statement, new={"edition"}) is None


def test_a_way_that_is_taken_only_by_a_full_store_is_found_in_its_words() -> None:
    source = """
def upgrade():
    if op.get_bind().scalar(sa.text("SELECT 1 FROM digest")):
        op.drop_column("digest", "subject")
        with op.batch_alter_table("digest") as batch:
            batch.alter_column("zone", nullable=False)
        op.execute("ALTER TABLE digest RENAME TO edition")

def downgrade():
    op.drop_table("edition")
"""
    assert list(_taking_away(source)) == [
        "drop_column",
        "batch_alter_table",
        "alter_column",
        "ALTER TABLE digest RENAME TO edition",
    ]


def _said_by_each(url: str) -> Iterator[tuple[str, list[str]]]:
    """What each migration says to an empty store, the first one first."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "newsletter" / "migrations"))
    said: list[str] = []
    store = open_engine(url)

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "alembic_version" not in statement:
            said.append(statement)

    event.listen(store, "before_cursor_execute", hear)
    revisions = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    with store.execution_options(sqlite_begin="EXCLUSIVE").connect() as connection:
        config.attributes["connection"] = connection
        for revision in reversed(revisions):
            said.clear()
            command.upgrade(config, revision)
            yield revision, list(said)
    store.dispose()


def _taking_away(source: str) -> Iterator[str]:
    """The operations and the statements that do more than add, wherever but in ``downgrade``."""
    for part in ast.parse(source).body:
        if isinstance(part, ast.FunctionDef) and part.name == "downgrade":
            continue
        for node in _in_order(part):
            match node:
                case ast.Attribute(attr=name) if name in _OPERATIONS:
                    yield name
                case ast.Constant(value=str(words)) if _STATEMENT.search(words):
                    yield words
                case _:
                    pass


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)
