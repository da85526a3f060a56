"""Who came and who went since a moment is counted from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    came, went = sa.text("status = 'active'"), sa.text("left_at IS NOT NULL")
    op.create_index(
        "ix_subscriber_came",
        "subscriber",
        ["confirmed_at"],
        postgresql_where=came,
        sqlite_where=came,
    )
    op.create_index(
        "ix_subscriber_went", "subscriber", ["left_at"], postgresql_where=went, sqlite_where=went
    )


def downgrade() -> None:
    op.drop_index("ix_subscriber_went", table_name="subscriber")
    op.drop_index("ix_subscriber_came", table_name="subscriber")
