"""Indexes by which people are found: how their address, name and domain begin."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Bytes are compared on PostgreSQL, so that a range of beginnings is a range of the index.
_ON_POSTGRESQL = {
    "ix_subscriber_address": '(lower(address) COLLATE "C")',
    "ix_subscriber_name": '(lower(name) COLLATE "C")',
    "ix_subscriber_domain": "(split_part(lower(address), '@', 2) COLLATE \"C\")",
}
_ON_SQLITE = {
    "ix_subscriber_address": "address COLLATE NOCASE",
    "ix_subscriber_name": "name COLLATE NOCASE",
    "ix_subscriber_domain": "substr(address, instr(address, '@') + 1) COLLATE NOCASE",
}


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for name, what in (_ON_POSTGRESQL if on_postgresql else _ON_SQLITE).items():
        op.execute(f"CREATE INDEX {name} ON subscriber ({what})")


def downgrade() -> None:
    for name in _ON_POSTGRESQL:
        op.execute(f"DROP INDEX {name}")
