"""The contract of a vector store, on the fake and on every store that is offered."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_parts import EAST, KINDS, MINE, MODEL, NORTH, OTHERS, opened, piece, words

from olo_common.errors import StartupError, Unavailable
from olo_retrieval.adapters.vectors import edge, fake, qdrant, sqlite
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions, space_of
from olo_retrieval.adapters.vectors.scope import condition_of
from olo_retrieval.filters import METADATA, All, Any, Compare, Filter, Not, OneOf, Order, holds
from olo_retrieval.ports import VectorStore
from olo_retrieval.searching.fusion import fused_ranks
from olo_retrieval.types import EmbeddingModel, HybridProbe, Point, Selection, SparseVector, Vector

STORES = {"fake": fake, "memory": qdrant, "edge": edge, "sqlite": sqlite}


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    async with AsyncExitStack() as stack:
        yield await opened(request.param, tmp_path, stack, IndexOptions())


async def names(
    store: VectorStore, probe: Vector | SparseVector, scope: Selection = MINE, limit: int = 10
) -> list[str]:
    return [hit.piece.document_id for hit in await store.search(MODEL, scope, probe, limit)]


async def test_nothing_is_no_error(store: VectorStore) -> None:
    assert await store.is_empty(MODEL)
    assert await names(store, EAST) == await names(store, words(1)) == []
    assert await store.count(MODEL, MINE) == 0
    await store.delete(MODEL, MINE)


async def test_best_first_and_limited(store: VectorStore) -> None:
    near = Point(replace(piece("near"), metadata={"lang": "en", "year": "1999"}), [1.0, 0.1])
    await store.upsert(MODEL, MINE, [near, Point(piece("far"), NORTH), Point(piece("middle"), [1.0, 1.0])])
    hits = await store.search(MODEL, MINE, EAST, 5)
    assert [hit.piece for hit in hits] == [near.piece, piece("middle"), piece("far")]
    assert hits[1].score == pytest.approx(2**-0.5, abs=1e-5)
    assert await names(store, EAST, limit=2) == ["near", "middle"]


async def test_vectors_come_where_they_are_asked_for_at_unit_length(store: VectorStore) -> None:
    await store.upsert(MODEL, MINE, [Point(piece("a"), [0.6, 0.8], words(7))])
    for probe in (EAST, words(7)):
        [bare] = await store.search(MODEL, MINE, probe, 1)
        [hit] = await store.search(MODEL, MINE, probe, 1, with_vectors=True)
        assert bare.vector is None
        assert hit.vector == pytest.approx([0.6, 0.8], abs=1e-5)


async def test_a_hybrid_search_is_both_searches_fused_with_cosines(store: VectorStore) -> None:
    texts = {"a": ([1.0, 0.0], words(1, 9)), "b": ([0.6, 0.8], words(1)), "c": (NORTH, words(1, 2)), "d": (NORTH, None)}
    await store.upsert(MODEL, MINE, [Point(piece(name), *vectors) for name, vectors in texts.items()])
    for scope in OTHERS:
        await store.upsert(MODEL, scope, [Point(piece("theirs"), EAST, words(1, 2))])
    cosine = {"a": 1.0, "b": 0.6, "c": 0.0, "d": 0.0}
    for limit, terms in ((2, words(1, 2)), (4, words(2)), (3, words(77)), (3, SparseVector([], []))):
        near = await names(store, EAST, limit=limit)
        sharing = await names(store, terms, limit=limit)
        expected = fused_ranks([near, sharing])
        for most in (1, limit, 2 * limit):
            hits = await store.search_hybrid(MODEL, MINE, HybridProbe(EAST, terms, limit, most))
            assert [hit.piece.document_id for hit in hits] == [name for name, _ in expected][:most]
            assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected][:most])
            assert [hit.similarity for hit in hits] == pytest.approx(
                [cosine[hit.piece.document_id] for hit in hits], abs=1e-5
            )
            assert [hit.piece for hit in hits] == [piece(hit.piece.document_id) for hit in hits]


async def test_the_vectors_of_a_hybrid_search(store: VectorStore) -> None:
    await store.upsert(MODEL, MINE, [Point(piece("a"), [0.6, 0.8], words(7)), Point(piece("b"), EAST)])
    hits = await store.search_hybrid(MODEL, MINE, HybridProbe(EAST, words(7), 1, 2, with_vectors=True))
    vectors = {hit.piece.document_id: hit.vector for hit in hits}
    assert vectors == {"a": pytest.approx([0.6, 0.8], abs=1e-5), "b": pytest.approx(EAST, abs=1e-5)}
    assert await store.search_hybrid(EmbeddingModel("none", 2), MINE, HybridProbe(EAST, words(7), 1, 2)) == []


async def test_rare_terms_weigh_more(store: VectorStore) -> None:
    texts = {"both": words(1, 2), "common": words(1, 5), "also": words(1), "rare": words(2, 6), "none": words(9)}
    await store.upsert(MODEL, MINE, [Point(piece(name), EAST, sparse) for name, sparse in texts.items()])
    hits = await store.search(MODEL, MINE, words(1, 2), 10)
    assert [hit.piece.document_id for hit in hits][:2] == ["both", "rare"]
    assert {hit.piece.document_id for hit in hits[2:]} == {"common", "also"}
    weight = {count: math.log((5 - count + 0.5) / (count + 0.5) + 1) for count in (2, 3)}
    assert [hit.score for hit in hits] == pytest.approx(
        [weight[2] + weight[3], weight[2], weight[3], weight[3]], rel=1e-4
    )


async def test_rarity_is_counted_in_the_collection_alone(store: VectorStore) -> None:
    mine = [Point(piece("a"), EAST, words(1, 8)), Point(piece("b"), EAST, words(2, 8))]
    await store.upsert(MODEL, MINE, mine)
    before = [hit.score for hit in await store.search(MODEL, MINE, words(1, 2), 5)]
    noise = [Point(piece(f"n{index}"), EAST, words(1)) for index in range(20)]
    for scope in OTHERS:
        await store.upsert(MODEL, scope, noise)
    assert [hit.score for hit in await store.search(MODEL, MINE, words(1, 2), 5)] == pytest.approx(before)


@pytest.mark.parametrize("kind", KINDS)
async def test_terms_that_the_model_has_weighed_are_left_as_they_are(kind: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        store = await opened(kind, tmp_path, stack, IndexOptions(idf=False))
        points = [Point(piece("a"), EAST, SparseVector([1], [2.0])), Point(piece("b"), EAST, SparseVector([1], [3.0]))]
        await store.upsert(MODEL, MINE, points)
        hits = await store.search(MODEL, MINE, SparseVector([1], [0.5]), 5)
        assert [(hit.piece.document_id, hit.score) for hit in hits] == [("b", 1.5), ("a", 1.0)]


async def test_points_without_terms_are_found_by_meaning_alone(store: VectorStore) -> None:
    await store.upsert(MODEL, MINE, [Point(piece("a"), EAST), Point(piece("b"), EAST, SparseVector([], []))])
    assert set(await names(store, EAST)) == {"a", "b"}
    assert await names(store, words(1)) == []


async def test_the_same_piece_again_replaces_its_point(store: VectorStore) -> None:
    await store.upsert(MODEL, MINE, [Point(piece("a"), EAST, words(1, 2))])
    await store.upsert(MODEL, MINE, [Point(piece("a"), NORTH, words(2, 3))])
    [hit] = await store.search(MODEL, MINE, NORTH, 5)
    assert hit.score == pytest.approx(1.0)
    assert await names(store, words(1)) == []
    assert await names(store, words(2, 3)) == ["a"]


async def _reaches_across(store: VectorStore) -> bool:
    for scope in (MINE, *OTHERS):
        await store.upsert(MODEL, scope, [Point(piece(f"{scope.tenant}-{scope.collection_uid}"), EAST, words(1))])
    everything = replace(MINE, filter=Any((Not(OneOf(METADATA + "k", ("v",))), OneOf("tenant", ("theirs",)))))
    for scope in (MINE, everything):
        for probe in (EAST, words(1)):
            if await names(store, probe, scope) != ["mine-c1"] or await store.count(MODEL, scope) != 1:
                return True
        if len(await store.search_hybrid(MODEL, scope, HybridProbe(EAST, words(1), 10, 20))) != 1:
            return True
        if len(await store.read(MODEL, scope)) != 1:
            return True
    await store.delete(MODEL, MINE)
    return [await store.count(MODEL, scope) for scope in (MINE, *OTHERS)] != [0, 1, 1]


async def test_tenants_and_collections_are_apart(store: VectorStore) -> None:
    assert not await _reaches_across(store)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dropped", ["tenant", "collection"])
async def test_a_condition_that_forgets_one_is_noticed(
    kind: str, dropped: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mutated(selection: Selection) -> All:
        parts = condition_of(selection).parts
        return All(tuple(part for part in parts if not (isinstance(part, OneOf) and part.key == dropped)))

    monkeypatch.setattr(STORES[kind], "condition_of", mutated)
    async with AsyncExitStack() as stack:
        assert await _reaches_across(await opened(kind, tmp_path, stack, IndexOptions()))


async def test_selections(store: VectorStore) -> None:
    pieces = [piece("a", 1), piece("a", 2), piece("a", 3), piece("a", 3, 1), piece("b", 1)]
    await store.upsert(MODEL, MINE, [Point(p, EAST, words(4)) for p in pieces])
    assert await store.count(MODEL, Selection("mine", "c1", "a")) == 4
    assert await store.count(MODEL, Selection("mine", "c1", "a", 3)) == 2
    await store.delete(MODEL, Selection("mine", "c1", "a", up_to_version=2))
    for probe in (EAST, words(4)):
        hits = await store.search(MODEL, MINE, probe, 10)
        assert {hit.piece for hit in hits} == {piece("a", 3), piece("a", 3, 1), piece("b", 1)}
    await store.delete(MODEL, Selection("mine", "c1", "a", 3))
    assert await store.count(MODEL, MINE) == 1
    assert not await store.is_empty(MODEL)


async def test_points_are_read_back_whole_and_by_number(store: VectorStore) -> None:
    kept = [
        Point(replace(piece("a", 2, n), page=n, headings=("Top", "Sub"), parent="around"), [0.6, 0.8], words(n, n + 7))
        for n in range(5)
    ]
    await store.upsert(MODEL, MINE, [kept[3], kept[0], kept[4], kept[2], kept[1]])
    for scope in OTHERS:
        await store.upsert(MODEL, scope, kept)
    await store.upsert(MODEL, MINE, [Point(piece("a", 1), NORTH), Point(piece("b", 2), EAST)])
    version = Selection("mine", "c1", "a", 2)
    for expected, pieces in ((kept, None), (kept[1:3], range(1, 3)), (kept[4:], range(4, 9)), ([], range(5, 9))):
        found = await store.read(MODEL, replace(version, pieces=pieces))
        assert [point.piece for point in found] == [point.piece for point in expected]
        assert [_terms(point) for point in found] == [_terms(point) for point in expected]
        assert [list(point.dense) for point in found] == [pytest.approx([0.6, 0.8], abs=1e-6)] * len(expected)
    [bare] = await store.read(MODEL, Selection("mine", "c1", "a", 1))
    assert bare.sparse is None


def _terms(point: Point) -> dict[int, float]:
    assert point.sparse is not None
    return dict(zip(point.sparse.indices, point.sparse.values, strict=True))


async def test_models_are_apart(store: VectorStore) -> None:
    other = EmbeddingModel("org/model:v1", 3)
    await store.upsert(MODEL, MINE, [Point(piece("a"), EAST)])
    await store.upsert(other, MINE, [Point(piece("b"), [1.0, 0.0, 0.0])])
    assert [hit.piece.document_id for hit in await store.search(other, MINE, [1.0, 0.0, 0.0], 5)] == ["b"]


DOCUMENTS: list[dict[str, str]] = [
    {},
    {"lang": "en", "year": "1999"},
    {"lang": "de", "year": "2024.5"},
    {"lang": "en'); DROP TABLE points; --", "year": "-3"},
    {"lang": '"', "year": "soon", "odd key": "x"},
    {"lang": "", "year": "nan", "a.b": "en"},
    {"year": "1_000", "tenant": "theirs"},
]
_keys = st.sampled_from(["lang", "year", "tenant", "missing"]).map(lambda key: METADATA + key)
_values = st.sampled_from(["en", "de", "", '"', "1999", "en'); DROP TABLE points; --", "theirs", "%", "null"])
_leaves = st.builds(OneOf, _keys, st.lists(_values, min_size=1, max_size=3).map(tuple)) | st.builds(
    Compare, _keys, st.sampled_from(Order), st.sampled_from([-3.0, 0.0, 1000.0, 1999.0, 2024.5])
)


def _groups(parts: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.builds(All, several) | st.builds(Any, several) | st.builds(Not, parts)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_store_understands_a_filter_alike(kind: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        store = await opened(kind, tmp_path, stack, IndexOptions())
        points = [Point(piece(str(n), **metadata), EAST, words(1)) for n, metadata in enumerate(DOCUMENTS)]
        await store.upsert(MODEL, MINE, points)

        async def check(condition: Filter) -> None:
            expected = {
                str(number)
                for number, metadata in enumerate(DOCUMENTS)
                if holds(condition, {METADATA + key: value for key, value in metadata.items()})
            }
            scope = replace(MINE, filter=condition)
            assert set(await names(store, EAST, scope)) == expected
            assert set(await names(store, words(1), scope)) == expected

        for condition in _examples():
            await check(condition)
        assert await store.count(MODEL, MINE) == len(DOCUMENTS)


def _examples() -> Sequence[Filter]:
    """Filters of every shape, always the same ones."""
    found: list[Filter] = []

    @settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.recursive(_leaves, _groups, max_leaves=6))
    def collect(condition: Filter) -> None:
        found.append(condition)

    collect()
    assert len(found) >= 40
    return found


@pytest.mark.parametrize("kind", ["edge", "sqlite"])
async def test_a_disk_keeps_its_points(kind: str, tmp_path: Path) -> None:
    for expected in (1, 2):
        async with AsyncExitStack() as stack:
            store = await opened(kind, tmp_path, stack, IndexOptions())
            await store.upsert(MODEL, MINE, [Point(piece(f"d{expected}"), EAST, words(expected))])
            assert await store.count(MODEL, MINE) == expected
            assert await names(store, words(1)) == ["d1"]


async def test_what_was_deleted_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_OPTIMIZE_AFTER", 1200)
    async with edge.open_edge(tmp_path, IndexOptions()) as store:

        async def segments() -> set[str]:
            await store.settled()
            return {folder.name for folder in tmp_path.glob("*/segments/*")}

        for version in range(1, 5):
            await store.upsert(MODEL, MINE, [Point(piece("a", version, n), EAST, words(n)) for n in range(1200)])
            full = await segments()
            # What is deleted counts as what is written does: these are gone without a further document.
            await store.delete(MODEL, Selection("mine", "c1", "a", version))
            assert full.isdisjoint(await segments())
        assert len(await segments()) <= 2


async def test_a_directory_serves_one_process(tmp_path: Path) -> None:
    location = f"edge:{tmp_path}/vectors"
    async with open_vectors(location, None, IndexOptions()):
        with pytest.raises(StartupError, match="stop the process"):
            async with open_vectors(location, None, IndexOptions()):
                pass


@pytest.mark.parametrize("kind", ["edge", "sqlite"])
async def test_a_place_that_cannot_be_made_says_so(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match="OLO_RETRIEVAL_VECTOR_STORE"):
        async with open_vectors(f"{kind}:{tmp_path}/file/below", None, IndexOptions()):
            pass


async def test_a_server_that_is_away_is_unavailable() -> None:
    async with open_vectors("grpc://127.0.0.1:9", None, IndexOptions()) as store:
        with pytest.raises(Unavailable):
            await store.count(MODEL, MINE)


def test_names_of_spaces_differ_where_vectors_do() -> None:
    models = [EmbeddingModel(*key) for key in [("a/b", 2), ("a-b", 2), ("a/b", 3)]]
    options = [IndexOptions(), IndexOptions(idf=False), IndexOptions(quantized=True)]
    assert len({space_of(model, option) for model in models for option in options}) == 9
