"""The first tables: the store, the editions and their ledger, the people and what they did."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "circuit",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider"),
    )
    op.create_table(
        "delivery",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("batch", BIG, nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "accepted", "rejected", "excluded", name="outcome", native_enum=False, length=16
            ),
            nullable=True,
        ),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest_id", "subscriber_id"),
        postgresql_partition_by="LIST (digest_id)",
    )
    op.create_index("ix_delivery_batch", "delivery", ["digest_id", "batch"], unique=False)
    op.create_index(
        "ix_delivery_outcome",
        "delivery",
        ["digest_id", "outcome"],
        unique=False,
        postgresql_where=sa.text("outcome IS NOT NULL"),
        sqlite_where=sa.text("outcome IS NOT NULL"),
    )

    op.create_table(
        "engagement",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("event_key", sa.String(length=240), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column(
            "reader",
            sa.Enum("person", "machine", "unknown", name="reader", native_enum=False, length=10),
            nullable=False,
        ),
        sa.Column("why", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("digest_id", "event_key"),
        postgresql_partition_by="LIST (digest_id)",
    )
    op.create_index(
        "ix_engagement_kind", "engagement", ["digest_id", "kind", "subscriber_id"], unique=False
    )

    op.create_table(
        "halt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("halted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("at", sa.Time(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column(
            "approval",
            sa.Enum("editor", "policy", name="approval", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("draft_before", sa.Integer(), nullable=False),
        sa.Column("late_for", sa.Integer(), nullable=False),
        sa.Column("at_most", sa.Integer(), nullable=False),
        sa.Column("local_time", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", BIG, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("address_key", sa.LargeBinary(length=16), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "active",
                "unsubscribed",
                "bounced",
                "complained",
                name="subscriberstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_how", sa.String(length=40), nullable=True),
        sa.Column("left_digest_id", sa.Integer(), nullable=True),
        sa.Column("tracking", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address_key"),
    )
    op.create_index("ix_subscriber_status", "subscriber", ["status"], unique=False)

    op.create_table(
        "suppression",
        sa.Column("address_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("address_key"),
    )
    op.create_table(
        "tool",
        sa.Column("id", BIG, nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("category", sa.String(length=300), nullable=True),
        sa.Column("tagline", sa.String(length=2000), nullable=True),
        sa.Column("entry", sa.String(length=300), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("pricing", sa.String(length=2000), nullable=True),
        sa.Column("best_for", sa.String(length=2000), nullable=True),
        sa.Column("community", sa.String(length=2000), nullable=True),
        sa.Column("community_percent", sa.Float(), nullable=True),
        sa.Column(
            "panel_verdict",
            sa.Enum("ship", "skip", "mixed", name="verdict", native_enum=False, length=16),
            nullable=True,
        ),
        sa.Column("ship_percent", sa.Float(), nullable=True),
        sa.Column("ships", sa.Integer(), nullable=True),
        sa.Column("skips", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "webhook_token",
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("token", sa.String(length=100), nullable=False),
        sa.Column("event_key", sa.String(length=240), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "token"),
    )
    op.create_table(
        "comparison",
        sa.Column("id", BIG, nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=700), nullable=False),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("url", sa.String(length=2000), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_tool_id", BIG, nullable=False),
        sa.Column("right_tool_id", BIG, nullable=False),
        sa.Column("stated", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("first_taken_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["left_tool_id"], ["tool.id"]),
        sa.ForeignKeyConstraint(["right_tool_id"], ["tool.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_index("ix_comparison_left_tool_id", "comparison", ["left_tool_id"], unique=False)
    op.create_index("ix_comparison_right_tool_id", "comparison", ["right_tool_id"], unique=False)

    op.create_table(
        "consent",
        sa.Column("id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("page", sa.String(length=300), nullable=False),
        sa.Column("wording", sa.String(length=1000), nullable=False),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_consent_subscriber_id", "consent", ["subscriber_id"], unique=False)

    op.create_table(
        "occurrence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("schedule_id", sa.Integer(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("cutoff_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "planned",
                "assembled",
                "empty",
                "missed",
                name="occurrencestatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedule.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("schedule_id", "on_date"),
    )
    op.create_index("ix_occurrence_status", "occurrence", ["status"], unique=False)

    op.create_table(
        "review",
        sa.Column("id", BIG, nullable=False),
        sa.Column("tool_id", BIG, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(length=300), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column(
            "verdict",
            sa.Enum("ship", "skip", "mixed", name="verdict", native_enum=False, length=16),
            nullable=True,
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tool_id"], ["tool.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tool_id", "key"),
    )
    op.create_table(
        "digest",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issue", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("occurrence_id", sa.Integer(), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "draft",
                "approved",
                "sending",
                "paused",
                "sent",
                "cancelled",
                name="digeststatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("preheader", sa.String(length=300), nullable=False),
        sa.Column("opening", sa.Text(), nullable=False),
        sa.Column("assembled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("audience", sa.Integer(), nullable=True),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("wave_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.String(length=500), nullable=True),
        sa.Column("tolerated", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("local_day", sa.Date(), nullable=True),
        sa.Column("local_at", sa.Time(), nullable=True),
        sa.Column("corrects_id", sa.Integer(), nullable=True),
        sa.Column("corrects_hash", sa.String(length=64), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("books", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["corrects_id"], ["digest.id"]),
        sa.ForeignKeyConstraint(["occurrence_id"], ["occurrence.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue"),
        sa.UniqueConstraint("occurrence_id"),
    )
    op.create_index("ix_digest_status", "digest", ["status"], unique=False)

    op.create_table(
        "revision",
        sa.Column("id", BIG, nullable=False),
        sa.Column("comparison_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("material", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("taken_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparison.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("comparison_id", "number"),
    )
    op.create_index(
        "ix_revision_news",
        "revision",
        ["taken_in_at", "id"],
        unique=False,
        postgresql_where=sa.text("material"),
        sqlite_where=sa.text("material = 1"),
    )

    op.create_table(
        "digest_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest_id", "position"),
        sa.UniqueConstraint("revision_id"),
    )
    op.create_table(
        "rendition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("topics", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("preheader", sa.String(length=300), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("rendered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest_id", "topics"),
    )
    op.create_index("ix_rendition_content_hash", "rendition", ["content_hash"], unique=False)

    op.create_table(
        "batch",
        sa.Column("digest_id", sa.Integer(), nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("rendition_id", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "planned",
                "claimed",
                "accepted",
                "rejected",
                "uncertain",
                name="batchstatus",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("put_off", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=80), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider", sa.String(length=20), nullable=True),
        sa.Column("body_hash", sa.String(length=64), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_ids", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("evidence", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"]),
        sa.ForeignKeyConstraint(["rendition_id"], ["rendition.id"]),
        sa.PrimaryKeyConstraint("digest_id", "number"),
    )
    op.create_index("ix_batch_status", "batch", ["digest_id", "status", "number"], unique=False)

    if op.get_bind().dialect.name == "postgresql":
        # Where rows go that belong to no edition, or to one whose partition was dropped.
        for table in ("delivery", "engagement"):
            op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")


def downgrade() -> None:
    op.drop_index("ix_batch_status", table_name="batch")

    op.drop_table("batch")
    op.drop_index("ix_rendition_content_hash", table_name="rendition")

    op.drop_table("rendition")
    op.drop_table("digest_item")
    op.drop_index(
        "ix_revision_news",
        table_name="revision",
        postgresql_where=sa.text("material"),
        sqlite_where=sa.text("material = 1"),
    )

    op.drop_table("revision")
    op.drop_index("ix_digest_status", table_name="digest")

    op.drop_table("digest")
    op.drop_table("review")
    op.drop_index("ix_occurrence_status", table_name="occurrence")

    op.drop_table("occurrence")
    op.drop_index("ix_consent_subscriber_id", table_name="consent")

    op.drop_table("consent")
    op.drop_index("ix_comparison_right_tool_id", table_name="comparison")
    op.drop_index("ix_comparison_left_tool_id", table_name="comparison")

    op.drop_table("comparison")
    op.drop_table("webhook_token")
    op.drop_table("tool")
    op.drop_table("suppression")
    op.drop_index("ix_subscriber_status", table_name="subscriber")

    op.drop_table("subscriber")
    op.drop_table("schedule")
    op.drop_table("halt")
    op.drop_index("ix_engagement_kind", table_name="engagement")

    op.drop_table("engagement")
    op.drop_index(
        "ix_delivery_outcome",
        table_name="delivery",
        postgresql_where=sa.text("outcome IS NOT NULL"),
        sqlite_where=sa.text("outcome IS NOT NULL"),
    )
    op.drop_index("ix_delivery_batch", table_name="delivery")

    op.drop_table("delivery")
    op.drop_table("circuit")
