"""How often readers want an edition, until when they pause, and which editions passed them over."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# SQLite keeps whole numbers of any size in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Constant defaults: no row is rewritten, however many there are.
    op.add_column(
        "subscriber",
        sa.Column("pace", sa.String(length=16), server_default="weekly", nullable=False),
    )
    op.add_column("subscriber", sa.Column("paused_until", sa.Date(), nullable=True))
    op.add_column("subscriber", sa.Column("owed", BIG, server_default="0", nullable=False))
    op.add_column("digest", sa.Column("owed_bit", sa.Integer(), nullable=True))
    op.add_column("digest", sa.Column("catches_up", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("digest", sa.Column("crossed_off_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("crossed_off_at", "catches_up", "owed_bit"):
        op.drop_column("digest", column)
    for column in ("owed", "paused_until", "pace"):
        op.drop_column("subscriber", column)
