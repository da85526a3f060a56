"""Names under an edition, whom it was approved for, what its deadline did, and the seed list."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("audience_rule", sa.String(length=64), nullable=True),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline_met_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("digest", column)
    op.create_table(
        "digest_signature",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum("approved", "refused", name="verdict", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("audience_rule", sa.String(length=64), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.PrimaryKeyConstraint("digest_id", "by"),
    )
    op.create_table(
        "seed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("added_by", sa.String(length=120), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address"),
    )


def downgrade() -> None:
    op.drop_table("seed")
    op.drop_table("digest_signature")
    for column in ("deadline_met_at", "announced_at", "audience_rule"):
        op.drop_column("digest", column)
