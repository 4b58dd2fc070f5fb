"""The tables, as the code of today sees them; migrations bring a database there."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, String, Table

METADATA = MetaData()

MODELS = Table(
    "models",
    METADATA,
    Column("model_id", String(128), primary_key=True),
    Column("model_name", String(256), nullable=False),
    Column("model_type", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("default_flag", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("context_limit", Integer, nullable=False),
    Column("hardware_type", String(16), nullable=False),
    Column("embedding_dimension", Integer, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("update_time", DateTime(timezone=True), nullable=False),
)
