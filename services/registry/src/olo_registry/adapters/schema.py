"""The tables, as the code of today sees them; migrations bring a database there."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, Integer, MetaData, String, Table

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
    Column("quality_score", Float),
    Column("cost_per_1k_input_tokens", Float),
    Column("cost_per_1k_output_tokens", Float),
    Column("labels", JSON, nullable=False),
    Column("capabilities", JSON, nullable=False),
    Column("allowed_tenants", JSON, nullable=False),
)

ALIAS_TARGETS = Table(
    "alias_targets",
    METADATA,
    Column("alias", String(128), primary_key=True),
    Column("model_id", String(128), primary_key=True),
    Column("weight", Integer, nullable=False),
)

ALIAS_SHADOWS = Table(
    "alias_shadows",
    METADATA,
    Column("alias", String(128), primary_key=True),
    Column("model_id", String(128), nullable=False),
    Column("percent", Integer, nullable=False),
)

BENCHMARK_SOURCES = Table(
    "benchmark_sources",
    METADATA,
    Column("source", String(32), primary_key=True),
    Column("fetch_time", DateTime(timezone=True)),
    Column("check_time", DateTime(timezone=True)),
    Column("problem", String(512), nullable=False),
    Column("validators", JSON, nullable=False),
    Column("records", JSON, nullable=False),
)

BENCHMARK_LINKS = Table(
    "benchmark_links",
    METADATA,
    Column("model_id", String(128), primary_key=True),
    Column("source", String(32), primary_key=True),
    Column("record", String(256)),
)

MEASUREMENTS = Table(
    "measurements",
    METADATA,
    Column("model_id", String(128), primary_key=True),
    Column("instance_id", String(128), primary_key=True),
    Column("prompt_size", String(16), primary_key=True),
    Column("observe_time", DateTime(timezone=True), nullable=False, index=True),
    Column("weight", Float, nullable=False),
    Column("timed_weight", Float, nullable=False),
    Column("first_token_seconds", Float, nullable=False),
    Column("token_seconds", Float, nullable=False),
    Column("error_rate", Float, nullable=False),
    Column("throughput", Float, nullable=False),
)
