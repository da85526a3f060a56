"""Alembic's door: migrates the connection it is given, under a lock timeout."""

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

# These tables belong to the schema too.
import newsletter.delivery.circuit
import newsletter.doctor.examining
import newsletter.feedback.recording
import newsletter.feedback.suppressing
import newsletter.readers.uploaded  # noqa: F401 - as said
import subscribers.bulk  # noqa: F401 - as said
from newsletter.database import engine


def run(connection: Connection) -> None:
    """Run the migrations on *connection*; on PostgreSQL give up rather than queue behind readers."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=False,
    )
    context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:  # `alembic revision` and `alembic heads`, which bring no connection
    with engine().connect() as own:
        run(own)
        own.commit()
