"""The contract of a vector store, on the fake and on Qdrant in memory and in a directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from qdrant_client import models

from olo_common.errors import StartupError, Unavailable
from olo_retrieval.adapters import qdrant_store
from olo_retrieval.adapters.memory_store import MemoryStore
from olo_retrieval.adapters.qdrant_store import open_qdrant, space_of
from olo_retrieval.ports import VectorStore
from olo_retrieval.types import EmbeddingModel, Piece, Selection

MODEL = EmbeddingModel("org/model:v1", 2)
MINE = Selection("mine", "c1")
OTHERS = [Selection("theirs", "c1"), Selection("mine", "c2")]


def piece(document_id: str, version: int = 1, index: int = 0) -> Piece:
    text = f"{document_id} {version} {index}"
    return Piece(document_id, version, index, 3, 9, "Title", "source.md", text, 7, ["Above", "Near"], "around")


@pytest.fixture(params=["fake", "memory", "path"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    async with AsyncExitStack() as stack:
        if request.param == "fake":
            yield MemoryStore()
        else:
            location = "memory" if request.param == "memory" else f"path:{tmp_path}/vectors"
            yield await stack.enter_async_context(open_qdrant(location, None))


async def test_nothing_is_no_error(store: VectorStore) -> None:
    assert await store.is_empty(MODEL)
    assert await store.search(MODEL, MINE, [1.0, 0.0], 5, None) == []
    assert await store.count(MODEL, MINE) == 0
    await store.delete(MODEL, MINE)


async def test_best_first_limited_and_above_the_score(store: VectorStore) -> None:
    points = [(piece("near"), [1.0, 0.1]), (piece("far"), [0.0, 1.0]), (piece("middle"), [1.0, 1.0])]
    await store.upsert(MODEL, MINE, points)
    hits = await store.search(MODEL, MINE, [1.0, 0.0], 5, None)
    assert [hit.piece for hit in hits] == [piece("near"), piece("middle"), piece("far")]
    assert hits[1].score == pytest.approx(2**-0.5, abs=1e-5)
    assert [hit.piece.document_id for hit in await store.search(MODEL, MINE, [1.0, 0.0], 2, None)] == ["near", "middle"]
    assert [hit.piece.document_id for hit in await store.search(MODEL, MINE, [1.0, 0.0], 5, 0.9)] == ["near"]


async def test_the_same_piece_again_replaces_its_point(store: VectorStore) -> None:
    await store.upsert(MODEL, MINE, [(piece("a"), [1.0, 0.0])])
    await store.upsert(MODEL, MINE, [(piece("a"), [0.0, 1.0])])
    [hit] = await store.search(MODEL, MINE, [0.0, 1.0], 5, None)
    assert hit.score == pytest.approx(1.0)


async def _reaches_across(store: VectorStore) -> bool:
    for scope in (MINE, *OTHERS):
        await store.upsert(MODEL, scope, [(piece(f"{scope.tenant}-{scope.collection_uid}"), [1.0, 0.0])])
    hits = await store.search(MODEL, MINE, [1.0, 0.0], 10, None)
    if {hit.piece.document_id for hit in hits} != {"mine-c1"} or await store.count(MODEL, MINE) != 1:
        return True
    await store.delete(MODEL, MINE)
    return [await store.count(MODEL, scope) for scope in (MINE, *OTHERS)] != [0, 1, 1]


async def test_tenants_and_collections_are_apart(store: VectorStore) -> None:
    assert not await _reaches_across(store)


@pytest.mark.parametrize("dropped", ["tenant", "collection"])
async def test_a_filter_that_forgets_one_is_noticed(dropped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = qdrant_store.filter_of

    def mutated(selection: Selection) -> models.Filter:
        conditions = right(selection).must
        assert isinstance(conditions, list)
        return models.Filter(
            must=[c for c in conditions if not (isinstance(c, models.FieldCondition) and c.key == dropped)]
        )

    monkeypatch.setattr(qdrant_store, "filter_of", mutated)
    async with open_qdrant("memory", None) as store:
        assert await _reaches_across(store)


async def test_selections(store: VectorStore) -> None:
    pieces = [piece("a", 1), piece("a", 2), piece("a", 3), piece("a", 3, 1), piece("b", 1)]
    await store.upsert(MODEL, MINE, [(p, [1.0, 0.0]) for p in pieces])
    assert await store.count(MODEL, Selection("mine", "c1", "a")) == 4
    assert await store.count(MODEL, Selection("mine", "c1", "a", 3)) == 2
    await store.delete(MODEL, Selection("mine", "c1", "a", up_to_version=2))
    hits = await store.search(MODEL, MINE, [1.0, 0.0], 10, None)
    assert {hit.piece for hit in hits} == {piece("a", 3), piece("a", 3, 1), piece("b", 1)}
    await store.delete(MODEL, Selection("mine", "c1", "a", 3))
    assert await store.count(MODEL, MINE) == 1
    assert not await store.is_empty(MODEL)


async def test_models_are_apart(store: VectorStore) -> None:
    other = EmbeddingModel("org/model:v1", 3)
    await store.upsert(MODEL, MINE, [(piece("a"), [1.0, 0.0])])
    await store.upsert(other, MINE, [(piece("b"), [1.0, 0.0, 0.0])])
    assert [hit.piece.document_id for hit in await store.search(other, MINE, [1.0, 0.0, 0.0], 5, None)] == ["b"]


async def test_a_directory_keeps_its_points_and_serves_one_process(tmp_path: Path) -> None:
    location = f"path:{tmp_path}/vectors"
    async with open_qdrant(location, None) as store:
        await store.upsert(MODEL, MINE, [(piece("a"), [1.0, 0.0])])
        with pytest.raises(StartupError, match="stop the process"):
            async with open_qdrant(location, None):
                pass
    async with open_qdrant(location, None) as store:
        assert await store.count(MODEL, MINE) == 1


async def test_a_server_that_is_away_is_unavailable() -> None:
    async with open_qdrant("http://127.0.0.1:9", None) as store:
        with pytest.raises(Unavailable):
            await store.count(MODEL, MINE)


def test_names_of_spaces_differ_where_models_do() -> None:
    names = {space_of(EmbeddingModel(*key)) for key in [("a/b", 2), ("a-b", 2), ("a/b", 3)]}
    assert len(names) == 3
