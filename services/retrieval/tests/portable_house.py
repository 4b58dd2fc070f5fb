"""A house whose collections go out and come in."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from olo_retrieval.adapters.sql.portable import SqlPortable
from olo_retrieval.adapters.sql.tables import DOCUMENTS, REMOVALS, VERSIONS
from olo_retrieval.portable.exporting import Exporter
from olo_retrieval.portable.framing import end, member
from olo_retrieval.portable.importing import Imported, Importer, ImportLimits
from olo_retrieval.ports import VectorStore
from olo_retrieval.searching.searcher import Query

if TYPE_CHECKING:
    from conftest import House

LIMITS = ImportLimits(50_000_000, 200_000, 200_000)
WORDS = [
    "ferry",
    "harbour",
    "island",
    "lamp",
    "clock",
    "tower",
    "bread",
    "baker",
    "signal",
    "storm",
    "keeper",
    "captain",
    "rope",
    "tide",
    "gull",
]
STORES = ["memory", "edge", "sqlite"]


def exporter(house: House, vectors: VectorStore | None = None) -> Exporter:
    return Exporter(house.collections, SqlPortable(house.database), vectors or house.vectors, sparse="bm25")


def importer(
    house: House, vectors: VectorStore | None = None, sparse: str = "bm25", limits: ImportLimits = LIMITS
) -> Importer:
    return Importer(
        collections=house.collections,
        store=SqlPortable(house.database),
        documents=house.documents,
        versions=house.versions,
        vectors=vectors or house.vectors,
        embedder=house.embedder,
        starter=house.starter,
        sparse=sparse,
        retrievers=["dense", "sparse", "hybrid"],
        limits=limits,
    )


async def exported(house: House, name: str = "demo", *, vectors: bool = True) -> bytes:
    return b"".join([piece async for piece in exporter(house).export("default", name, vectors=vectors)])


async def pieces(data: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def taken(house: House, data: bytes, name: str = "copy", tenant: str = "default", model: str = "") -> Imported:
    return await importer(house).take(tenant, name, model, pieces(data, 1000))


def text(number: int, sentences: int = 40) -> str:
    words = random.Random(number)
    lines = (" ".join(words.choices(WORDS, k=9)).capitalize() + "." for _ in range(sentences))
    return f"# Chapter {number}\n\n" + "\n\n".join(lines)


async def filled(house: House, documents: int = 5) -> None:
    for number in range(documents):
        await house.ingest(text(number), f"d{number}", lang="en", number=str(number))
    await house.ingest(text(99), "d1", lang="de")


async def hits(house: House, name: str, tenant: str = "default") -> list[tuple[object, ...]]:
    """All passages with their scores, by meaning and by words."""
    found: list[tuple[object, ...]] = []
    for retriever in ("dense", "sparse"):
        hits = await house.search(Query(tenant, name, "the storm and the keeper", 500, retriever=retriever))
        hits.sort(key=lambda hit: (hit.piece.document_id, hit.piece.index))
        found += [(retriever, hit.piece, round(hit.score, 5), round(hit.similarity, 5)) for hit in hits]
    return found


async def rows(house: House) -> list[int]:
    async with house.database.read() as connection:
        counts = [select(func.count()).select_from(table) for table in (DOCUMENTS, VERSIONS, REMOVALS)]
        return [(await connection.execute(query)).scalar_one() for query in counts]


def points(house: House) -> int:
    return sum(len(space) for space in house.vectors._spaces.values())


def rewritten(data: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """The file with changed members, and the digest that it had."""
    made = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            content = archive.extractfile(info)
            assert content is not None
            changed = change(info.name, content.read())
            if changed is not None:
                made.append(member(info.name, changed))
    return b"".join(made) + end()
