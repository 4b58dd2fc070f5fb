"""A collection in step with its source: exact counts, whatever dies in between; nothing deleted without a reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olo_common.errors import OloError, Unavailable
from olo_retrieval.adapters.sql.source_items import SqlItems
from olo_retrieval.adapters.sql.sources import SqlSources
from olo_retrieval.errors import CollectionNotFound, DocumentTooLarge, SourceAway, SourceExists, SourceNotFound
from olo_retrieval.sources.ingesting import SourceIngest
from olo_retrieval.sources.keeping import SourceKeeping
from olo_retrieval.sources.model import Config, Content, FileConfig, Item, Listed, Listing, Source, SyncState
from olo_retrieval.sources.naming import document_id_of
from olo_retrieval.sources.syncing import Syncer
from olo_retrieval.types import VersionRef

if TYPE_CHECKING:
    from conftest import House


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Shelf:
    """A source of texts that the test writes, and its Connectors."""

    texts: dict[str, str] = field(default_factory=dict)
    stamps: bool = True
    failure: OloError | None = None
    complete: bool = True
    forgotten: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    async def check(self, config: Config) -> None:
        pass

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Shelf]:
        yield self

    async def forget(self, source: Source) -> None:
        self.forgotten.append(source.uid)

    async def listing(self, cursor: str) -> Listing:
        if self.failure:
            raise self.failure
        items = [Listed(key, text if self.stamps else "") for key, text in self.texts.items()]
        items += [Listed(key, deleted=True) for key in self.gone]
        return Listing(items, self.complete, f"{cursor}+")

    async def load(self, item: Item) -> Content:
        text = self.texts[item.key]
        if text == "poison":
            raise ValueError("no connector should raise this")
        if text == "long":
            raise DocumentTooLarge("document.content", 2, 1)
        return Content(text, f"{item.key}.md")


@dataclass
class Starts:
    """A SyncStarter that starts nothing."""

    away: bool = False
    kept: list[str] = field(default_factory=list)
    started: list[tuple[str, bool]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    async def keep(self, source: Source) -> None:
        if self.away:
            raise Unavailable("Temporal is not reachable")
        self.kept.append(source.workflow_id)

    async def start(self, source: Source, *, after_running: bool) -> None:
        if self.away:
            raise Unavailable("Temporal is not reachable")
        self.started.append((source.source_id, after_running))

    async def drop(self, source_workflow_id: str) -> None:
        self.dropped.append(source_workflow_id)


class Desk:
    """Syncs of one shelf into the collection of a house, which indexes at once."""

    def __init__(self, house: House) -> None:
        self.house, self.shelf, self.starts = house, Shelf(), Starts()
        self.sources, self.items = SqlSources(house.database), SqlItems(house.database)
        house.starter.start = self._index  # type: ignore[method-assign]
        ingest = SourceIngest(
            house.documents, house.intake, house.curation, max_document_bytes=1000, max_file_bytes=1000
        )
        self.syncer = Syncer(
            self.sources, self.items, house.collections,
            connectors=self.shelf, ingest=ingest, starter=self.starts, concurrency=2,
        )  # fmt: skip
        self.keeping = SourceKeeping(self.sources, house.collections, self.shelf, self.starts)
        self.runs, self.source_id = 0, "docs"

    async def _index(self, ref: VersionRef) -> None:
        await self.house.indexer.index(ref, lambda _: None)
        await self.house.indexer.swap(ref)
        await self.house.indexer.remove_stale(ref)

    async def add(self) -> str:
        record = await self.keeping.create("default", "demo", self.source_id, FileConfig("/docs"), None)
        return record.source.uid

    async def ask(self, accept_deletions: bool = False) -> None:
        await self.keeping.sync("default", "demo", self.source_id, accept_deletions=accept_deletions)

    async def run(self, uid: str, run: str = "") -> int:
        """What the workflow does; a run of the same name goes on with what an earlier one has begun."""
        self.runs += 1
        number, removing = await self.syncer.begin(uid, run or f"run-{self.runs}", "workflow")
        if removing:
            await self.syncer.remove(uid, number)
        elif number:
            await self.syncer.list(uid, number)
            await self.syncer.ingest(uid, number)
            await self.syncer.delete_missing(uid, number)
            await self.syncer.end(uid, number, SyncState.SUCCEEDED)
        return number

    async def counts(self) -> dict[str, int]:
        """What the last sync says, without zeros."""
        sync = (await self.sources.get(await self.collection(), self.source_id)).sync
        assert sync is not None
        counts = {outcome.value: count for outcome, count in sync.outcomes.items()}
        return {name: count for name, count in {**counts, "held": sync.held_deletions}.items() if count}

    async def collection(self) -> Any:
        return await self.house.collections.get("default", "demo")

    async def texts(self) -> dict[str, str]:
        """What is served, by key."""
        found = {}
        for record in await self.house.documents.page(await self.collection(), "", 1000):
            if record.source_id != self.source_id:
                continue
            stored = await self.house.versions.wanted(
                await self.collection(), record.ref.document_id, record.ref.version
            )
            assert stored is not None
            found[record.source.removesuffix(".md")] = stored.content
        return found


@pytest.fixture
async def desk(house: House) -> Desk:
    return Desk(house)


async def test_only_what_has_changed_is_ingested(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one", "b": "two", "c": "three", "d": "long", "p": "poison"}
    await desk.run(uid)
    assert await desk.counts() == {"added": 3, "failed": 2}
    desk.shelf.texts = {"a": "one", "b": "two again", "d": "short", "e": "five"}
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 1, "updated": 1, "added": 2, "deleted": 2}
    assert await desk.texts() == desk.shelf.texts
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 4}


async def test_what_has_no_stamp_is_compared_by_its_content(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.stamps = False
    desk.shelf.texts = {"a": "one", "b": "two"}
    await desk.run(uid)
    desk.shelf.texts["b"] = "two again"
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 1, "updated": 1}


async def test_a_listing_that_fails_deletes_nothing(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one"}
    await desk.run(uid)
    desk.shelf.failure = SourceAway()
    with pytest.raises(SourceAway):
        await desk.run(uid)
    record = await desk.sources.get(await desk.collection(), "docs")
    assert record.sync is not None
    assert (record.sync.state, record.sync.error_reason) == (SyncState.LISTING, "source_away")
    assert await desk.texts() == {"a": "one"}


async def test_more_than_half_goes_only_when_somebody_says_so(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {key: key * 3 for key in "abcd"}
    await desk.run(uid)
    desk.shelf.texts = {"a": "aaa", "x": "new", "y": "new too"}
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 1, "added": 2, "held": 3}
    assert len(await desk.texts()) == 6
    await desk.ask(accept_deletions=True)
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 3, "deleted": 3}
    assert await desk.texts() == desk.shelf.texts
    desk.shelf.texts = {}
    await desk.run(uid)
    assert await desk.counts() == {"held": 3}, "what was accepted once is not accepted for ever"


async def test_a_document_that_was_deleted_by_hand_comes_again(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one", "b": "two"}
    await desk.run(uid)
    await desk.house.curation.delete_document("default", "demo", document_id_of("docs", "a"))
    await desk.run(uid)
    assert await desk.texts() == desk.shelf.texts


async def test_a_source_that_lists_what_is_new_keeps_the_rest(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.complete = False
    desk.shelf.texts = {"a": "one", "b": "long"}
    await desk.run(uid)
    assert await desk.counts() == {"added": 1, "failed": 1}
    desk.shelf.texts = {"c": "three"}
    texts, desk.shelf.texts = desk.shelf.texts, {"b": "mended", "c": "three"}
    listing = desk.shelf.listing

    async def only_new(cursor: str) -> Listing:
        return Listing([item for item in (await listing(cursor)).items if item.key in texts], False, f"{cursor}+")

    desk.shelf.listing = only_new  # type: ignore[method-assign]
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 1, "added": 2}, "what has failed is tried again"
    assert (await desk.sources.orders(uid)).cursor == "++"
    desk.shelf.listing = listing  # type: ignore[method-assign]
    desk.shelf.texts, desk.shelf.gone = {}, ["a"]
    await desk.run(uid)
    assert await desk.counts() == {"unchanged": 2, "deleted": 1}
    assert await desk.texts() == {"b": "mended", "c": "three"}


async def test_two_syncs_that_are_asked_for_are_one(desk: Desk) -> None:
    uid = await desk.add()
    await desk.ask()
    await desk.ask()
    assert desk.starts.started == [("docs", True), ("docs", False)]
    assert await desk.run(uid) == 1
    assert [source.uid for source in await desk.sources.waiting(0.0, 10)] == []
    await desk.ask()
    assert [source.uid for source in await desk.sources.waiting(0.0, 10)] == [uid]
    assert await desk.sources.waiting(3600.0, 10) == []


async def test_without_temporal_nothing_is_made_and_what_is_asked_for_waits(desk: Desk) -> None:
    desk.starts.away = True
    with pytest.raises(Unavailable):
        await desk.add()
    with pytest.raises(SourceNotFound):
        await desk.sources.get(await desk.collection(), "docs")
    desk.starts.away = False
    await desk.add()
    desk.starts.away = True
    with pytest.raises(Unavailable):
        await desk.ask()
    assert len(await desk.sources.waiting(0.0, 10)) == 1


@pytest.mark.parametrize("keep", [True, False])
async def test_a_source_goes_with_its_documents_or_without(desk: Desk, keep: bool) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one", "b": "two"}
    await desk.run(uid)
    await desk.house.ingest("by hand", "hand")
    await desk.keeping.delete("default", "demo", "docs", keep_documents=keep)
    with pytest.raises(SourceExists):
        await desk.add()
    await desk.run(uid)
    documents = await desk.house.documents.page(await desk.collection(), "", 10)
    assert [record.source_id for record in documents] == [""] * (3 if keep else 1)
    assert (len(desk.starts.dropped), desk.shelf.forgotten) == (1, [uid])
    await desk.add()


async def test_a_sync_ends_early_when_its_source_is_to_go(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one"}
    number, _ = await desk.syncer.begin(uid, "run", "workflow")
    await desk.syncer.list(uid, number)
    await desk.keeping.delete("default", "demo", "docs", keep_documents=False)
    await desk.syncer.ingest(uid, number)
    assert await desk.texts() == {}


async def test_a_collection_takes_its_sources_with_it(desk: Desk) -> None:
    uid = await desk.add()
    desk.shelf.texts = {"a": "one"}
    number, _ = await desk.syncer.begin(uid, "run", "workflow")
    await desk.syncer.list(uid, number)
    await desk.house.curation.delete_collection("default", "demo")
    await desk.syncer.ingest(uid, number)
    await desk.syncer.end(uid, number, SyncState.SUCCEEDED)
    assert await desk.run(uid) == 0
    assert desk.starts.dropped == ["workflow"], "its schedule starts nothing any more"
    with pytest.raises(CollectionNotFound):
        await desk.add()


TEXTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["one", "two", "long"]), max_size=3)


@given(rounds=st.lists(st.tuples(TEXTS, st.lists(st.integers(0, 2), max_size=1)), min_size=2, max_size=2))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_counts_are_exact_whenever_the_process_dies(
    desk: Desk, rounds: list[tuple[dict[str, str], list[int]]]
) -> None:
    # Each example has a source of its own, in the collection of all.
    desk.source_id = f"docs{desk.runs}"
    await live(desk, rounds)


async def live(desk: Desk, rounds: list[tuple[dict[str, str], list[int]]]) -> None:
    """Syncs each shelf of texts, killed now and then, and checks counts and documents."""
    uid, served, listed = await desk.add(), dict[str, str](), set[str]()
    for texts, deaths in rounds:
        desk.shelf.texts = texts
        await desk.ask(accept_deletions=True)
        run = f"round-{desk.runs}"
        for death in deaths:
            with dying(desk, death):
                await desk.run(uid, run)
        await desk.run(uid, run)
        good = {key: text for key, text in texts.items() if text != "long"}
        kept = {key: text for key, text in served.items() if texts.get(key) == "long"}
        expected = {
            "added": len(good.keys() - served.keys()),
            "updated": sum(served.get(key, text) != text for key, text in good.items()),
            "unchanged": sum(served.get(key) == text for key, text in good.items()),
            "failed": len(texts) - len(good),
            "deleted": len(listed - texts.keys()),
        }
        assert await desk.counts() == {name: count for name, count in expected.items() if count}
        served, listed = {**good, **kept}, set(texts)
        assert await desk.texts() == served


@contextmanager
def dying(desk: Desk, number: int) -> Iterator[None]:
    """Kills the process before an outcome is written: the one with this number, if there are so many."""
    settle, left = desk.items.settle, number

    async def fatal(*arguments: Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        await settle(*arguments)

    desk.items.settle = fatal  # type: ignore[method-assign]
    with suppress(Killed):
        yield
    desk.items.settle = settle  # type: ignore[method-assign]
