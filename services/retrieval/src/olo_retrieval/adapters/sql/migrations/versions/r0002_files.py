"""Files, what was read out of them, how they are cut, and how far they have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the revision."""
    op.add_column("collections", sa.Column("chunking", sa.JSON))
    op.add_column("documents", sa.Column("error_reason", sa.String(64), nullable=False, server_default=""))
    for column in (
        sa.Column("url", sa.Text, nullable=False, server_default=""),
        sa.Column("file", sa.LargeBinary),
        sa.Column("format", sa.String(16)),
        sa.Column("structure", sa.String(16), nullable=False, server_default="markdown"),
        sa.Column("pages", sa.JSON),
        sa.Column("chunks_done", sa.Integer),
        sa.Column("chunks_total", sa.Integer),
        sa.Column("embedding_since_ms", sa.BigInteger),
    ):
        op.add_column("versions", column)


def downgrade() -> None:
    """Takes the revision back; a file whose text has not been read out is lost."""
    for column in ("url", "file", "format", "structure", "pages", "chunks_done", "chunks_total", "embedding_since_ms"):
        op.drop_column("versions", column)
    op.drop_column("documents", "error_reason")
    op.drop_column("collections", "chunking")
