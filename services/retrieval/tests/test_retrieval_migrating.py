"""A collection on its way to another index: what searches see at each step, after each crash, and beside ingests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from olo_common.errors import ErrorCode, RemoteError, Unavailable
from olo_retrieval.chunking import Chunking
from olo_retrieval.errors import (
    CollectionNotFound,
    IndexIncomplete,
    MigrationNotFound,
    MigrationOpen,
    MigrationStateWrong,
)
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.migrating.records import Migration, MigrationState
from olo_retrieval.searching.retrievers import HYBRID, own_retrievers
from olo_retrieval.searching.searcher import Query, Searcher
from olo_retrieval.types import EmbeddingModel, InputSide

if TYPE_CHECKING:
    from conftest import House

OLD, NEW = EmbeddingModel("hashing", 64), EmbeddingModel("finer", 64)
FERRY = "The ferry leaves at six."
LATER = "The ferry leaves at nine."
BEES = "A hive of bees makes honey."
S = MigrationState


def nothing() -> None:
    """Nobody waits for a sign of life."""


async def begin(house: House, model: str = "finer", **more: Any) -> Migration:
    wanted = {"model_id": model, "chunking": None, "min_overlap": 0.0, **more}
    return await house.control.start("default", "demo", **wanted)


async def now(house: House) -> Migration:
    return await house.control.get("default", "demo", "")


async def points(house: House, index_uid: str) -> dict[str, int]:
    """The points of an index in each model's space."""
    found = {}
    for model, space in house.vectors._spaces.items():
        count = sum(key[1] == index_uid for key in space)
        if count:
            found[model.model_id] = count
    return found


