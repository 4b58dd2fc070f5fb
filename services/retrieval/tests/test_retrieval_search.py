"""Searching: retrievers, fusion, diversity, thresholds, filters, reranking."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo_common.errors import InvalidField, OloError, StartupError, Unavailable
from olo_retrieval.adapters.retriever_plugins import all_retrievers
from olo_retrieval.convert import query_of
from olo_retrieval.convert_filter import MOST_COMPARISONS, MOST_VALUES, filter_of
from olo_retrieval.errors import FilterInvalid, SparseUnavailable
from olo_retrieval.filters import METADATA, Not, OneOf
from olo_retrieval.ports import Index
from olo_retrieval.searching.diversity import diversified
from olo_retrieval.searching.fusion import RRF_K, fuse
from olo_retrieval.searching.retrievers import Dense
from olo_retrieval.searching.searcher import Query, Searcher
from olo_retrieval.types import Hit, Piece, Ranking

if TYPE_CHECKING:
    from conftest import House


def hit(name: str, similarity: float = 0.5, vector: list[float] | None = None) -> Hit:
    return Hit(Piece(name, 1, 0, 0, 1, "", "", name), similarity, vector, similarity)


def names(hits: list[Hit]) -> list[str]:
    return [found.piece.document_id for found in hits]


# Fusion

_rankings = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8), min_size=1, max_size=4)


@given(_rankings)
def test_fusion_is_the_sum_of_reciprocal_ranks(rankings: list[list[str]]) -> None:
    fused = fuse([[hit(name) for name in ranking] for ranking in rankings])
    expected = {
        name: sum(1 / (RRF_K + ranking.index(name) + 1) for ranking in rankings if name in ranking)
        for name in {name for ranking in rankings for name in ranking}
    }
    best = len(rankings) / (RRF_K + 1)
    assert {found.piece.document_id: found.score for found in fused} == pytest.approx(
        {name: score / best for name, score in expected.items()}
    )
    assert [found.score for found in fused] == sorted((found.score for found in fused), reverse=True)
    assert all(0 < found.score <= 1 + 1e-9 for found in fused)


@given(_rankings.filter(lambda rankings: len(rankings) == 1))
def test_fusing_one_ranking_keeps_it(rankings: list[list[str]]) -> None:
    assert names(fuse([[hit(name) for name in rankings[0]]])) == rankings[0]


# Diversity


def test_diversity_prefers_what_is_new() -> None:
    same, other = [1.0, 0.0], [0.0, 1.0]
    hits = [hit("first", 0.9, same), hit("copy", 0.89, same), hit("other", 0.5, other)]
    assert names(diversified(hits, 2, 0.5)) == ["first", "other"]
    assert names(diversified(hits, 2, 1.0)) == ["first", "copy"]
    assert names(diversified(hits, 9, 0.5)) == ["first", "other", "copy"]
    assert diversified([], 3, 0.5) == []


@given(st.lists(st.floats(-1, 1, width=16), unique=True, max_size=8), st.integers(1, 10))
def test_relevance_alone_is_the_order_of_cosines(cosines: list[float], count: int) -> None:
    hits = [hit(str(n), cosine, [1.0, 0.0]) for n, cosine in enumerate(cosines)]
    chosen = [found.similarity for found in diversified(hits, count, 1.0)]
    assert chosen == sorted(chosen, reverse=True)
    assert len(chosen) == min(count, len(hits))


# The searcher

BEES = "A hive of bees makes honey."
FERRY = "The ferry to Lindwall leaves at six."
FERRY_AGAIN = "The ferry to Lindwall leaves at six, every day of the week but sunday."


async def filled(house: House) -> None:
    await house.ingest(BEES, "bees", lang="en", year="2001")
    await house.ingest(FERRY, "ferry", lang="en", year="1999")
    await house.ingest(FERRY_AGAIN, "again", lang="de")


@pytest.mark.parametrize("retriever", ["dense", "sparse", "hybrid"])
async def test_each_retriever_finds_and_says_how_alike(house: House, retriever: str) -> None:
    await filled(house)
    found = await house.searcher.search(Query("default", "demo", "ferry lindwall leaves", 2, retriever=retriever))
    assert found.retriever == retriever
    assert set(names(found.hits)) == {"ferry", "again"}
    assert [h.score for h in found.hits] == sorted((h.score for h in found.hits), reverse=True)
    dense = await house.search(Query("default", "demo", "ferry lindwall leaves", 2, retriever="dense"))
    assert {h.piece.document_id: h.similarity for h in found.hits} == pytest.approx(
        {h.piece.document_id: h.similarity for h in dense}, abs=1e-5
    )


@pytest.mark.parametrize("retriever", ["dense", "sparse", "hybrid"])
async def test_the_threshold_is_a_cosine_whatever_the_retriever(house: House, retriever: str) -> None:
    await filled(house)
    everything = await house.search(Query("default", "demo", "ferry leaves", 3, retriever=retriever))
    line = max(h.similarity for h in everything)
    kept = await house.search(Query("default", "demo", "ferry leaves", 3, line, retriever=retriever))
    assert names(kept) == ["ferry"]
    assert await house.search(Query("default", "demo", "ferry leaves", 3, 1.1, retriever=retriever)) == []


async def test_only_documents_that_the_filter_allows(house: House) -> None:
    await filled(house)
    german = Query("default", "demo", "ferry", 3, filter=OneOf(METADATA + "lang", ("de",)))
    assert names(await house.search(german)) == ["again"]
    others = Query("default", "demo", "ferry", 3, filter=Not(OneOf(METADATA + "lang", ("de",))))
    assert set(names(await house.search(others))) == {"ferry", "bees"}


async def test_diverse_passages_come_from_a_larger_pool(house: House) -> None:
    await filled(house)
    alike = await house.search(Query("default", "demo", "ferry lindwall leaves", 2, mmr_lambda=1.0))
    diverse = await house.search(Query("default", "demo", "ferry lindwall leaves", 2, mmr_lambda=0.0))
    assert set(names(alike)) == {"ferry", "again"}
    assert names(diverse) == ["ferry", "bees"]


async def test_the_reranker_orders_anew(house: House) -> None:
    await filled(house)
    reranked = await house.search(Query("default", "demo", "ferry lindwall leaves sunday", 2, rerank=True))
    assert [h.piece.text for h in reranked] == [BEES, FERRY]
    assert [h.score for h in reranked] == [-len(BEES), -len(FERRY)]


async def test_a_word_that_meaning_misses_is_found_by_the_hybrid(house: House) -> None:
    await house.ingest("Part XJ-9041 fits the pump.", "part")
    await house.ingest("The pump needs oil every month.", "oil")
    assert names(await house.search(Query("default", "demo", "xj-9041", 1))) == ["part"]


async def test_without_sparse_vectors_only_meaning_is_left(house: House) -> None:
    await filled(house)
    searcher = Searcher(
        house.collections, house.versions, house.vectors, house.embedder, house.recovery.complete,
        retrievers=all_retrievers([]), default="dense", sparse=False,
    )  # fmt: skip
    assert names((await searcher.search(Query("default", "demo", "bees", 1))).hits) == ["bees"]
    for retriever in ("sparse", "hybrid"):
        with pytest.raises(SparseUnavailable):
            await searcher.search(Query("default", "demo", "bees", 1, retriever=retriever))


# Plug-ins


class Loudest:
    """Finds the text in capitals."""

    async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
        return Ranking(await index.sparse(text.upper(), limit), complete=True)


def entry(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{attribute}", "olo.retrievers")


def test_an_entry_point_adds_a_retriever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.value.partition(":")[2]])
    assert isinstance(all_retrievers([entry("loudest", "Loudest")])["loudest"], Loudest)
    with pytest.raises(StartupError, match="two retrievers dense"):
        all_retrievers([entry("dense", "Loudest")])
    with pytest.raises(StartupError, match="broken"):
        all_retrievers([entry("broken", "Missing")])


async def test_a_store_that_does_not_answer_is_unavailable(house: House) -> None:
    await filled(house)
    async with house.database.write() as connection:
        await connection.execute(text("DROP TABLE documents"))
    with pytest.raises(Unavailable):
        await house.search(Query("default", "demo", "bees", 1))


async def test_what_is_not_installed_is_refused(house: House) -> None:
    with pytest.raises(InvalidField, match="is none of dense, hybrid, sparse"):
        await house.search(Query("default", "demo", "x", 1, retriever="loudest"))


async def test_a_retriever_cannot_leave_its_collection(house: House) -> None:
    await house.curation.create_collection("other", "demo", "")
    await house.ingest(BEES, "theirs", tenant="other")
    await house.ingest(FERRY, "mine")
    reached: list[str] = []

    class Nosy(Dense):
        async def retrieve(self, index: Index, text: str, limit: int) -> Ranking:
            for search in (index.dense, index.sparse):
                reached.extend(names(await search("bees honey hive ferry", 1000)))
            return await super().retrieve(index, text, limit)

    searcher = Searcher(
        house.collections, house.versions, house.vectors, house.embedder, house.recovery.complete,
        retrievers={"nosy": Nosy()}, default="nosy",
    )  # fmt: skip
    await searcher.search(Query("default", "demo", "bees", 5))
    assert set(reached) == {"mine"}


# Filters of requests


def comparison(
    key: str = "lang", operator: pb.FilterOperator = pb.FILTER_OPERATOR_IN, values: tuple[str, ...] = ("en",)
) -> pb.Filter:
    return pb.Filter(comparison=pb.FilterComparison(key=key, operator=operator, values=values))


def deep(levels: int) -> pb.Filter:
    made = comparison()
    for _ in range(levels - 1):
        made = pb.Filter(all=pb.FilterGroup(filters=[made]))
    return made


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.Filter(), "filter"),
        (pb.Filter(all=pb.FilterGroup()), "filter.all"),
        (pb.Filter(any=pb.FilterGroup(filters=[comparison(), pb.Filter()])), "filter.any[1]"),
        (deep(5), "filter.all[0].all[0].all[0].all[0]"),
        (pb.Filter(any=pb.FilterGroup(filters=[comparison()] * (MOST_COMPARISONS + 1))), "filter"),
        (comparison(values=()), "filter.comparison.values"),
        (comparison(values=("x",) * (MOST_VALUES + 1)), "filter.comparison.values"),
        (comparison(values=("x" * 1025,)), "filter.comparison.values"),
        (comparison(values=("a\0b",)), "filter.comparison.values"),
        (comparison(operator=pb.FILTER_OPERATOR_UNSPECIFIED), "filter.comparison.operator"),
        (comparison(operator=pb.FILTER_OPERATOR_LESS, values=("1", "2")), "filter.comparison.values"),
        (comparison(operator=pb.FILTER_OPERATOR_LESS, values=("soon",)), "filter.comparison.values"),
        (comparison(operator=pb.FILTER_OPERATOR_LESS, values=("nan",)), "filter.comparison.values"),
        *[
            (comparison(key=key), "filter.comparison.key")
            for key in ("", "a.b", "a[]", 'a"', "a'", "a b", "x" * 65, "a\n", "-a", "$.tenant", "ä")
        ],
    ],
)
def test_filters_that_cannot_be_run(message: pb.Filter, field: str) -> None:
    with pytest.raises(FilterInvalid) as caught:
        filter_of(message)
    assert (caught.value.field, caught.value.reason) == (field, "filter_invalid")


def test_a_filter_reaches_metadata_alone() -> None:
    assert filter_of(comparison(key="tenant")) == OneOf("metadata.tenant", ("en",))
    assert filter_of(deep(4)) is not None


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (pb.SearchRequest(collection="demo", query="x", mmr_lambda=1.5), "mmr_lambda"),
        (pb.SearchRequest(collection="demo", query="x", mmr_lambda=float("nan")), "mmr_lambda"),
        (pb.SearchRequest(collection="demo", query="x", mmr_lambda=0.5, rerank=True), "mmr_lambda"),
        (pb.SearchRequest(collection="demo", query="x", retriever="x" * 65), "retriever"),
        (pb.SearchRequest(collection="demo", query="x", filter=pb.Filter()), "filter"),
    ],
)
def test_bad_searches(request_message: pb.SearchRequest, field: str) -> None:
    with pytest.raises(OloError) as caught:
        query_of(request_message)
    assert caught.value.field == field
