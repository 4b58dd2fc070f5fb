"""Indexes of collections apart from collections, migrations between them, and retrievers of collections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None

_OPEN = "ended_ms IS NULL"


def upgrade() -> None:
    """Applies the revision."""
    for column in (
        sa.Column("index_uid", sa.String(32), nullable=False, server_default=""),
        sa.Column("retriever", sa.String(64), nullable=False, server_default=""),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("collections", column)
    op.execute("UPDATE collections SET index_uid = uid")
    op.add_column("removals", sa.Column("due_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "migrations",
        sa.Column("migration_id", sa.String(32), primary_key=True),
        sa.Column("collection_uid", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("error_reason", sa.String(64), nullable=False),
        *_plan("source"),
        *_plan("target"),
        sa.Column("min_overlap", sa.Float, nullable=False),
        sa.Column("overlap", sa.Float),
        sa.Column("sampled_queries", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
    )
    op.create_index("ix_migrations_collection", "migrations", ["collection_uid", "migration_id"])
    op.create_index(
        "uq_migrations_open",
        "migrations",
        ["collection_uid"],
        unique=True,
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
    op.create_table(
        "copies",
        sa.Column("index_uid", sa.String(32), primary_key=True),
        sa.Column("document_id", sa.String(128), primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("chunk_count", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Takes the revision back; collections that were migrated have lost their points to those that read it."""
    op.drop_table("copies")
    op.drop_table("migrations")
    op.drop_column("removals", "due_ms")
    for column in ("index_uid", "retriever", "revision"):
        op.drop_column("collections", column)


def _plan(side: str) -> list[sa.Column[object]]:
    return [
        sa.Column(f"{side}_index_uid", sa.String(32), nullable=False),
        sa.Column(f"{side}_model_id", sa.String(128), nullable=False),
        sa.Column(f"{side}_dimension", sa.Integer, nullable=False),
        sa.Column(f"{side}_chunking", sa.JSON, nullable=False),
    ]