async def test_searches_see_the_old_index_until_the_new_one_is_whole(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    await house.ingest(BEES, "bees")
    migration = await begin(house)
    assert (migration.state, migration.documents_total, migration.documents_done) == (S.COPYING, 2, 0)
    assert house.starter.migrations == [migration.ref]
    before = await house.collections.get("default", "demo")
    await house.copier.copy(migration.other, "bees", 1, nothing)
    assert (await now(house)).documents_done == 1
    assert (await house.collections.get("default", "demo")) == before
    assert await house.find("ferry") == [FERRY, BEES]
    assert await house.migrator.move(migration.ref, nothing) is S.SERVING
    after = await house.collections.get("default", "demo")
    assert (after.model, after.index_uid) == (NEW, migration.target.index_uid)
    assert (after.document_count, after.chunk_count) == (2, 2)
    assert await house.find("ferry") == [FERRY, BEES]
    served = await now(house)
    assert served.comparison is not None
    assert (served.comparison.overlap, served.comparison.queries) == (1.0, 2)
    assert await points(house, before.index_uid) == {"hashing": 2}
    assert (await house.control.finish("default", "demo", "")).state is S.FINISHED
    assert await points(house, before.index_uid) == {}
    assert await points(house, after.index_uid) == {"finer": 2}
    assert await house.find("ferry") == [FERRY, BEES]


async def test_a_search_is_embedded_by_the_model_of_what_it_sees(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    asked: list[tuple[str, bool]] = []
    embed = house.embedder.embed

    async def slow(model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        if side is InputSide.QUERY and not asked:
            asked.append((model.model_id, False))
            await house.migrator.move(migration.ref, nothing)
            await house.control.finish("default", "demo", "")
        elif side is InputSide.QUERY and texts == ["when"]:
            asked.append((model.model_id, True))
        return await embed(model, texts, side)

    monkeypatch.setattr(house.embedder, "embed", slow)
    assert await house.find("when") == [FERRY]
    assert asked == [("hashing", False), ("finer", True)]


async def test_another_replica_learns_of_the_switch_by_the_read_that_it_makes_anyway(house: House) -> None:
    other = Searcher(
        house.collections, house.versions, house.vectors, house.embedder, lambda _: True,
        retrievers=own_retrievers(), default=HYBRID,
    )  # fmt: skip
    await house.ingest(FERRY, "ferry")
    query = Query("default", "demo", "ferry", 3)
    assert (await other.search(query)).model == OLD
    migration = await begin(house)
    await house.migrator.move(migration.ref, nothing)
    assert (await other.search(query)).model == NEW
    await house.control.finish("default", "demo", "")
    assert [hit.piece.text for hit in (await other.search(query)).hits] == [FERRY]
    await house.curation.delete_collection("default", "demo")
    with pytest.raises(CollectionNotFound):
        await other.search(query)
    await house.curation.create_collection("default", "demo", "")
    await house.ingest(BEES, "bees")
    assert [hit.piece.text for hit in (await other.search(query)).hits] == [BEES]


async def test_other_chunks_of_the_same_model(house: House) -> None:
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 12 for n in range(6))
    await house.ingest(text, "long")
    coarse = (await house.collections.get("default", "demo")).chunk_count
    await begin(house, "", chunking=Chunking(max_tokens=16))
    assert await house.migrator.move((await now(house)).ref, nothing) is S.SERVING
    collection = await house.collections.get("default", "demo")
    record = await house.documents.get(collection, "long")
    assert (collection.chunking.max_tokens, record.chunk_count) == (16, collection.chunk_count)
    assert collection.chunk_count > coarse
    assert await points(house, collection.index_uid) == {"hashing": collection.chunk_count}


async def test_what_changes_meanwhile_is_in_both(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    await house.ingest(BEES, "bees")
    await house.ingest("It rains.", "gone")
    migration = await begin(house)
    old, new = migration.source.index_uid, migration.target.index_uid
    await house.ingest(LATER, "ferry")
    await house.curation.delete_document("default", "demo", "gone")
    assert await points(house, new) == {"finer": 1}
    assert await house.migrator.move(migration.ref, nothing) is S.SERVING
    assert await points(house, new) == {"finer": 2}
    await house.ingest("Bees sleep in winter.", "bees")
    await house.ingest("The tram is new.", "tram")
    assert await points(house, old) == {"hashing": 3}
    assert await points(house, new) == {"finer": 3}
    assert set(await house.find("ferry bees tram")) == {LATER, "Bees sleep in winter.", "The tram is new."}
    assert (await house.control.roll_back("default", "demo", "")).state is S.ROLLING_BACK
    assert set(await house.find("ferry bees tram")) == {LATER, "Bees sleep in winter.", "The tram is new."}
    assert await house.migrator.move(migration.ref, nothing) is S.ROLLED_BACK
    assert (await house.collections.get("default", "demo")).model == OLD
    assert set(await house.find("ferry bees tram")) == {LATER, "Bees sleep in winter.", "The tram is new."}
    assert (await points(house, old), await points(house, new)) == ({"hashing": 3}, {})


async def test_a_model_that_is_away_for_the_second_index_stops_no_ingest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    embed = house.embedder.embed

    async def away(model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        if model == NEW:
            raise Unavailable("the embedding model is not available")
        return await embed(model, texts, side)

    with monkeypatch.context() as patch:
        patch.setattr(house.embedder, "embed", away)
        await house.ingest(LATER, "ferry")
        assert await house.find("ferry") == [LATER]
        with pytest.raises(Unavailable):
            await house.migrator.move(migration.ref, nothing)
    assert (await now(house)).state is S.COPYING
    assert await house.migrator.move(migration.ref, nothing) is S.SERVING
    assert await house.find("ferry") == [LATER]


async def test_an_ingest_under_way_at_the_switch_is_indexed_anew(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    ref = await house.stage(LATER, "ferry")
    await house.indexer.index(ref, lambda _: None)
    migration = await begin(house)
    assert await house.migrator.move(migration.ref, nothing) is S.SERVING
    with pytest.raises(IndexIncomplete):
        await house.indexer.swap(ref)
    assert await house.find("ferry") == [FERRY]
    await house.indexer.index(ref, lambda _: None)
    await house.indexer.swap(ref)
    await house.indexer.remove_stale(ref)
    assert await house.find("ferry") == [LATER]
    assert await points(house, migration.source.index_uid) == {"hashing": 1}
    assert await points(house, migration.target.index_uid) == {"finer": 1}


async def test_a_step_of_an_ingest_that_hears_late_of_the_switch_shows_nothing(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    before = await house.collections.find("default", "demo")
    ref = await house.stage(LATER, "ferry")
    await house.indexer.index(ref, lambda _: None)
    migration = await begin(house)
    await house.migrator.move(migration.ref, nothing)
    with pytest.raises(IndexIncomplete):
        await house.versions.swap(before, "ferry", ref.version)
    await house.versions.mark_indexed(before, "ferry", ref.version, 1)
    stored = await house.versions.wanted(before, "ferry", ref.version)
    assert stored is not None
    assert stored.chunk_count is None


async def test_a_deletion_that_hears_late_of_the_switch_leaves_nothing(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    await house.ingest(BEES, "bees")
    before = await house.collections.find("default", "demo")
    migration = await begin(house)
    await house.migrator.move(migration.ref, nothing)
    await house.control.finish("default", "demo", "")
    await house.documents.delete(before, "bees")
    await remove_points(house.versions, house.vectors)
    assert await points(house, migration.target.index_uid) == {"finer": 1}


async def test_a_removal_in_whose_middle_another_index_is_served_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    await house.migrator.move(migration.ref, nothing)
    ref = await house.stage(LATER, "ferry")
    await house.indexer.index(ref, lambda _: None)
    await house.indexer.swap(ref)
    delete = house.vectors.delete

    async def delete_and_roll_back(*asked: Any) -> None:
        monkeypatch.setattr(house.vectors, "delete", delete)
        await delete(*asked)
        await house.control.roll_back("default", "demo", "")
        assert await house.migrator.move(migration.ref, nothing) is S.ROLLED_BACK

    monkeypatch.setattr(house.vectors, "delete", delete_and_roll_back)
    await house.indexer.remove_stale(ref)
    assert await points(house, migration.source.index_uid) == {"hashing": 1}
    assert await points(house, migration.target.index_uid) == {}
    assert await house.find("ferry") == [LATER]


async def test_copies_whose_points_were_lost_are_made_again(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    await house.ingest(BEES, "bees")
    migration = await begin(house)
    await house.copier.copy(migration.other, "bees", 1, nothing)
    await house.vectors.delete(NEW, migration.other.points("bees"))
    assert await house.migrator.move(migration.ref, nothing) is S.SERVING
    assert await points(house, migration.target.index_uid) == {"finer": 2}


async def test_one_at_a_time(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    first = await begin(house)
    for state in (S.COPYING, S.SERVING):
        assert (await now(house)).state is state
        with pytest.raises(MigrationOpen):
            await begin(house)
        await house.migrator.move(first.ref, nothing)
    await house.control.finish("default", "demo", first.ref.migration_id)
    second = await begin(house, "third")
    assert [m.ref.migration_id for m in await house.control.page("default", "demo", "", 5)] == [
        second.ref.migration_id,
        first.ref.migration_id,
    ]
    await house.migrator.move(second.ref, nothing)
    assert (await house.collections.get("default", "demo")).model.model_id == "third"
    both = await asyncio.gather(
        house.control.finish("default", "demo", ""), house.control.finish("default", "demo", "")
    )
    assert {migration.state for migration in both} == {S.FINISHED}


async def test_giving_up_while_it_copies_leaves_nothing(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    await house.copier.copy(migration.other, "ferry", 1, nothing)
    for _ in range(2):
        assert (await house.control.roll_back("default", "demo", "")).state is S.ROLLED_BACK
    assert await points(house, migration.target.index_uid) == {}
    # An attempt that has not heard of it yet.
    await house.copier.copy(migration.other, "ferry", 1, nothing)
    assert await points(house, migration.target.index_uid) == {}
    assert await house.migrator.move(migration.ref, nothing) is S.ROLLED_BACK
    assert await house.find("ferry") == [FERRY]
    with pytest.raises(MigrationStateWrong):
        await house.control.finish("default", "demo", "")


async def test_what_cannot_be_embedded_ends_it_and_says_why(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    house.embedder.failures = [RemoteError(ErrorCode.INVALID_ARGUMENT, "text_too_long", "a text is too long")]
    assert await house.migrator.move(migration.ref, nothing) is S.FAILED
    failed = await now(house)
    assert (failed.error_reason, failed.error) == (
        "document_not_copied",
        "document 'ferry' cannot be copied: a text is too long",
    )
    assert await points(house, migration.target.index_uid) == {}
    assert await house.find("ferry") == [FERRY]


async def test_too_little_overlap_keeps_the_old_index(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(14):
        await house.ingest(f"Document {number} tells of thing{number}.", f"d{number}")
    migration = await begin(house, min_overlap=0.9)
    embed = house.embedder.embed

    async def poor(model: EmbeddingModel, texts: Sequence[str], side: InputSide) -> list[list[float]]:
        rows = await embed(model, texts, side)
        return rows if model == OLD else [[float(sum(text.encode()) % 7), *[0.1] * 63] for text in texts]

    monkeypatch.setattr(house.embedder, "embed", poor)
    assert await house.migrator.move(migration.ref, nothing) is S.FAILED
    failed = await now(house)
    assert failed.error_reason == "overlap_too_low"
    assert failed.comparison is not None
    assert failed.comparison.overlap < 0.9
    assert (await house.collections.get("default", "demo")).model == OLD


async def test_without_temporal_it_does_not_begin(house: House) -> None:
    house.starter.away = True
    with pytest.raises(Unavailable):
        await begin(house)
    assert ((await now(house)).state, (await now(house)).error_reason) == (S.FAILED, "dependency_unavailable")
    house.starter.away = False
    await begin(house)
    house.starter.migrations.clear()
    await house.control.restart_moving()
    assert house.starter.migrations == [(await now(house)).ref]


async def test_a_deleted_collection_takes_both_indexes_along(house: House) -> None:
    await house.ingest(FERRY, "ferry")
    migration = await begin(house)
    await house.copier.copy(migration.other, "ferry", 1, nothing)
    await house.curation.delete_collection("default", "demo")
    assert all(not space for space in house.vectors._spaces.values())
    assert await house.migrator.move(migration.ref, nothing) is None
    assert await house.migrator.fail(migration.ref, Unavailable("away")) is None


async def test_tenants_do_not_see_each_other(house: House) -> None:
    await house.curation.create_collection("other", "demo", "")
    migration = await begin(house)
    with pytest.raises(MigrationNotFound):
        await house.control.get("other", "demo", migration.ref.migration_id)
    with pytest.raises(MigrationNotFound):
        await house.control.roll_back("other", "demo", migration.ref.migration_id)
