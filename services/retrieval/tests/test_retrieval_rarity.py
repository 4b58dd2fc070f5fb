"""What a store remembers of its terms is what they weigh now."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import qdrant_edge as engine
from store_parts import EAST, MINE, MODEL, NORTH, OTHERS, opened, piece, words

from olo_retrieval.adapters.vectors import edge_terms
from olo_retrieval.adapters.vectors.fake import FakeStore
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.adapters.vectors.rarity import Rarity
from olo_retrieval.filters import METADATA, OneOf
from olo_retrieval.ports import VectorStore
from olo_retrieval.types import HybridProbe, Point, Selection, SparseVector


@pytest.mark.parametrize("kind", ["memory", "edge", "sqlite"])
async def test_terms_weigh_what_they_weigh_now_whatever_was_learnt_of_them(kind: str, tmp_path: Path) -> None:
    draw = random.Random(7)
    async with AsyncExitStack() as stack:
        store, truth = await opened(kind, tmp_path, stack, IndexOptions()), FakeStore()

        async def scores(asked: VectorStore, probe: SparseVector, scope: Selection) -> dict[str, float]:
            return {hit.piece.document_id: hit.score for hit in await asked.search(MODEL, scope, probe, 50)}

        for _ in range(25):
            scope = draw.choice([MINE, *OTHERS])
            if draw.random() < 0.3:
                gone = replace(scope, document_id=f"d{draw.randrange(8)}")
                for each in (store, truth):
                    await each.delete(MODEL, gone)
            else:
                terms = SparseVector(sorted(draw.sample(range(9), 3)), [draw.uniform(0.5, 2.0) for _ in range(3)])
                new = Point(piece(f"d{draw.randrange(8)}", lang=draw.choice(["en", "de"])), EAST, terms)
                for each in (store, truth):
                    await each.upsert(MODEL, scope, [new])
            for _ in range(4):
                probe = SparseVector(sorted(draw.sample(range(10), 3)), [draw.uniform(0.5, 2.0) for _ in range(3)])
                part = draw.choice([MINE, replace(MINE, filter=OneOf(METADATA + "lang", ("en",)))])
                expected = await scores(truth, probe, part)
                assert await scores(store, probe, part) == pytest.approx(expected, rel=1e-4)
                found = await store.search_hybrid(MODEL, part, HybridProbe(NORTH, probe, 50, 50))
                assert expected.keys() <= {hit.piece.document_id for hit in found}


async def test_the_rarity_of_terms_is_not_counted_again_until_something_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[object] = []

    def counting_in(corpus: engine.Filter) -> engine.SearchParams:
        if not any(isinstance(condition, engine.HasIdCondition) for condition in corpus.must or ()):
            counted.append(corpus)
        return engine.SearchParams(idf=engine.IdfParams(corpus))

    monkeypatch.setattr(edge_terms, "_counting_in", counting_in)
    async with open_vectors(f"edge:{tmp_path}/vectors", None, IndexOptions()) as store:

        async def counts(probe: SparseVector, scope: Selection = MINE) -> bool:
            before = len(counted)
            await store.search(MODEL, scope, probe, 5)
            return len(counted) > before

        async def write(scope: Selection) -> None:
            await store.upsert(MODEL, scope, [Point(piece("a"), EAST, words(1, 2))])

        for scope in (MINE, OTHERS[0]):
            await write(scope)
        # The first search learns nothing, the second what it has asked for; 8 is a term that no point has.
        assert [await counts(words(1, 2, 8)) for _ in range(4)] == [True, True, False, False]
        assert [await counts(words(2, 3)) for _ in range(2)] == [True, False]
        await write(OTHERS[0])
        assert not await counts(words(1))
        await write(MINE)
        assert [await counts(words(1)) for _ in range(3)] == [True, True, False]
        await store.delete(MODEL, Selection("mine", "c1", "a"))
        assert await counts(words(1))
        assert not await counts(words())


def test_what_was_counted_while_something_was_written_is_not_remembered() -> None:
    rarity, corpus, other = Rarity(), ("space", MINE), ("space", OTHERS[0])
    assert rarity.of(corpus) is None
    known = rarity.of(corpus)
    assert known == {}
    rarity.forget(corpus)
    rarity.learn(corpus, known, {1: 0.5})
    assert rarity.of(corpus) is None
    known = rarity.of(corpus)
    assert known == {}
    rarity.forget(other)
    rarity.learn(corpus, known, {1: 0.5})
    assert rarity.of(corpus) == {1: 0.5}


def test_what_is_remembered_is_bounded() -> None:
    rarity, corpus = Rarity(), ("space", MINE)
    rarity.of(corpus)
    known = rarity.of(corpus)
    assert known is not None
    rarity.learn(corpus, known, dict.fromkeys(range(100_000), 1.0))
    assert len(known) == 100_000
    rarity.learn(corpus, known, {-1: 1.0})
    assert rarity.of(corpus) is None
