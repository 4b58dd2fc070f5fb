"""The table of the models that requests for an alias are mirrored to."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "alias_shadows",
        sa.Column("alias", sa.String(128), primary_key=True),
        sa.Column("model_id", sa.String(128), nullable=False),
        sa.Column("percent", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("alias_shadows")
