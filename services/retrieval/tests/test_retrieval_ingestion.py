"""Documents on their way: what a search sees at each step, after each crash, and without each part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import ErrorCode, InvalidField, RemoteError, StartupError, Unavailable
from olo_contracts.identifiers import DOCUMENT_ID, is_valid
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.drafts import made_id, make_draft
from olo_retrieval.errors import (
    CollectionExists,
    CollectionNotFound,
    DocumentEmpty,
    DocumentNotFound,
    DocumentTooLarge,
    IndexIncomplete,
)
from olo_retrieval.ingestion.upkeep import Upkeep
from olo_retrieval.types import DocumentState, EmbeddingModel, Selection, Staging, VersionRef

if TYPE_CHECKING:
    from conftest import House

MODEL = EmbeddingModel("hashing", 64)
OLD = "The ferry leaves at six."
NEW = "The ferry leaves at nine."


async def scope(house: House, document_id: str | None = None) -> Selection:
    return Selection("default", (await house.collections.get("default", "demo")).uid, document_id)


async def state(house: House) -> DocumentState:
    return (await house.documents.get(await house.collections.get("default", "demo"), "guide")).state


async def test_a_document_is_found_once_it_is_swapped_in(house: House) -> None:
    ref = await house.stage(OLD)
    assert house.starter.started == [ref]
    assert await house.find("ferry") == []
    await house.indexer.index(ref, lambda _: None)
    assert await house.find("ferry") == []
    await house.indexer.swap(ref)
    assert await house.find("ferry") == [OLD]
    assert await state(house) is DocumentState.READY


async def test_the_old_version_is_served_until_the_new_one_is_swapped_in(house: House) -> None:
    await house.ingest(OLD)
    ref = await house.stage(NEW)
    assert await house.find("ferry") == [OLD]
    await house.indexer.index(ref, lambda _: None)
    assert await house.find("ferry") == [OLD]
    await house.indexer.swap(ref)
    assert await house.find("ferry") == [NEW]
    await house.indexer.remove_stale(ref)
    assert await house.find("ferry") == [NEW]
    assert await house.vectors.count(MODEL, await scope(house)) == 1


async def test_every_step_may_be_repeated(house: House) -> None:
    ref = await house.ingest(OLD)
    await house.indexer.index(ref, lambda _: None)
    for _ in range(2):
        await house.indexer.swap(ref)
        await house.indexer.remove_stale(ref)
    assert await house.find("ferry") == [OLD]


async def test_a_version_that_was_overtaken_leaves_nothing(house: House) -> None:
    first = await house.stage(OLD)
    await house.indexer.index(first, lambda _: None)
    second = await house.stage(NEW)
    assert await house.indexer.index(first, lambda _: None) == 0
    await house.indexer.swap(first)
    await house.indexer.remove_stale(first)
    assert await house.find("ferry") == []
    await house.indexer.index(second, lambda _: None)
    await house.indexer.swap(second)
    await house.indexer.remove_stale(first)
    assert await house.find("ferry") == [NEW]


async def test_an_old_step_does_not_take_a_newer_version_away(house: House) -> None:
    first = await house.ingest(OLD)
    second = await house.stage(NEW)
    await house.indexer.index(second, lambda _: None)
    await house.indexer.remove_stale(first)
    await house.indexer.swap(second)
    assert await house.find("ferry") == [NEW]


async def test_a_version_whose_points_were_lost_is_not_swapped_in(house: House) -> None:
    await house.ingest(OLD)
    ref = await house.stage(NEW)
    await house.indexer.index(ref, lambda _: None)
    house.vectors.forget()
    with pytest.raises(IndexIncomplete):
        await house.indexer.swap(ref)


async def test_a_failed_ingest_says_why_and_leaves_the_old_version(house: House) -> None:
    await house.ingest(OLD)
    ref = await house.stage(NEW)
    house.embedder.failures = [RemoteError(ErrorCode.INVALID_ARGUMENT, "text_too_long", "a text is too long")]
    with pytest.raises(RemoteError):
        await house.indexer.index(ref, lambda _: None)
    await house.indexer.fail(ref)
    record = await house.documents.get(await house.collections.get("default", "demo"), "guide")
    assert (record.state, record.error) == (DocumentState.FAILED, "a text is too long")
    assert await house.find("ferry") == [OLD]
    assert (await house.stage(OLD)).version == 1
    assert await state(house) is DocumentState.READY


async def test_same_content_is_no_new_work(house: House) -> None:
    await house.ingest(OLD)
    collection = await house.collections.get("default", "demo")
    assert (await house.documents.stage(collection, house.draft(OLD)))[1] is Staging.UNCHANGED
    await house.stage(OLD)
    assert len(house.starter.started) == 1
    ref = await house.stage(NEW)
    assert await house.stage(NEW) == ref
    assert (await house.documents.stage(collection, house.draft(NEW)))[1] is Staging.PENDING
    retitled = replace(house.draft(NEW), title="Ferries")
    assert (await house.documents.stage(collection, retitled))[1] is Staging.NEW


async def test_batches_and_resuming(house: House) -> None:
    content = "\n\n".join(f"{n} " + "word " * 30 for n in range(70))
    ref = await house.stage(content)
    house.embedder.failures = []
    seen: list[int] = []
    assert await house.indexer.index(ref, seen.append) == 70
    assert (seen, house.embedder.batches) == ([32, 64, 70], [32, 32, 6])
    house.embedder.batches.clear()
    assert await house.indexer.index(ref, seen.append, start_at=64) == 70
    assert house.embedder.batches == [6]
    await house.indexer.swap(ref)


async def test_temporal_away_is_unavailable_and_the_row_says_so(house: House) -> None:
    house.starter.away = True
    with pytest.raises(Unavailable):
        await house.stage(OLD)
    assert await state(house) is DocumentState.FAILED
    outcomes = await house.intake.ingest_all("default", "demo", [house.draft(OLD, "a"), house.draft(OLD, "b")])
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    house.starter.away = False
    ref = await house.stage(OLD)
    assert (ref.version, await state(house)) == (2, DocumentState.INDEXING)


async def test_deleting_is_final_and_a_new_document_begins_after_it(house: House) -> None:
    await house.ingest(OLD)
    await house.curation.delete_document("default", "demo", "guide")
    assert await house.find("ferry") == []
    assert await house.vectors.is_empty(MODEL)
    with pytest.raises(DocumentNotFound):
        await house.curation.delete_document("default", "demo", "guide")
    assert (await house.ingest(NEW)).version == 2
    assert await house.find("ferry") == [NEW]


async def test_points_that_could_not_be_removed_are_removed_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.ingest(OLD)

    async def broken(*_: object) -> None:
        raise Unavailable("the vector store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(house.vectors, "delete", broken)
        await house.curation.delete_collection("default", "demo")
    with pytest.raises(CollectionNotFound):
        await house.find("ferry")
    assert not await house.vectors.is_empty(MODEL)
    await house.curation.create_collection("default", "demo", "")
    await house.ingest(NEW)
    await upkeep(house, []).tend_index()
    assert await house.find("ferry") == [NEW]
    assert await house.vectors.count(MODEL, await scope(house)) == 1
    assert await house.versions.removals(10) == []


def upkeep(house: House, reports: list[bool]) -> Upkeep:
    async def report(complete: bool) -> None:
        reports.append(complete)

    return Upkeep(
        recovery=house.recovery,
        versions=house.versions,
        vectors=house.vectors,
        starter=house.starter,
        restart_migrations=house.control.restart_moving,
        report=report,
        interval_seconds=0.0,
    )


async def test_lost_vectors_are_rebuilt_from_the_documents(house: House) -> None:
    await house.ingest(OLD, "a")
    await house.ingest(NEW, "b")
    await house.stage("not served yet", "c")
    reports: list[bool] = []
    tending = upkeep(house, reports)
    await tending.tend_index()
    house.vectors.forget()
    house.embedder.failures = [Unavailable("no embedding model")]
    await tending.tend_index()
    assert reports == [False, True, False, True]
    assert set(await house.find("ferry")) == {OLD, NEW}
    assert await house.vectors.count(MODEL, await scope(house)) == 2


async def test_nothing_is_searched_before_the_index_is_known_to_be_complete(house: House) -> None:
    house.recovery._waiting = None
    with pytest.raises(Unavailable, match="rebuilt"):
        await house.find("ferry")


async def test_unfinished_versions_are_started_again(house: House) -> None:
    ref = await house.stage(OLD)
    house.starter.started.clear()
    await upkeep(house, []).restart_unfinished(3600.0)
    assert house.starter.started == []
    await upkeep(house, []).restart_unfinished(0.0)
    assert house.starter.started == [ref]


async def test_a_swap_during_a_search_hides_no_document(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.ingest(OLD)
    ref = await house.stage(NEW)
    search, calls = house.vectors.search, 0

    async def search_then_swap(*args: Any, **options: Any) -> object:
        nonlocal calls
        calls += 1
        hits = await search(*args, **options)
        if calls == 1:
            await house.indexer.index(ref, lambda _: None)
            await house.indexer.swap(ref)
            await house.indexer.remove_stale(ref)
        return hits

    monkeypatch.setattr(house.vectors, "search", search_then_swap)
    assert await house.find("ferry") == [NEW]


async def test_many_points_of_unserved_versions_do_not_crowd_out_the_served(house: House) -> None:
    await house.ingest(OLD)
    ref = await house.stage("\n\n".join(["ferry " * 30] * 60))
    await house.indexer.index(ref, lambda _: None)
    assert await house.find("ferry", top_k=1) == [OLD]


async def test_tenants_do_not_see_each_other(house: House) -> None:
    await house.curation.create_collection("other", "demo", "")
    await house.recovery.run()
    await house.ingest(OLD)
    await house.ingest(NEW, tenant="other")
    assert await house.find("ferry") == [OLD]
    assert await house.find("ferry", tenant="other") == [NEW]


async def test_collections_are_counted_paged_and_unique(house: House) -> None:
    await house.ingest(OLD)
    await house.curation.create_collection("default", "alpha", "")
    with pytest.raises(CollectionExists):
        await house.curation.create_collection("default", "alpha", "")
    first, second = await house.collections.page("default", "", 10)
    assert (first.name, first.document_count, second.document_count, second.chunk_count) == ("alpha", 0, 1, 1)
    assert [c.name for c in await house.collections.page("default", "alpha", 10)] == ["demo"]


@pytest.mark.parametrize(
    ("content", "error"), [(" \n", DocumentEmpty), ("x" * 11, DocumentTooLarge), ("a\0b", InvalidField)]
)
def test_bad_documents(content: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        make_draft(document_id="", title="", source="", content=content, metadata={}, max_bytes=10)


@given(st.text(min_size=1), st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_made_ids_are_spelt_as_ids_must_be(source: str, digest: str) -> None:
    assert is_valid(DOCUMENT_ID, made_id(source, digest))
    assert made_id(source, digest) == made_id(source, "0" * 64)
    assert is_valid(DOCUMENT_ID, made_id("", digest))


async def test_rows_survive_the_process(tmp_path: Path) -> None:
    from olo_retrieval.adapters.sql.collections import SqlCollections

    url = f"sqlite:///{tmp_path}/retrieval.db"
    async with document_store(url) as database:
        await SqlCollections(database).create("default", "demo", MODEL)
    async with document_store(url) as database:
        assert (await SqlCollections(database).get("default", "demo")).model == MODEL


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/retrieval.db", "sqlite://", "mysql://x/y", "what"])
async def test_a_store_that_cannot_be_opened_is_one_sentence(url: str) -> None:
    with pytest.raises(StartupError, match="OLO_RETRIEVAL_DATABASE_URL"):
        async with document_store(url):
            pass


def test_workflow_ids_name_the_version() -> None:
    assert VersionRef("t", "c", "d", 3).workflow_id == "ingest/t/c/d/3"
