"""Collections on their way to another embedding model or other passages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypedDict, Unpack

from olo.retrieval.v1 import migration_service_pb2 as pb
from olo.retrieval.v1.migration_service_pb2_grpc import MigrationServiceStub
from olo_client.async_calls import AsyncCalls
from olo_client.calls import Calls
from olo_client.requests import chunking_message


class MigrationPlan(TypedDict, total=False):
    """What shall be different.

    Attributes:
        embedding_model: The model that embeds; left out: the collection's.
        strategy: What a passage is: "structure", "parent_child" or "fixed".
        max_tokens: Tokens of a passage at most.
        overlap_tokens: Tokens that a passage repeats of the one before it.
        min_overlap: 0 to 1: the share of found documents in common, below which the old index stays served.
    """

    embedding_model: str
    strategy: str
    max_tokens: int
    overlap_tokens: int
    min_overlap: float


def start_request(collection: str, plan: MigrationPlan) -> pb.StartMigrationRequest:
    """The request that begins a migration."""
    request = pb.StartMigrationRequest(
        collection=collection,
        embedding_model_id=plan.get("embedding_model", ""),
        min_overlap=plan.get("min_overlap", 0.0),
    )
    if plan.keys() & {"strategy", "max_tokens", "overlap_tokens"}:
        request.chunking.CopyFrom(
            chunking_message(
                plan.get("strategy", "structure"), plan.get("max_tokens", 0), plan.get("overlap_tokens", 0)
            )
        )
    return request


class Migrations:
    """Collections on their way. Without an id, the newest migration is meant."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = MigrationServiceStub(calls.channel)

    def start(self, collection: str, **plan: Unpack[MigrationPlan]) -> pb.Migration:
        """Begins to build a second index, which takes the place of the first when it holds every document."""
        request = start_request(collection, plan)
        return (self._calls.call(self._stub.StartMigration, request, repeatable=False)).migration

    def get(self, collection: str, migration_id: str = "") -> pb.Migration:
        """How far it has come."""
        request = pb.GetMigrationRequest(collection=collection, migration_id=migration_id)
        return (self._calls.call(self._stub.GetMigration, request)).migration

    def list(self, collection: str) -> Iterator[pb.Migration]:
        """Those of a collection, newest first."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListMigrations, pb.ListMigrationsRequest(collection=collection, page_token=token)
            ),
            lambda page: page.migrations,
            None,
        )

    def roll_back(self, collection: str, migration_id: str = "") -> pb.Migration:
        """Gives it up: searches see the old index, or go on seeing it."""
        request = pb.RollBackMigrationRequest(collection=collection, migration_id=migration_id)
        return (self._calls.call(self._stub.RollBackMigration, request)).migration

    def finish(self, collection: str, migration_id: str = "") -> pb.Migration:
        """Removes the old index; there is no way back then."""
        request = pb.FinishMigrationRequest(collection=collection, migration_id=migration_id)
        return (self._calls.call(self._stub.FinishMigration, request)).migration


class AsyncMigrations:
    """Collections on their way. Without an id, the newest migration is meant."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = MigrationServiceStub(calls.channel)

    async def start(self, collection: str, **plan: Unpack[MigrationPlan]) -> pb.Migration:
        """Begins to build a second index, which takes the place of the first when it holds every document."""
        request = start_request(collection, plan)
        return (await self._calls.call(self._stub.StartMigration, request, repeatable=False)).migration

    async def get(self, collection: str, migration_id: str = "") -> pb.Migration:
        """How far it has come."""
        request = pb.GetMigrationRequest(collection=collection, migration_id=migration_id)
        return (await self._calls.call(self._stub.GetMigration, request)).migration

    def list(self, collection: str) -> AsyncIterator[pb.Migration]:
        """Those of a collection, newest first."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListMigrations, pb.ListMigrationsRequest(collection=collection, page_token=token)
            ),
            lambda page: page.migrations,
            None,
        )

    async def roll_back(self, collection: str, migration_id: str = "") -> pb.Migration:
        """Gives it up: searches see the old index, or go on seeing it."""
        request = pb.RollBackMigrationRequest(collection=collection, migration_id=migration_id)
        return (await self._calls.call(self._stub.RollBackMigration, request)).migration

    async def finish(self, collection: str, migration_id: str = "") -> pb.Migration:
        """Removes the old index; there is no way back then."""
        request = pb.FinishMigrationRequest(collection=collection, migration_id=migration_id)
        return (await self._calls.call(self._stub.FinishMigration, request)).migration
