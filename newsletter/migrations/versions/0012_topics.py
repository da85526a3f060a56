"""Topics that readers may choose, and the renditions that come of it."""

import sqlalchemy as sa
from alembic import op

from digests.facts import slug_of  # what tells one topic from another is the same for ever

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOST = 62
# SQLite keeps whole numbers of any size in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    topic = op.create_table(
        "topic",
        sa.Column("bit", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("bit"),
        sa.UniqueConstraint("slug"),
    )
    names: dict[str, str] = {}
    found = op.get_bind().execute(
        sa.text(
            "SELECT category FROM tool WHERE category IS NOT NULL"
            " GROUP BY category ORDER BY count(*) DESC, category"
        )
    )
    for (name,) in found:
        names.setdefault(slug_of(name), name)
    rows = [
        {"bit": bit, "slug": slug, "name": name}
        for bit, (slug, name) in enumerate(list(names.items())[:MOST])
    ]
    if rows:
        op.bulk_insert(topic, rows)
    op.add_column("subscriber", sa.Column("topics", BIG, server_default="-1", nullable=False))
    op.add_column("digest", sa.Column("renditions", sa.JSON(none_as_null=True), nullable=True))
    op.execute("DELETE FROM reader_shape")  # measured anew by the next tick, by choice


def downgrade() -> None:
    op.drop_column("digest", "renditions")
    op.drop_column("subscriber", "topics")
    op.drop_table("topic")
