"""Signs of life of each beat and worker."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pulse",
        sa.Column(
            "part",
            sa.Enum("beat", "worker", name="part", native_enum=False, length=16),
            primary_key=True,
        ),
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("lag", sa.Float(), nullable=True),
        sa.Column("doing", sa.String(120), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pulse")
