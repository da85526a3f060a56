"""What operators do for many people at once, and for whom, until it can no longer be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bulk_action",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deed", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("undone", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_bulk_action_status", "bulk_action", ["status"])
    op.create_table(
        "bulk_change",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("is_done", sa.Boolean(), nullable=False),
        sa.Column("was", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("action_id", "subscriber_id"),
    )
    op.create_index("ix_bulk_change_subscriber_id", "bulk_change", ["subscriber_id"])


def downgrade() -> None:
    op.drop_table("bulk_change")
    op.drop_table("bulk_action")
