"""What editors decide about an edition: pins, notes, voices, what is left out; every version of it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("digest", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("digest", sa.Column("approval_word", sa.String(length=500), nullable=True))
    op.add_column(
        "digest_item",
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("digest_item", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("digest_item", sa.Column("quotes", sa.JSON(), nullable=True))
    op.create_table(
        "left_out",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"]),
        sa.PrimaryKeyConstraint("digest_id", "revision_id"),
    )
    op.create_index("ix_left_out_revision_id", "left_out", ["revision_id"])
    op.create_table(
        "digest_version",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=500), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.PrimaryKeyConstraint("digest_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("digest_version")
    op.drop_index("ix_left_out_revision_id", table_name="left_out")
    op.drop_table("left_out")
    op.drop_column("digest_item", "quotes")
    op.drop_column("digest_item", "note")
    op.drop_column("digest_item", "pinned")
    op.drop_column("digest", "approval_word")
    op.drop_column("digest", "version")
