"""The table of what routers have measured."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0003"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "measurements",
        sa.Column("model_id", sa.String(128), primary_key=True),
        sa.Column("instance_id", sa.String(128), primary_key=True),
        sa.Column("prompt_size", sa.String(16), primary_key=True),
        sa.Column("observe_time", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("timed_weight", sa.Float, nullable=False),
        sa.Column("first_token_seconds", sa.Float, nullable=False),
        sa.Column("token_seconds", sa.Float, nullable=False),
        sa.Column("error_rate", sa.Float, nullable=False),
        sa.Column("throughput", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("measurements")
