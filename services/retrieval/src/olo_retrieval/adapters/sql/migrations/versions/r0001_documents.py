"""Collections, documents, their versions, and removals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the revision."""
    op.create_table(
        "collections",
        sa.Column("uid", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("embedding_model_id", sa.String(128), nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant", "name", name="uq_collections_tenant_name"),
    )
    op.create_table(
        "documents",
        sa.Column("collection_uid", sa.String(32), primary_key=True),
        sa.Column("document_id", sa.String(128), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("served_version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_documents_state_updated", "documents", ["state", "updated_ms"])
    op.create_table(
        "versions",
        sa.Column("collection_uid", sa.String(32), primary_key=True),
        sa.Column("document_id", sa.String(128), primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("chunk_count", sa.Integer),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "removals",
        sa.Column("removal_id", sa.Integer, primary_key=True),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("collection_uid", sa.String(32), nullable=False),
        sa.Column("document_id", sa.String(128)),
        sa.Column("up_to_version", sa.BigInteger),
        sa.Column("embedding_model_id", sa.String(128), nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Takes the revision back."""
    for table in ("removals", "versions", "documents", "collections"):
        op.drop_table(table)
