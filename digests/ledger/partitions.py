"""On PostgreSQL each edition's ledger and events are tables of their own, attached to the whole.

So the fifty-second digest to a million readers costs what the first did, and
an old one is dropped in one statement. Elsewhere these functions do nothing.
"""

from typing import Final

from sqlalchemy import text
from sqlmodel import Session

PARTITIONED: Final = ("delivery", "engagement")


def open_partition(session: Session, table: str, digest_id: int) -> str:
    """Make the edition's own *table*, still without indexes and apart; returns the name to fill.

    Filling it before it has indexes, and attaching it afterwards, is what makes
    planning a million copies a matter of seconds.
    """
    if session.get_bind().dialect.name != "postgresql":
        return table
    name = f"{table}_{int(digest_id)}"
    session.execute(
        text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    )
    session.execute(text(f"ALTER TABLE {name} ADD CHECK (digest_id = {int(digest_id)})"))
    return name


def attach_partition(session: Session, table: str, digest_id: int) -> None:
    """Index the edition's own *table*, attach it and let the planner know what is in it.

    The CHECK that ``open_partition`` made spares PostgreSQL the scan; without
    ANALYZE the first claims would be planned for an empty table.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    name = f"{table}_{int(digest_id)}"
    keys = {"delivery": "digest_id, subscriber_id", "engagement": "digest_id, event_key"}[table]
    session.execute(text(f"ALTER TABLE {name} ADD PRIMARY KEY ({keys})"))
    session.execute(
        text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES IN ({int(digest_id)})")
    )
    session.execute(text(f"ANALYZE {name}"))


def drop_partition(session: Session, table: str, digest_id: int) -> None:
    """Forget an edition's ledger or events, in one statement where the database can."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"DROP TABLE IF EXISTS {table}_{int(digest_id)}"))
    else:
        # S608: the names are ours, from PARTITIONED.
        session.execute(
            text(f"DELETE FROM {table} WHERE digest_id = :digest"),  # noqa: S608
            {"digest": digest_id},
        )
