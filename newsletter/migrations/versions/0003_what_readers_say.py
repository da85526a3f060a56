"""What readers say, and what finds a comparison: votes, standings, bookmarks, listings, a tool's moves."""

from datetime import datetime
from typing import Any
from unicodedata import normalize

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VERDICT = sa.Enum("ship", "skip", "mixed", name="verdict", native_enum=False, length=16)
AT_ONCE = 500


def upgrade() -> None:
    op.create_table(
        "bookmark",
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("tool_id", BIG, nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tool_id"],
            ["tool.id"],
        ),
        sa.PrimaryKeyConstraint("subscriber_id", "tool_id"),
    )
    op.create_index("ix_bookmark_tool_id", "bookmark", ["tool_id"], unique=False)
    op.create_table(
        "standing",
        sa.Column("tool_id", BIG, nullable=False),
        sa.Column("ships", sa.Integer(), nullable=False),
        sa.Column("skips", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("shown_percent", sa.Integer(), nullable=True),
        sa.Column("shown_votes", sa.Integer(), nullable=True),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tool_id"],
            ["tool.id"],
        ),
        sa.PrimaryKeyConstraint("tool_id"),
    )
    op.create_index("ix_standing_shown_at", "standing", ["shown_at"], unique=False)
    op.create_table(
        "tool_move",
        sa.Column("id", BIG, nullable=False),
        sa.Column("tool_id", BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", VERDICT, nullable=True),
        sa.Column("percent", sa.Float(), nullable=True),
        sa.Column("ships", sa.Integer(), nullable=True),
        sa.Column("skips", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tool_id"],
            ["tool.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tool_move", "tool_move", ["tool_id", "at", "id"], unique=False)
    op.create_table(
        "vote",
        sa.Column("id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("tool_id", BIG, nullable=False),
        sa.Column("verdict", VERDICT, nullable=True),
        sa.Column("published", VERDICT, nullable=True),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("cast_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=True),
        sa.Column("network", sa.LargeBinary(length=16), nullable=True),
        sa.Column(
            "held",
            sa.Enum("burst", "network", "machine", name="doubt", native_enum=False, length=16),
            nullable=True,
        ),
        sa.Column(
            "ruling",
            sa.Enum("counts", "stays_out", name="ruling", native_enum=False, length=16),
            nullable=True,
        ),
        sa.Column("ruled_by", sa.String(length=200), nullable=True),
        sa.Column("ruled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tool_id"],
            ["tool.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subscriber_id", "tool_id"),
    )
    op.create_index(
        "ix_vote_held",
        "vote",
        ["held", "tool_id"],
        unique=False,
        postgresql_where=sa.text("held IS NOT NULL"),
        sqlite_where=sa.text("held IS NOT NULL"),
    )
    op.create_index(
        "ix_vote_network",
        "vote",
        ["tool_id", "network"],
        unique=False,
        postgresql_where=sa.text("network IS NOT NULL"),
        sqlite_where=sa.text("network IS NOT NULL"),
    )
    op.create_index("ix_vote_recent", "vote", ["tool_id", "cast_at"], unique=False)
    op.create_index(
        "ix_vote_stale",
        "vote",
        ["tool_id"],
        unique=False,
        postgresql_where=sa.text("stale"),
        sqlite_where=sa.text("stale = 1"),
    )
    op.create_table(
        "listing",
        sa.Column("comparison_id", BIG, nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=700), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("left_tool_id", BIG, nullable=False),
        sa.Column("right_tool_id", BIG, nullable=False),
        sa.Column("category", sa.String(length=300), nullable=True),
        sa.Column("other_category", sa.String(length=300), nullable=True),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("sides", sa.JSON(), nullable=False),
        sa.Column("left_panel", sa.Float(), nullable=True),
        sa.Column("right_panel", sa.Float(), nullable=True),
        sa.Column("left_shown", sa.Integer(), nullable=True),
        sa.Column("right_shown", sa.Integer(), nullable=True),
        sa.Column("divided", sa.Integer(), nullable=False),
        sa.Column("gap", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparison.id"],
        ),
        sa.PrimaryKeyConstraint("comparison_id"),
    )
    op.create_index(
        "ix_listing_category", "listing", ["category", "listed_at", "comparison_id"], unique=False
    )
    op.create_index("ix_listing_divided", "listing", ["divided", "comparison_id"], unique=False)
    op.create_index("ix_listing_gap", "listing", ["gap", "comparison_id"], unique=False)
    op.create_index(
        "ix_listing_left", "listing", ["left_tool_id", "listed_at", "comparison_id"], unique=False
    )
    op.create_index("ix_listing_newest", "listing", ["listed_at", "comparison_id"], unique=False)
    op.create_index(
        "ix_listing_other_category",
        "listing",
        ["other_category", "listed_at", "comparison_id"],
        unique=False,
    )
    op.create_index(
        "ix_listing_right", "listing", ["right_tool_id", "listed_at", "comparison_id"], unique=False
    )
    op.create_table(
        "community_week",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest_id"],
            ["digest.id"],
        ),
        sa.PrimaryKeyConstraint("digest_id"),
    )
    _list_what_is_there()
    _note_where_panels_stand()


def _list_what_is_there() -> None:
    """A row for each comparison, from its latest revision, a few hundred at a time."""
    connection = op.get_bind()
    facts = sa.column("facts", sa.JSON)
    comparison = sa.table(
        "comparison",
        *map(sa.column, ("id", "slug", "revision", "left_tool_id", "right_tool_id")),
    )
    kept = sa.table(
        "revision",
        facts,
        sa.column("taken_in_at", sa.DateTime(timezone=True)),
        sa.column("material", sa.Boolean),
        *map(sa.column, ("comparison_id", "number")),
    )
    left, right = (sa.table("tool", *map(sa.column, ("id", "slug"))).alias(n) for n in "lr")
    listing = sa.Table("listing", sa.MetaData(), autoload_with=connection)
    news = kept.alias()
    listed_at = (
        sa.select(sa.func.max(news.c.taken_in_at))
        .where(news.c.comparison_id == comparison.c.id, news.c.material)
        .scalar_subquery()
    )
    last = 0
    while True:
        rows = (
            connection.execute(
                sa.select(
                    *comparison.c,
                    facts,
                    listed_at.label("listed_at"),
                    left.c.slug.label("left_slug"),
                    right.c.slug.label("right_slug"),
                )
                .join_from(
                    comparison,
                    kept,
                    (kept.c.comparison_id == comparison.c.id)
                    & (kept.c.number == comparison.c.revision),
                )
                .join(left, left.c.id == comparison.c.left_tool_id)
                .join(right, right.c.id == comparison.c.right_tool_id)
                .where(comparison.c.id > last)
                .order_by(comparison.c.id)
                .limit(AT_ONCE)
            )
            .mappings()
            .all()
        )
        if not rows:
            return
        connection.execute(sa.insert(listing), [_listed(row) for row in rows])
        last = rows[-1]["id"]


def _listed(row: sa.RowMapping) -> dict[str, object]:
    """As the code wrote it when this migration was made; the next revision writes it anew."""
    facts, tools = row["facts"], row["facts"]["tools"]
    named = list(dict.fromkeys(tool["category"] for tool in tools if tool.get("category")))
    words = [facts["title"], *(tool[key] or "" for tool in tools for key in ("name", "category"))]
    percents = [_percent(tool) for tool in tools]
    published = facts.get("published_at")
    return {
        "comparison_id": row["id"],
        "slug": row["slug"],
        "title": facts["title"],
        "summary": facts.get("summary"),
        "left_tool_id": row["left_tool_id"],
        "right_tool_id": row["right_tool_id"],
        "category": named[0] if named else None,
        "other_category": named[1] if named[1:] else None,
        "searched": " ".join(normalize("NFKC", " ".join(dict.fromkeys(words))).casefold().split()),
        "sides": [
            _side(tool, slug, percent)
            for tool, slug, percent in zip(
                tools, (row["left_slug"], row["right_slug"]), percents, strict=True
            )
        ],
        "left_panel": percents[0],
        "right_panel": percents[1],
        "divided": sum(_minority(tool) for tool in tools),
        "revision": row["revision"],
        "published_at": datetime.fromisoformat(published) if published else None,
        "listed_at": row["listed_at"],
    }


def _seats(tool: dict[str, Any]) -> list[str]:
    said = [review.get("verdict") for review in tool["reviews"]]
    return [] if None in said else [str(verdict) for verdict in said]


def _split(tool: dict[str, Any]) -> tuple[int, int]:
    panel, seats = tool["panel"], _seats(tool)
    if panel["ships"] is not None and panel["skips"] is not None:
        return panel["ships"], panel["skips"]
    return seats.count("ship"), seats.count("skip")


def _percent(tool: dict[str, Any]) -> float | None:
    ships, skips = _split(tool)
    if tool["panel"]["ship_percent"] is not None:
        return float(tool["panel"]["ship_percent"])
    return 100 * ships / (ships + skips) if ships + skips else None


def _minority(tool: dict[str, Any]) -> int:
    ships, skips = _split(tool)
    return round(2000 * min(ships, skips) / (ships + skips)) if ships and skips else 0


def _side(tool: dict[str, Any], slug: str, percent: float | None) -> dict[str, object]:
    return {
        "slug": slug,
        "name": tool["name"],
        "verdict": tool["panel"]["verdict"] or _word(tool),
        "percent": percent,
        "pips": _seats(tool)[:12],
        "entry": tool.get("entry"),
    }


def _word(tool: dict[str, Any]) -> str | None:
    """What the figures leave no doubt about."""
    ships, skips = _split(tool)
    if ships + skips:
        return "mixed" if ships == skips else "ship" if ships > skips else "skip"
    return {0: "skip", 100: "ship"}.get(tool["panel"]["ship_percent"])


def _note_where_panels_stand() -> None:
    op.execute(
        "INSERT INTO tool_move (tool_id, at, verdict, percent, ships, skips)"
        " SELECT id, changed_at, panel_verdict, ship_percent, ships, skips FROM tool"
        " WHERE panel_verdict IS NOT NULL OR ship_percent IS NOT NULL OR ships IS NOT NULL"
    )


def downgrade() -> None:
    for table in ("community_week", "bookmark", "vote", "standing", "tool_move", "listing"):
        op.drop_table(table)
