"""The group `sources` of both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

from olo.retrieval.v1 import source_service_pb2 as pb
from olo.retrieval.v1.source_service_pb2_grpc import SourceServiceStub
from olo_client.async_calls import AsyncCalls
from olo_client.calls import Calls

Configuration: TypeAlias = pb.FileSource | pb.WebSource | pb.SqlSource | pb.GitSource | pb.NatsSource
Report = Callable[[pb.Source], None]

ENDED = (pb.SOURCE_SYNC_STATE_SUCCEEDED, pb.SOURCE_SYNC_STATE_FAILED)
"""States of a sync that goes on no more."""

_PAUSE_SECONDS = 0.3


def _nobody_listens(_: pb.Source) -> None:
    """Tells nobody."""


class Sources:
    """Where the documents of a collection come from: each source is kept in step by durable syncs."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = SourceServiceStub(calls.channel)

    def create(
        self, collection: str, source_id: str, configuration: Configuration, *, every: float | None = None
    ) -> pb.Source:
        """Adds a source, to be synced every so many seconds, or only by `sync`."""
        request = create_request(collection, source_id, configuration, every)
        return (self._calls.call(self._stub.CreateSource, request, repeatable=False)).source

    def get(self, collection: str, source_id: str) -> pb.Source:
        """One source, with how far its last sync has come."""
        request = pb.GetSourceRequest(collection=collection, source_id=source_id)
        return (self._calls.call(self._stub.GetSource, request)).source

    def list(self, collection: str) -> Iterator[pb.Source]:
        """The sources of a collection by id."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListSources, pb.ListSourcesRequest(collection=collection, page_token=token)
            ),
            lambda page: page.sources,
            None,
        )

    def sync(self, collection: str, source_id: str, *, accept_deletions: bool = False) -> pb.Source:
        """Starts a sync, or finds one running. `accept_deletions`: also where more than half of all has disappeared."""
        request = sync_request(collection, source_id, accept_deletions)
        return (self._calls.call(self._stub.SyncSource, request)).source

    def wait(
        self, collection: str, source_id: str, *, timeout: float | None = None, report: Report = _nobody_listens
    ) -> pb.Source:
        """Waits until no sync is running; `report` is told how far it is.

        Raises:
            TimeoutError: It takes longer than `timeout` seconds.
        """
        give_up = None if timeout is None else time.monotonic() + timeout
        while is_running(source := self.get(collection, source_id)):
            report(source)
            if give_up is not None and time.monotonic() > give_up:
                raise TimeoutError(f"the sync of {source_id} is still running after {timeout:g} s")
            time.sleep(_PAUSE_SECONDS)
        report(source)
        return source

    def delete(self, collection: str, source_id: str, *, keep_documents: bool = False) -> None:
        """Begins to delete a source with its documents; `get` finds it until they are gone."""
        request = delete_request(collection, source_id, keep_documents)
        self._calls.call(self._stub.DeleteSource, request)


class AsyncSources:
    """Where the documents of a collection come from: each source is kept in step by durable syncs."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = SourceServiceStub(calls.channel)

    async def create(
        self, collection: str, source_id: str, configuration: Configuration, *, every: float | None = None
    ) -> pb.Source:
        """Adds a source, to be synced every so many seconds, or only by `sync`."""
        request = create_request(collection, source_id, configuration, every)
        return (await self._calls.call(self._stub.CreateSource, request, repeatable=False)).source

    async def get(self, collection: str, source_id: str) -> pb.Source:
        """One source, with how far its last sync has come."""
        request = pb.GetSourceRequest(collection=collection, source_id=source_id)
        return (await self._calls.call(self._stub.GetSource, request)).source

    def list(self, collection: str) -> AsyncIterator[pb.Source]:
        """The sources of a collection by id."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListSources, pb.ListSourcesRequest(collection=collection, page_token=token)
            ),
            lambda page: page.sources,
            None,
        )

    async def sync(self, collection: str, source_id: str, *, accept_deletions: bool = False) -> pb.Source:
        """Starts a sync, or finds one running. `accept_deletions`: also where more than half of all has disappeared."""
        request = sync_request(collection, source_id, accept_deletions)
        return (await self._calls.call(self._stub.SyncSource, request)).source

    async def wait(
        self, collection: str, source_id: str, *, timeout: float | None = None, report: Report = _nobody_listens
    ) -> pb.Source:
        """Waits until no sync is running; `report` is told how far it is.

        Raises:
            TimeoutError: It takes longer than `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while is_running(source := await self.get(collection, source_id)):
                report(source)
                await asyncio.sleep(_PAUSE_SECONDS)
        report(source)
        return source

    async def delete(self, collection: str, source_id: str, *, keep_documents: bool = False) -> None:
        """Begins to delete a source with its documents; `get` finds it until they are gone."""
        request = delete_request(collection, source_id, keep_documents)
        await self._calls.call(self._stub.DeleteSource, request)


def is_running(source: pb.Source) -> bool:
    """Whether a sync of the source, or its removal, is asked for or running."""
    return source.HasField("last_sync") and source.last_sync.state not in ENDED


def create_request(
    collection: str, source_id: str, configuration: Configuration, every: float | None
) -> pb.CreateSourceRequest:
    """The request that adds a source."""
    source = pb.Source(source_id=source_id, collection=collection)
    if isinstance(configuration, pb.FileSource):
        source.files.CopyFrom(configuration)
    elif isinstance(configuration, pb.WebSource):
        source.web.CopyFrom(configuration)
    elif isinstance(configuration, pb.SqlSource):
        source.sql.CopyFrom(configuration)
    elif isinstance(configuration, pb.GitSource):
        source.git.CopyFrom(configuration)
    else:
        source.nats.CopyFrom(configuration)
    if every is not None:
        interval = Duration()
        interval.FromTimedelta(timedelta(seconds=every))
        source.interval.CopyFrom(interval)
    return pb.CreateSourceRequest(source=source)


def sync_request(collection: str, source_id: str, accept_deletions: bool) -> pb.SyncSourceRequest:
    """The request that starts a sync."""
    return pb.SyncSourceRequest(collection=collection, source_id=source_id, accept_deletions=accept_deletions)


def delete_request(collection: str, source_id: str, keep_documents: bool) -> pb.DeleteSourceRequest:
    """The request that deletes a source."""
    return pb.DeleteSourceRequest(collection=collection, source_id=source_id, keep_documents=keep_documents)
