"""Readers who are owed an edition are found without looking at all of the list."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    owed = sa.text("owed <> 0")
    op.create_index(
        "ix_subscriber_owed", "subscriber", ["id"], postgresql_where=owed, sqlite_where=owed
    )


def downgrade() -> None:
    op.drop_index("ix_subscriber_owed", table_name="subscriber")
