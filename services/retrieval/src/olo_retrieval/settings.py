"""olo-retrieval takes documents in and gives passages out: it chunks, embeds, stores and searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from olo_common.base_settings import FROM_FILE
from olo_common.settings import NatsSettings, Port, Seconds, ServiceSettings, TemporalSettings, settings_config


class RetrievalSettings(ServiceSettings):
    model_config = settings_config("OLO_RETRIEVAL_")

    port: Port = 50054
    """The gRPC port; 0 takes a free one."""
    database_url: Annotated[str, FROM_FILE] = "sqlite:///.olo/retrieval.db"
    """The document store: an SQLite file, made with its directory, or a Postgres database, whose URL may say `sslmode`,
    `sslrootcert`, `sslcert` and `sslkey`. It is the truth; vectors are rebuilt from it."""
    vector_store: str = "memory"
    """The vector store. `memory`: vectors die with the process and are rebuilt at start; a search compares every one
    there is, so it is for some thousands of passages, and the room of deleted ones is used again, but not given back.
    `edge:/dir`: Qdrant's engine in this process keeps them on disk; `sqlite:/file.db`: one SQLite file, whose searches
    read every vector of a collection; `grpc://host:6334` (`grpcs://` with TLS): a Qdrant server, shared by replicas.
    Another store is filled anew from the documents at the next start."""
    qdrant_api_key: SecretStr | None = None
    """API key of the Qdrant server, where it asks for one. With `grpc://` it travels in the clear."""
    qdrant_ca_file: Path | None = None
    """PEM file of the authorities of a Qdrant server at `grpcs://`; read at start. Unset: the public ones."""
    sparse: Literal["bm25", "splade", "off"] = "bm25"
    """The sparse vectors that the embed-workers make. bm25: terms are weighed by their rarity in the collection;
    splade: the model has weighed them; off: searches go by meaning alone, and embed-workers need no sparse model. A
    change embeds every document anew."""
    retriever: str = ""
    """How a search that does not say so finds passages: `dense`, `sparse`, `hybrid`, or the name of an entry point in
    `olo.retrievers`. Empty: hybrid, or dense where sparse is off."""
    hnsw_m: Annotated[int, Field(ge=4, le=128)] = 16
    """Edges of a node of the HNSW graph; more find more of the true neighbours and take memory. For new collections."""
    hnsw_ef_construct: Annotated[int, Field(ge=8, le=2048)] = 128
    """Neighbours weighed when a vector is added; more make a better graph, slowly. For new collections."""
    hnsw_ef: Annotated[int, Field(ge=8, le=4096)] = 128
    """Neighbours weighed by a search; more find more of the true ones, slowly."""
    quantization: Literal["none", "int8"] = "none"
    """int8: Qdrant searches a quarter of the memory and compares the best by their full vectors. A change embeds every
    document anew."""
    router_target: str = "127.0.0.1:50053"
    """Host and port of the router, which says where texts are embedded."""
    max_document_bytes: Annotated[int, Field(ge=1, le=8 * 1024 * 1024)] = 1024 * 1024
    """Longer texts are refused, those read out of files too; bytes of UTF-8."""
    max_file_bytes: Annotated[int, Field(ge=1, le=15 * 1024 * 1024)] = 12 * 1024 * 1024
    """Larger files are refused. A call carries 16 MiB at most."""
    max_import_bytes: Annotated[int, Field(ge=1)] = 16 * 1024**3
    """Larger files of collections are not brought in. While one comes its documents are in the database, so that there
    must be room for them."""
    parse_seconds: Annotated[float, Field(ge=1)] = 30.0
    """How long reading the text out of one file may take, by the clock and of CPU, before the file is given up."""
    parse_memory_bytes: Annotated[int, Field(ge=128 * 1024 * 1024)] = 768 * 1024 * 1024
    """Address space of the process that reads one file. Up to `index_concurrency` of them run at the same time."""
    fetch_urls: bool = False
    """Whether documents may be fetched from the public web. Callers then make this process send requests; private
    addresses stay out of reach, and robots.txt is obeyed."""
    chunk_tokens: Annotated[int, Field(ge=16, le=1000)] = 120
    """Tokens of a passage at most, by estimate, where its collection does not say. Longer passages fill the prompt of
    the model sooner, and an embedding model reads only as far as its own limit."""
    index_concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Documents that are indexed at the same time."""
    embed_timeout_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long one call to the embedding model may take before another instance is asked, once."""
    source_roots: str = ""
    """Where sources of documents may read files, separated by commas: local folders, and URLs of object stores such as
    `s3://bucket/prefix`, whose credentials are those of this process. Everyone who may create sources then can read
    all that lies below them. Empty: nowhere."""
    source_git_hosts: str = ""
    """Hosts from which git repositories are fetched by https, separated by commas. Repositories below `source_roots`
    need none. Empty: none."""
    source_databases: dict[str, SecretStr] = Field(default_factory=dict)
    """Databases that sources may query: a JSON object of names and SQLAlchemy URLs. Callers know the names alone, and
    can read all that the user in the URL may: give it no more than that."""
    source_subjects: str = ""
    """NATS subjects that sources may read, separated by commas, with wildcards: `docs.>`. Those of the services
    themselves (`olo.>`) hold what other tenants are told. Empty: none."""
    source_cache: Path = Path(".olo/sources")
    """The folder where repositories that were fetched are kept. One that is lost is fetched anew."""
    source_concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Documents of one source that are ingested at the same time."""
    source_max_documents: Annotated[int, Field(ge=1)] = 100_000
    """A source that lists more documents is not synced."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
    upkeep_seconds: Seconds = 15.0
    """Time between two rounds of upkeep, which restarts ingests that were lost and removes what is deleted."""
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)

    @field_validator("vector_store")
    @classmethod
    def _location(cls, value: str) -> str:
        if value == "memory" or any(
            value.startswith(kind) and value != kind for kind in ("edge:", "sqlite:", "grpc://", "grpcs://")
        ):
            return value
        raise ValueError("must be `memory`, `edge:/dir`, `sqlite:/file.db` or `grpc://host:6334`")
