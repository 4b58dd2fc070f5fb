"""Sources, their documents, and which source a document is of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the revision."""
    op.add_column("documents", sa.Column("source_id", sa.String(63), nullable=False, server_default=""))
    op.create_table(
        "sources",
        sa.Column("uid", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("collection_uid", sa.String(32), nullable=False),
        sa.Column("source_id", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("interval_seconds", sa.Float),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("removing", sa.Boolean, nullable=False),
        sa.Column("keep_documents", sa.Boolean, nullable=False),
        sa.Column("accept_deletions", sa.Boolean, nullable=False),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("ingesting_since_ms", sa.BigInteger),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("held_deletions", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        sa.Column("counts", sa.JSON),
        sa.UniqueConstraint("collection_uid", "source_id", name="uq_sources_collection_source"),
    )
    op.create_index("ix_sources_state_updated", "sources", ["state", "updated_ms"])
    op.create_table(
        "source_items",
        sa.Column("source_uid", sa.String(32), primary_key=True),
        sa.Column("document_id", sa.String(128), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("taken", sa.String(128), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("first_in", sa.BigInteger, nullable=False),
        sa.Column("listed_in", sa.BigInteger, nullable=False),
        sa.Column("done_in", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
    op.create_index("ix_source_items_done", "source_items", ["source_uid", "done_in"])


def downgrade() -> None:
    """Takes the revision back; the documents stay."""
    op.drop_table("source_items")
    op.drop_table("sources")
    op.drop_column("documents", "source_id")
