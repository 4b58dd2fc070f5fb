"""The tables of the document store."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql_text

METADATA = MetaData()

COLLECTIONS = Table(
    "collections",
    METADATA,
    Column("uid", String(32), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("name", String(63), nullable=False),
    Column("embedding_model_id", String(128), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("chunking", JSON),
    Column("index_uid", String(32), nullable=False, server_default=""),
    Column("retriever", String(64), nullable=False, server_default=""),
    # Grows with every change, so that what was read earlier can be told from what is.
    Column("revision", BigInteger, nullable=False, server_default="0"),
    UniqueConstraint("tenant", "name", name="uq_collections_tenant_name"),
)

# A deleted document leaves its row behind, so that its versions go on growing if it comes again.
DOCUMENTS = Table(
    "documents",
    METADATA,
    Column("collection_uid", String(32), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("served_version", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", Text, nullable=False),
    Column("error_reason", String(64), nullable=False, server_default=""),
    Column("deleted", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    # Of the source that keeps it in step; empty where it was handed in.
    Column("source_id", String(63), nullable=False, server_default=""),
    Index("ix_documents_state_updated", "state", "updated_ms"),
)

VERSIONS = Table(
    "versions",
    METADATA,
    Column("collection_uid", String(32), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("chunk_count", Integer),
    Column("content", Text, nullable=False),
    # Where the file is fetched, until it is.
    Column("url", Text, nullable=False, server_default=""),
    # The file, until its text has been read out.
    Column("file", LargeBinary),
    Column("format", String(16)),
    Column("structure", String(16), nullable=False, server_default="markdown"),
    Column("pages", JSON),
    Column("chunks_done", Integer),
    Column("chunks_total", Integer),
    Column("embedding_since_ms", BigInteger),
)

REMOVALS = Table(
    "removals",
    METADATA,
    Column("removal_id", Integer, primary_key=True),
    Column("tenant", String(128), nullable=False),
    # Of the index.
    Column("collection_uid", String(32), nullable=False),
    Column("document_id", String(128)),
    Column("up_to_version", BigInteger),
    Column("embedding_model_id", String(128), nullable=False),
    Column("dimension", Integer, nullable=False),
    # Not before this time.
    Column("due_ms", BigInteger, nullable=False, server_default="0"),
)

_OPEN = "ended_ms IS NULL"

MIGRATIONS = Table(
    "migrations",
    METADATA,
    # Begins with the time, so that the newest is the greatest.
    Column("migration_id", String(32), primary_key=True),
    Column("collection_uid", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", Text, nullable=False),
    Column("error_reason", String(64), nullable=False),
    Column("source_index_uid", String(32), nullable=False),
    Column("source_model_id", String(128), nullable=False),
    Column("source_dimension", Integer, nullable=False),
    Column("source_chunking", JSON, nullable=False),
    Column("target_index_uid", String(32), nullable=False),
    Column("target_model_id", String(128), nullable=False),
    Column("target_dimension", Integer, nullable=False),
    Column("target_chunking", JSON, nullable=False),
    Column("min_overlap", Float, nullable=False),
    Column("overlap", Float),
    Column("sampled_queries", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index("ix_migrations_collection", "collection_uid", "migration_id"),
    Index(
        "uq_migrations_open",
        "collection_uid",
        unique=True,
        sqlite_where=sql_text(_OPEN),
        postgresql_where=sql_text(_OPEN),
    ),
)

# Versions that are wholly in the index of a collection that is not the served one.
COPIES = Table(
    "copies",
    METADATA,
    Column("index_uid", String(32), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("chunk_count", Integer, nullable=False),
)

SOURCES = Table(
    "sources",
    METADATA,
    Column("uid", String(32), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("collection_uid", String(32), nullable=False),
    Column("source_id", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("config", JSON, nullable=False),
    Column("interval_seconds", Float),
    Column("created_ms", BigInteger, nullable=False),
    Column("removing", Boolean, nullable=False),
    Column("keep_documents", Boolean, nullable=False),
    Column("accept_deletions", Boolean, nullable=False),
    # Where the next listing goes on, for sources that list what is new alone.
    Column("cursor", Text, nullable=False),
    # The last sync. Its run is that of the workflow which does it.
    Column("number", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("run", String(64), nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("ingesting_since_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Column("held_deletions", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_reason", String(64), nullable=False),
    # Counts by outcome, once it has ended.
    Column("counts", JSON),
    UniqueConstraint("collection_uid", "source_id", name="uq_sources_collection_source"),
    Index("ix_sources_state_updated", "state", "updated_ms"),
)

ITEMS = Table(
    "source_items",
    METADATA,
    Column("source_uid", String(32), primary_key=True),
    Column("document_id", String(128), primary_key=True),
    Column("key", Text, nullable=False),
    # As it was listed last, and as it was when its content was taken in.
    Column("fingerprint", String(128), nullable=False),
    Column("taken", String(128), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    # Numbers of syncs: of the first and the last that have listed it, and of the one that `outcome` is of.
    Column("first_in", BigInteger, nullable=False),
    Column("listed_in", BigInteger, nullable=False),
    Column("done_in", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Index("ix_source_items_done", "source_uid", "done_in"),
)
