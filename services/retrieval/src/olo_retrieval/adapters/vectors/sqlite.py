"""Points in one SQLite file, for owners without Qdrant: every search reads all vectors of the collection.

Dense vectors are compared by the extension sqlite-vec. Sparse ones are an inverted index: a row for each term of a
point. Statements are put together of fixed parts; what comes from outside is bound.
"""

# ruff: noqa: S608 - see above

from __future__ import annotations

import json
import math
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import apsw
import sqlite_vec

from olo_common.errors import StartupError
from olo_retrieval.adapters.vectors.points import IndexOptions, fused_hits, payload_of, piece_of, space_of
from olo_retrieval.adapters.vectors.scope import condition_of, corpus_of
from olo_retrieval.adapters.vectors.sqlite_filter import Bound, sql_of
from olo_retrieval.adapters.vectors.threads import StoreThreads
from olo_retrieval.types import EmbeddingModel, Hit, HybridProbe, Point, Selection, SparseVector, Vector

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS points (
    id INTEGER PRIMARY KEY,
    space TEXT NOT NULL, tenant TEXT NOT NULL, collection TEXT NOT NULL,
    document_id TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL,
    dense BLOB NOT NULL, payload TEXT NOT NULL,
    UNIQUE (space, tenant, collection, document_id, version, position)
);
CREATE TABLE IF NOT EXISTS terms (
    term INTEGER NOT NULL, point INTEGER NOT NULL REFERENCES points (id) ON DELETE CASCADE, weight REAL NOT NULL,
    PRIMARY KEY (term, point)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS terms_of_point ON terms (point);
"""
_WRITE: Final = """
INSERT INTO points (space, tenant, collection, document_id, version, position, dense, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
_BUSY_MS: Final = 5_000


class SqliteStore:
    """A VectorStore. One thread owns the connection."""

    def __init__(self, connection: apsw.Connection, threads: StoreThreads, options: IndexOptions) -> None:
        self._connection = connection
        self._threads = threads
        self._options = options

    async def upsert(self, model: EmbeddingModel, scope: Selection, points: Sequence[Point]) -> None:
        """Writes points into the tenant and collection of the scope, all or none."""
        space = space_of(model, self._options)

        def upsert() -> None:
            with self._connection:
                for point in points:
                    self._write(space, scope, point)

        await self._threads.run(upsert)

    async def search(
        self,
        model: EmbeddingModel,
        selection: Selection,
        probe: Vector | SparseVector,
        limit: int,
        *,
        with_vectors: bool = False,
    ) -> list[Hit]:
        """The points of the selection that are nearest to the probe, best first."""
        return await self._threads.run(lambda: self._search(model, selection, probe, limit, with_vectors))

    async def search_hybrid(self, model: EmbeddingModel, selection: Selection, probe: HybridProbe) -> list[Hit]:
        """Both searches in one visit, fused by ranks."""

        def search() -> list[Hit]:
            near = self._search(model, selection, probe.dense, probe.limit, probe.with_vectors)
            return fused_hits(near, self._search(model, selection, probe.sparse, probe.limit, True), probe)

        return await self._threads.run(search)

    async def count(self, model: EmbeddingModel, selection: Selection) -> int:
        """The number of points in the selection."""
        return await self._threads.run(lambda: self._count(model, selection))

    async def read(self, model: EmbeddingModel, selection: Selection) -> list[Point]:
        """The points of the selection with both of their vectors, by number."""
        where, bound = self._where(model, selection)

        def read() -> list[Point]:
            query = f"SELECT id, payload, dense FROM points WHERE {where} ORDER BY version, position"
            rows = self._connection.execute(query, bound).fetchall()
            return [Point(piece_of(json.loads(str(p))), _row(dense), self._terms(row)) for row, p, dense in rows]

        return await self._threads.run(read)

    async def delete(self, model: EmbeddingModel, selection: Selection) -> None:
        """Deletes the points of the selection."""
        where, bound = self._where(model, selection)
        await self._threads.run(lambda: self._connection.execute(f"DELETE FROM points WHERE {where}", bound))

    async def is_empty(self, model: EmbeddingModel) -> bool:
        """Whether the model's space holds no point at all."""
        query, space = "SELECT EXISTS (SELECT 1 FROM points WHERE space = ?)", space_of(model, self._options)
        return await self._threads.run(lambda: not self._connection.execute(query, (space,)).get)

    def _search(
        self, model: EmbeddingModel, selection: Selection, probe: Vector | SparseVector, limit: int, with_vectors: bool
    ) -> list[Hit]:
        where, bound = self._where(model, selection)
        if isinstance(probe, SparseVector):
            weights = self._weights(model, selection, probe)
            ranked = _SPARSE.format(where=where, marks=", ".join(["(?, ?)"] * len(weights)) or "(-1, 0.0)")
            values: list[Bound | bytes] = [part for pair in weights for part in pair]
        else:
            ranked, values = _DENSE.format(where=where), [_blob(probe)]
        rows = self._connection.execute(_FOUND.format(ranked=ranked), [*values, *bound, limit])
        return [
            Hit(piece_of(json.loads(str(payload))), float(score), _row(dense) if with_vectors else None)
            for payload, dense, score in rows
        ]

    def _write(self, space: str, scope: Selection, point: Point) -> None:
        piece = point.piece
        key = (space, scope.tenant, scope.collection_uid, piece.document_id, piece.version, piece.index)
        same = "space = ? AND tenant = ? AND collection = ? AND document_id = ? AND version = ? AND position = ?"
        self._connection.execute(f"DELETE FROM points WHERE {same}", key)
        payload = json.dumps(payload_of(scope, piece), ensure_ascii=False)
        row = self._connection.execute(_WRITE, (*key, _unit_blob(point.dense), payload)).get
        if point.sparse is not None:
            terms = (
                (term, row, weight) for term, weight in zip(point.sparse.indices, point.sparse.values, strict=True)
            )
            self._connection.executemany("INSERT INTO terms (term, point, weight) VALUES (?, ?, ?)", terms)

    def _terms(self, row: object) -> SparseVector | None:
        """The sparse vector of a row; one without terms cannot be told from none."""
        query = "SELECT term, weight FROM terms WHERE point = ? ORDER BY term"
        terms = [(int(str(term)), float(str(weight))) for term, weight in self._connection.execute(query, (row,))]
        return SparseVector(*zip(*terms, strict=True)) if terms else None

    def _weights(self, model: EmbeddingModel, selection: Selection, probe: SparseVector) -> list[tuple[int, float]]:
        """The terms of a probe, weighted by their rarity in the collection."""
        terms = list(zip(probe.indices, probe.values, strict=True))
        if not self._options.idf:
            return terms
        corpus = corpus_of(selection)
        where, bound = self._where(model, corpus)
        total = self._count(model, corpus)
        query = f"SELECT count(*) FROM terms JOIN points ON points.id = terms.point WHERE terms.term = ? AND {where}"
        weighted = []
        for term, weight in terms:
            having = int(str(self._connection.execute(query, (term, *bound)).get))
            weighted.append((term, weight * math.log((total - having + 0.5) / (having + 0.5) + 1)))
        return weighted

    def _count(self, model: EmbeddingModel, selection: Selection) -> int:
        where, bound = self._where(model, selection)
        return int(str(self._connection.execute(f"SELECT count(*) FROM points WHERE {where}", bound).get))

    def _where(self, model: EmbeddingModel, selection: Selection) -> tuple[str, list[Bound]]:
        text, values = sql_of(condition_of(selection))
        return f"points.space = ? AND {text}", [space_of(model, self._options), *values]


# The sorter carries ids and scores alone; what is long is read for the few that are left.
_FOUND: Final = """
WITH ranked AS ({ranked})
SELECT points.payload, points.dense, ranked.score FROM ranked JOIN points ON points.id = ranked.id
ORDER BY ranked.score DESC, ranked.id
"""
_DENSE: Final = """
SELECT points.id AS id, 1.0 - vec_distance_cosine(points.dense, ?) AS score FROM points WHERE {where}
ORDER BY score DESC, id LIMIT ?
"""
_SPARSE: Final = """
SELECT points.id AS id, SUM(terms.weight * probe.column2) AS score
FROM (VALUES {marks}) AS probe JOIN terms ON terms.term = probe.column1 JOIN points ON points.id = terms.point
WHERE {where} GROUP BY points.id ORDER BY score DESC, id LIMIT ?
"""


@asynccontextmanager
async def open_sqlite(path: Path, options: IndexOptions) -> AsyncIterator[SqliteStore]:
    """The store in a file, made with its directory if it is missing, closed afterwards.

    Raises:
        StartupError: The file cannot be written, or another process uses it.
    """
    threads = StoreThreads(1, lambda error: isinstance(error, apsw.Error))
    try:
        try:
            connection = await threads.raw(lambda: _connect(path))
        except (OSError, apsw.Error):
            raise StartupError(
                f"the vector store {path} cannot be opened; make it writable, stop the process that uses it, or set "
                "another OLO_RETRIEVAL_VECTOR_STORE"
            ) from None
        try:
            yield SqliteStore(connection, threads, options)
        finally:
            await threads.raw(connection.close)
    finally:
        threads.close()


def _connect(path: Path) -> apsw.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.enable_load_extension(False)
    for pragma in ("journal_mode = wal", "synchronous = normal", "foreign_keys = on"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute(_SCHEMA)
    return connection


def _blob(vector: Vector) -> bytes:
    return array("f", vector).tobytes()


def _unit_blob(vector: Vector) -> bytes:
    norm = math.hypot(*vector) or 1.0
    return array("f", [value / norm for value in vector]).tobytes()


def _row(blob: object) -> list[float]:
    assert isinstance(blob, bytes)
    return array("f", blob).tolist()
