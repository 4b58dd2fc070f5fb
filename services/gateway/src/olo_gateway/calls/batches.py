"""Batches for callers of every dialect."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_common.durations import duration_of, seconds_of
from olo_common.errors import InvalidField, OloError, Unavailable
from olo_contracts.queues import CANCEL_BATCH_SIGNAL, PAUSE_BATCH_SIGNAL, RESUME_BATCH_SIGNAL
from olo_gateway.access.caller import caller
from olo_gateway.access.errors import Forbidden
from olo_gateway.batches.desk import Desk
from olo_gateway.batches.lines import LineInvalid, read, split
from olo_gateway.batches.order import INPUT_PURPOSE, BatchOrder, accepted, is_batch_id, new_batch_id
from olo_gateway.batches.results import Endpoint
from olo_gateway.calls.batch_records import BatchRecords
from olo_gateway.errors import BatchConflict, BatchEnded, BatchNotFound, ObjectMissing
from olo_gateway.files.objects import ObjectStore
from olo_gateway.files.shelf import Shelf
from olo_gateway.ports import BatchRuns

ENDED: Final = (
    pb.BATCH_STATUS_FAILED,
    pb.BATCH_STATUS_COMPLETED,
    pb.BATCH_STATUS_EXPIRED,
    pb.BATCH_STATUS_CANCELLED,
)
LINES_PER_PART: Final = 1000
"""After so many lines a history is followed by another one: three events for each are far from what one may have."""
_START_SECONDS: Final = 60.0
"""Longer than a start takes after the record is written: who wrote an older one has died in between."""


class Batches:
    """Takes and shows batches.

    Args:
        runs: The workflows.
        objects: Where records and work are kept.
        shelf: The files.
        endpoints: What answers lines.
        window: Lines of a batch in flight at once.
    """

    def __init__(
        self,
        runs: BatchRuns,
        objects: ObjectStore,
        shelf: Shelf,
        endpoints: Mapping[str, Endpoint],
        *,
        window: int,
    ) -> None:
        self._runs = runs
        self._objects = objects
        self._records = BatchRecords(objects)
        self._shelf = shelf
        self._endpoints = endpoints
        self._window = window

    async def create(self, tenant: str, order: BatchOrder) -> pb.Batch:
        """Starts a batch.

        Raises:
            OloError: What is wrong with the order.
        """
        order = accepted(order, self._endpoints)
        batch = _new(tenant, order)
        known = await self._records.get(tenant, batch.batch_id) if order.request_id else None
        if known is None:
            await self._check_input(tenant, order)
            await self._records.put(tenant, batch)
        elif not _same(known, batch):
            raise BatchConflict
        else:
            batch = known
        if batch.status == pb.BATCH_STATUS_VALIDATING:
            # Started again where whoever wrote the record has died before; it runs once.
            begun = await self._start(tenant, batch, wrote=known is None)
            if not begun and known is None:
                return await self._overtaken(tenant, batch)
        return batch

    async def get(self, tenant: str, batch_id: str) -> pb.Batch:
        """One batch as it is now.

        Raises:
            BatchNotFound: The tenant has no such batch.
        """
        known = await self._records.get(tenant, batch_id) if is_batch_id(batch_id) else None
        if known is None:
            raise BatchNotFound
        return await self._now(tenant, known)

    async def list(self, tenant: str, limit: int, after: str = "") -> tuple[list[pb.Batch], bool]:
        """Batches, newest first, and whether there are more after these."""
        known = await self._records.list(tenant)
        ids = [batch.batch_id for batch in known]
        if after:
            known = known[ids.index(after) + 1 :] if after in ids else []
        return [await self._now(tenant, batch) for batch in known[:limit]], len(known) > limit

    async def cancel(self, tenant: str, batch_id: str) -> pb.Batch:
        """Asks a batch to stop."""
        return await self._tell(tenant, batch_id, CANCEL_BATCH_SIGNAL)

    async def pause(self, tenant: str, batch_id: str) -> pb.Batch:
        """Begins no further line."""
        return await self._tell(tenant, batch_id, PAUSE_BATCH_SIGNAL)

    async def resume(self, tenant: str, batch_id: str) -> pb.Batch:
        """Goes on."""
        return await self._tell(tenant, batch_id, RESUME_BATCH_SIGNAL)

    async def results(self, tenant: str, batch_id: str) -> AsyncGenerator[bytes, None]:
        """The rows that there are: those that were answered, then the others.

        Raises:
            BatchNotFound: The tenant has no such batch.
        """
        batch, began = await self.get(tenant, batch_id), False
        if batch.status not in ENDED:
            async with aclosing(self._rows(tenant, batch_id)) as rows:
                async for row in rows:
                    began = True
                    yield row
            # One that has just ended has its rows in its files.
            batch = await self.get(tenant, batch_id)
        if began or batch.status not in ENDED:
            return
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            async with aclosing(self._shelf.read(tenant, file_id)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _rows(self, tenant: str, batch_id: str) -> AsyncGenerator[bytes, None]:
        """The rows of a batch that runs; none where it has just ended.

        Raises:
            Unavailable: It has ended while they were read.
        """
        desk, began = Desk(self._objects, tenant, batch_id), False
        try:
            rows = sorted(await desk.rows(), key=lambda row: (not row.succeeded, row.line))
            async with aclosing(desk.contents(rows)) as contents:
                async for content in contents:
                    began = True
                    yield content
        except ObjectMissing:
            if began:
                raise Unavailable("the batch has ended meanwhile; read its results again", retry_after=1.0) from None

    async def _check_input(self, tenant: str, order: BatchOrder) -> None:
        file = await self._shelf.get(tenant, order.input_file_id, "input_file_id")
        if file.purpose != INPUT_PURPOSE:
            raise InvalidField("input_file_id", f"the purpose of this file is {file.purpose}, and not {INPUT_PURPOSE}")
        if caller().models:
            await self._check_models(tenant, order)

    async def _overtaken(self, tenant: str, batch: pb.Batch) -> pb.Batch:
        """The batch that another call with the same request id has begun, while this one took it for new.

        Raises:
            BatchConflict: It is another one than what is asked for here.
        """
        begun = await self._runs.so_far(batch.batch_id) or await self._runs.outcome(batch.batch_id)
        if begun is None:
            return batch
        # The record of this call has taken the place of the other's.
        await self._records.put(tenant, begun)
        if not _same(begun, batch):
            raise BatchConflict
        return begun

    async def _check_models(self, tenant: str, order: BatchOrder) -> None:
        """Reads the file of a caller who may not name every model: when its lines are run, nobody knows their key.

        Raises:
            Forbidden: Naming the first line that asks for a model which is not theirs.
        """
        check = self._endpoints[order.endpoint].check
        async with (
            aclosing(self._shelf.read(tenant, order.input_file_id)) as pieces,
            aclosing(split(pieces)) as lines,
        ):
            async for raw in lines:
                try:
                    check(read(raw, order.endpoint).body)
                except Forbidden as error:
                    raise Forbidden(f"line {raw.number}: {error.message}", field="input_file_id") from None
                except (LineInvalid, InvalidField):
                    # The batch tells all of them, and runs no line then.
                    continue

    async def _start(self, tenant: str, batch: pb.Batch, *, wrote: bool) -> bool:
        """Whether the batch begins now; it did before otherwise. `wrote` says whose its record is."""
        work = pb.BatchWork(batch=batch, tenant=tenant, window=self._window, lines_per_part=LINES_PER_PART)
        try:
            return await self._runs.start(work)
        except OloError:
            with contextlib.suppress(OloError):
                # Nobody was told of it. Where it runs all the same, it writes its record itself, and may have by now.
                kept = await self._records.get(tenant, batch.batch_id) if wrote else None
                if kept is not None and kept.status == pb.BATCH_STATUS_VALIDATING:
                    await self._records.delete(tenant, batch.batch_id)
            raise

    async def _tell(self, tenant: str, batch_id: str, signal: str) -> pb.Batch:
        if (await self.get(tenant, batch_id)).status in ENDED:
            raise BatchEnded
        await self._runs.signal(batch_id, signal)
        return await self.get(tenant, batch_id)

    async def _now(self, tenant: str, known: pb.Batch) -> pb.Batch:
        if known.status in ENDED:
            return known
        try:
            if not await self._runs.ended(known.batch_id):
                return await self._runs.so_far(known.batch_id) or known
        except Unavailable:
            return known
        except BatchNotFound:
            if known.create_time.seconds > time.time() - _START_SECONDS:
                return known
        # It may have ended well between the two looks.
        again = await self._records.get(tenant, known.batch_id) or known
        if again.status not in ENDED and (outcome := await self._runs.outcome(known.batch_id)) is not None:
            # Its record was written over by a call that took the batch for new.
            await self._records.put(tenant, outcome)
            return outcome
        if again.status not in ENDED:
            again.status = pb.BATCH_STATUS_FAILED
            again.errors.add(
                code="internal", message="the batch was never started, or was ended by an operator or an error"
            )
        return again


def _new(tenant: str, order: BatchOrder) -> pb.Batch:
    batch = pb.Batch(
        batch_id=new_batch_id(tenant, order.request_id),
        endpoint=order.endpoint,
        input_file_id=order.input_file_id,
        status=pb.BATCH_STATUS_VALIDATING,
        completion_window=duration_of(timedelta(seconds=order.window)),
        metadata=dict(order.metadata),
        create_time=_now(),
    )
    if order.output_expires_after is not None:
        batch.output_expires_after.CopyFrom(duration_of(timedelta(seconds=order.output_expires_after)))
    return batch


def _same(one: pb.Batch, other: pb.Batch) -> bool:
    """Whether both were asked for by the same request."""
    return (
        one.endpoint == other.endpoint
        and one.input_file_id == other.input_file_id
        and dict(one.metadata) == dict(other.metadata)
        and seconds_of(one.completion_window) == seconds_of(other.completion_window)
        and seconds_of(one.output_expires_after) == seconds_of(other.output_expires_after)
    )


def _now() -> Timestamp:
    now = Timestamp()
    now.FromMilliseconds(int(time.time() * 1000))
    return now
