"""The last good word of each source of benchmarks, and what people have decided about names."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "benchmark_sources",
        sa.Column("source", sa.String(32), primary_key=True),
        sa.Column("fetch_time", sa.DateTime(timezone=True)),
        sa.Column("check_time", sa.DateTime(timezone=True)),
        sa.Column("problem", sa.String(512), nullable=False),
        sa.Column("validators", sa.JSON, nullable=False),
        sa.Column("records", sa.JSON, nullable=False),
    )
    op.create_table(
        "benchmark_links",
        sa.Column("model_id", sa.String(128), primary_key=True),
        sa.Column("source", sa.String(32), primary_key=True),
        sa.Column("record", sa.String(256)),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("benchmark_links")
    op.drop_table("benchmark_sources")
