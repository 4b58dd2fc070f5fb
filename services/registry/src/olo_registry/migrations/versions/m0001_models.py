"""The table of models, with at most one default of each type."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "models",
        sa.Column("model_id", sa.String(128), primary_key=True),
        sa.Column("model_name", sa.String(256), nullable=False),
        sa.Column("model_type", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("default_flag", sa.Boolean, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("context_limit", sa.Integer, nullable=False),
        sa.Column("hardware_type", sa.String(16), nullable=False),
        sa.Column("embedding_dimension", sa.Integer, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        "models_one_default_per_type",
        "models",
        ["model_type"],
        unique=True,
        sqlite_where=sa.text("default_flag"),
        postgresql_where=sa.text("default_flag"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("models_one_default_per_type", table_name="models")
    op.drop_table("models")
