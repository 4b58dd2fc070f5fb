"""Random lives of a collection between two indexes: a search sees what is served, and no point is left over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olo_common.errors import ErrorCode, OloError
from olo_retrieval.errors import IndexIncomplete
from olo_retrieval.migrating.records import Migration, MigrationState
from olo_retrieval.types import VersionRef

if TYPE_CHECKING:
    from conftest import House

S = MigrationState
NewHouse: TypeAlias = "Callable[[], AbstractAsyncContextManager[House]]"


def nothing() -> None:
    """Nobody waits for a sign of life."""


async def now(house: House) -> Migration:
    return await house.control.get("default", "demo", "")


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["stage", "index", "swap", "stale", "delete"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["begin", "copy", "move", "back", "finish", "forget"]), st.integers(0, 2)),
    ),
    max_size=25,
)


class Life:
    """Does what it is told, as far as that can be done, and knows what searches must see."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.refs: list[VersionRef] = []
        self.texts: dict[VersionRef, str] = {}
        self.served: dict[str, str] = {}

    async def stage(self, number: int) -> None:
        ref = await self.house.stage(f"Text number{len(self.texts)} of document.", f"d{number}")
        self.refs.append(ref)
        self.texts[ref] = f"Text number{len(self.texts)} of document."

    async def index(self, number: int) -> None:
        for ref in self.refs[-1 - number : len(self.refs) - number]:
            await self.house.indexer.index(ref, lambda _: None)

    async def swap(self, number: int) -> None:
        for ref in self.refs[-1 - number : len(self.refs) - number]:
            try:
                await self.house.indexer.swap(ref)
            except IndexIncomplete:
                continue
            collection = await self.house.collections.find("default", "demo")
            if (await self.house.versions.served_versions(collection, [ref.document_id])).get(
                ref.document_id
            ) == ref.version:
                self.served[ref.document_id] = self.texts[ref]

    async def stale(self, number: int) -> None:
        for ref in self.refs[-1 - number : len(self.refs) - number]:
            await self.house.indexer.remove_stale(ref)

    async def delete(self, number: int) -> None:
        await self.house.curation.delete_document("default", "demo", f"d{number}")
        self.served.pop(f"d{number}", None)

    async def begin(self, number: int) -> None:
        control = self.house.control
        await control.start("default", "demo", model_id=f"model{number}", chunking=None, min_overlap=0.0)

    async def copy(self, number: int) -> None:
        migration = await self.house.migrations.moving((await now(self.house)).ref)
        for document_id, version in await self.house.migrations.missing(migration, "", 1) if migration else ():
            await self.house.copier.copy(migration.other, document_id, version, nothing)

    async def move(self, number: int) -> None:
        await self.house.migrator.move((await now(self.house)).ref, nothing)

    async def back(self, number: int) -> None:
        await self.house.control.roll_back("default", "demo", "")

    async def finish(self, number: int) -> None:
        await self.house.control.finish("default", "demo", "")

    async def forget(self, number: int) -> None:
        """The index that is not served loses its points."""
        migration = await now(self.house)
        if migration.state in (S.COPYING, S.SERVING, S.ROLLING_BACK):
            await self.house.vectors.delete(migration.other.model, migration.other.points())

    async def check(self) -> None:
        assert sorted(await self.house.find("text document", top_k=10)) == sorted(self.served.values())

    async def settle(self) -> None:
        """Everything that was begun comes to its end; then there is not one point too many."""
        for ref in self.refs:
            await self.house.indexer.index(ref, lambda _: None)
            await self.house.indexer.swap(ref)
            await self.house.indexer.remove_stale(ref)
        for end in ("move", "back", "move", "finish"):
            with suppress(OloError):
                await getattr(self, end)(0)


@given(OPERATIONS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_lives(new_house: NewHouse, operations: list[tuple[str, int]]) -> None:
    asyncio.run(_live(new_house, operations))


async def _live(new_house: NewHouse, operations: list[tuple[str, int]]) -> None:
    async with new_house() as house:
        life = Life(house)
        for name, number in operations:
            try:
                await getattr(life, name)(number)
            except OloError as error:
                assert error.code in (ErrorCode.NOT_FOUND, ErrorCode.ALREADY_EXISTS, ErrorCode.FAILED_PRECONDITION)
            await life.check()
        await life.settle()
        collection = await house.collections.get("default", "demo")
        assert sum(len(space) for space in house.vectors._spaces.values()) == collection.chunk_count
        assert await house.vectors.count(collection.model, collection.points()) == collection.chunk_count
