"""A whole retrieval core on fakes: a real SQLite file, a dictionary of vectors, a hashing embedder."""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr
from source_place import Place

from olo_common.errors import OloError, Unavailable
from olo_common.sql import Database
from olo_retrieval.adapters.parser_process import ParseLimits, ParserProcess
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.documents import SqlDocuments
from olo_retrieval.adapters.sql.migrating import SqlMigrations
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.versions import SqlVersions
from olo_retrieval.adapters.vectors.fake import FakeStore
from olo_retrieval.curation import Curation
from olo_retrieval.drafts import make_draft
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.ingestion.recovery import Recovery
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ingestion.writing import PointWriter
from olo_retrieval.migrating.comparison import Samples
from olo_retrieval.migrating.control import Migrations
from olo_retrieval.migrating.copying import Copier
from olo_retrieval.migrating.migrator import Migrator
from olo_retrieval.migrating.records import MigrationRef
from olo_retrieval.ports import Fetcher
from olo_retrieval.searching.retrievers import HYBRID, own_retrievers
from olo_retrieval.searching.searcher import Query, Searcher
from olo_retrieval.types import Draft, EmbeddingModel, Hit, InputSide, SparseVector, VersionRef

MODEL = EmbeddingModel("hashing", 64)


def hashed(text: str, dimension: int = 64) -> list[float]:
    """A bag of words, hashed into a unit vector: texts that share words are near each other."""
    vector = [0.0] * dimension
    for word in _words(text):
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimension] += 1.0
    norm = math.hypot(*vector) or 1.0
    return [value / norm for value in vector]


@dataclass
class HashingEmbedder:
    failures: list[OloError] = field(default_factory=list)
    """Raised one after the other before anything is embedded."""
    batches: list[int] = field(default_factory=list)

    async def choose(self, model_id: str) -> EmbeddingModel:
        return EmbeddingModel(model_id or MODEL.model_id, MODEL.dimension)

    async def embed(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(len(texts))
        return [hashed(text, model.dimension) for text in texts]

    async def embed_sparse(self, model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[SparseVector]:
        return [hashed_words(text) for text in texts]

    async def rerank(self, model: EmbeddingModel, query: str, texts: Sequence[str]) -> list[float]:
        """The shortest text is the best answer."""
        return [-float(len(text)) for text in texts]


def hashed_words(text: str) -> SparseVector:
    """Each word once, as a term."""
    terms = {int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) for word in _words(text)}
    return SparseVector(sorted(terms), [1.0] * len(terms))


def _words(text: str) -> list[str]:
    return text.lower().replace(".", " ").replace("?", " ").split()


@dataclass
class RecordingStarter:
    away: bool = False
    started: list[VersionRef] = field(default_factory=list)
    migrations: list[MigrationRef] = field(default_factory=list)

    async def start(self, ref: VersionRef) -> None:
        if self.away:
            raise Unavailable("Temporal is not reachable")
        self.started.append(ref)

    async def start_migration(self, ref: MigrationRef) -> None:
        if self.away:
            raise Unavailable("Temporal is not reachable")
        self.migrations.append(ref)


class House:
    """Everything between the servicer and the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        collections, documents, versions = SqlCollections(database), SqlDocuments(database), SqlVersions(database)
        self.collections, self.documents, self.versions = collections, documents, versions
        self.parser = ParserProcess(ParseLimits(seconds=20, memory_bytes=512 * 1024 * 1024, max_chars=200_000))
        self.vectors, self.embedder, self.starter = FakeStore(), HashingEmbedder(), RecordingStarter()
        self.migrations = SqlMigrations(database)
        self.indexer = self.make_indexer(None)
        self.recovery = Recovery(collections, versions, self.vectors, self.indexer)
        self.curation = Curation(collections, documents, versions, self.vectors, self.embedder)
        self.intake = Intake(collections, documents, versions, self.starter)
        self.migrator = Migrator(
            collections=self.collections,
            migrations=self.migrations,
            versions=self.versions,
            vectors=self.vectors,
            copier=self.copier,
            samples=Samples(self.versions, self.vectors, self.embedder),
        )
        self.control = Migrations(
            collections=self.collections,
            migrations=self.migrations,
            versions=self.versions,
            vectors=self.vectors,
            embedder=self.embedder,
            starter=self.starter,
        )
        self.searcher = Searcher(
            collections,
            versions,
            self.vectors,
            self.embedder,
            self.recovery.complete,
            retrievers=own_retrievers(),
            default=HYBRID,
        )

    def make_indexer(self, fetcher: Fetcher | None) -> Indexer:
        """An indexer that may fetch, or may not."""
        texts = Texts(self.versions, self.parser, 120, fetcher)
        writer = PointWriter(self.vectors, self.embedder, texts)
        self.copier = Copier(self.migrations, self.versions, self.vectors, writer)
        return Indexer(
            collections=self.collections,
            versions=self.versions,
            vectors=self.vectors,
            texts=texts,
            writer=writer,
            copier=self.copier,
        )

    def draft(self, content: str, document_id: str = "guide", **metadata: str) -> Draft:
        """A good document."""
        return make_draft(
            document_id=document_id, title="", source="guide.md", content=content, metadata=metadata, max_bytes=100_000
        )

    async def stage(
        self, content: str, document_id: str = "guide", tenant: str = "default", **metadata: str
    ) -> VersionRef:
        """Hands a document in; nothing is indexed yet."""
        return (await self.intake.ingest(tenant, "demo", self.draft(content, document_id, **metadata))).ref

    async def ingest(
        self, content: str, document_id: str = "guide", tenant: str = "default", **metadata: str
    ) -> VersionRef:
        """Takes a document through every step."""
        ref = await self.stage(content, document_id, tenant, **metadata)
        await self.indexer.index(ref, lambda _: None)
        await self.indexer.swap(ref)
        await self.indexer.remove_stale(ref)
        return ref

    async def find(self, text: str, tenant: str = "default", top_k: int = 4) -> list[str]:
        """The texts that a search shows."""
        return [hit.piece.text for hit in await self.search(Query(tenant, "demo", text, top_k))]

    async def search(self, query: Query) -> list[Hit]:
        """What a search finds."""
        return (await self.searcher.search(query)).hits


@asynccontextmanager
async def open_house(directory: Path) -> AsyncIterator[House]:
    """A house with a collection `demo`."""
    async with document_store(f"sqlite:///{directory}/data/retrieval.db") as database:
        made = House(database)
        await made.curation.create_collection("default", "demo", "")
        await made.recovery.run()
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as made:
        yield made


@pytest.fixture
def furnish() -> Callable[[Database], House]:
    """Makes the house of a database."""
    return House


@pytest.fixture
def new_house(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractAsyncContextManager[House]]:
    """Makes houses, for tests that need one for each example."""
    return lambda: open_house(tmp_path_factory.mktemp("house"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "files").mkdir()
    allowed = Allowed(
        roots=[str(tmp_path / "files"), "memory://shelf/docs"],
        git_hosts=["git.example.org"],
        databases={"shop": SecretStr(f"sqlite:///{tmp_path}/shop.db")},
        subjects=["docs.>"],
        cache=tmp_path / "cache",
        max_documents=100,
        max_file_bytes=1000,
        max_text_bytes=1000,
    )
    return Place(tmp_path, allowed)
