"""Schedules that operators keep: cron lines, pauses, deadlines, moved turns, holidays."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _words(name: str, *members: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, length=16)


def upgrade() -> None:
    for column in (
        sa.Column("cron", sa.String(length=120), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approvals", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deadline_before", sa.Integer(), server_default="60", nullable=False),
        sa.Column(
            "at_deadline",
            _words("atdeadline", "hold", "send", "skip"),
            server_default="hold",
            nullable=False,
        ),
        sa.Column(
            "when_missed",
            _words("otherwise", "fold", "skip", "late"),
            server_default="fold",
            nullable=False,
        ),
        sa.Column(
            "when_empty",
            _words("otherwise", "fold", "skip", "late"),
            server_default="fold",
            nullable=False,
        ),
    ):
        op.add_column("schedule", column)
    for column in (
        sa.Column("appointed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sends_on", sa.Date(), nullable=True),
        sa.Column("dropped", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_by", sa.String(length=200), nullable=True),
    ):
        op.add_column("occurrence", column)
    op.create_table(
        "holiday",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("on_date", "name"),
    )
    op.create_index("ix_holiday_on_date", "holiday", ["on_date"], unique=False)


def downgrade() -> None:
    op.drop_table("holiday")
    for column in ("changed_by", "dropped", "sends_on", "appointed_at"):
        op.drop_column("occurrence", column)
    for column in (
        "when_empty",
        "when_missed",
        "at_deadline",
        "deadline_before",
        "approvals",
        "paused_until",
        "ends_on",
        "starts_on",
        "cron",
    ):
        op.drop_column("schedule", column)
