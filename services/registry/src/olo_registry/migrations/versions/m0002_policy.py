"""Quality, cost, labels, capabilities and tenants of models; aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBERS = ("quality_score", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens")
_DOCUMENTS = {"labels": "{}", "capabilities": "[]", "allowed_tenants": "[]"}


def upgrade() -> None:
    """Applies the change."""
    for name in _NUMBERS:
        op.add_column("models", sa.Column(name, sa.Float))
    for name, empty in _DOCUMENTS.items():
        op.add_column("models", sa.Column(name, sa.JSON, nullable=False, server_default=empty))
    op.create_table(
        "alias_targets",
        sa.Column("alias", sa.String(128), primary_key=True),
        sa.Column("model_id", sa.String(128), primary_key=True),
        sa.Column("weight", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_table("alias_targets")
    for name in (*_NUMBERS, *_DOCUMENTS):
        op.drop_column("models", name)
