"""The activities of the batch workflow. Each may be done again at any point, and leaves the same behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from temporalio import activity

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_common.durations import seconds_of
from olo_common.errors import InvalidField, OloError
from olo_common.failures import to_application_error
from olo_common.logs import logger
from olo_contracts.queues import (
    ANSWER_LINE_ACTIVITY,
    CLEAR_BATCH_ACTIVITY,
    COLLECT_BATCH_ACTIVITY,
    SAVE_BATCH_ACTIVITY,
    VALIDATE_BATCH_ACTIVITY,
)
from olo_gateway.access.caller import Caller, acting
from olo_gateway.batches.desk import Desk, Row
from olo_gateway.batches.lines import Line, LineInvalid, custom_id_of, read
from olo_gateway.batches.order import output_file_id
from olo_gateway.batches.results import CANCELLED, EXPIRED, LOST, Answered, Endpoint, answer_row, failure_row
from olo_gateway.calls.batch_records import BatchRecords
from olo_gateway.errors import StoredFileNotFound
from olo_gateway.files.objects import ObjectStore
from olo_gateway.files.shelf import OUTPUT_PURPOSE, FileDraft, Shelf
from olo_gateway.ports import RUN_STATE

BEAT_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_RUNS: Final = 3
"""A run that has failed for a reason that may pass is followed by another one so often."""
_MOST_ERRORS: Final = 100
_MOST_TOLD: Final = 1000
"""Characters of a field, whose name may be of the caller's making: all errors together go through a history."""
_WHY: Final = {pb.BATCH_STATUS_CANCELLED: CANCELLED, pb.BATCH_STATUS_EXPIRED: EXPIRED}


class BatchActivities:
    """What the batch workflow asks of the world.

    Args:
        objects: Where the work of batches is kept.
        shelf: The files.
        endpoints: What answers lines.
        max_lines: Lines that a batch may have.
    """

    def __init__(self, objects: ObjectStore, shelf: Shelf, endpoints: Mapping[str, Endpoint], max_lines: int) -> None:
        self._objects = objects
        self._shelf = shelf
        self._endpoints = endpoints
        self._max_lines = max_lines
        self._records = BatchRecords(objects)

    @activity.defn(name=VALIDATE_BATCH_ACTIVITY)
    async def validate(self, work: pb.BatchWork) -> pb.Batch:
        """Looks at every line before any is run; gives how many there are, and what is wrong with them."""
        checked = pb.Batch()
        try:
            async with _beating(), _told():
                await self._check(work, checked)
        except StoredFileNotFound:
            checked.errors.add(code="file_not_found", message="the input file was deleted", param="input_file_id")
        return checked

    @activity.defn(name=ANSWER_LINE_ACTIVITY)
    async def answer(self, line: pb.BatchLine) -> pb.BatchLineResult:
        """Answers a line and keeps its row; a line that is done already is not answered again."""
        async with _beating(), _told():
            desk = Desk(self._objects, line.tenant, line.batch_id)
            if (done := await desk.get(line.line)) is not None:
                return pb.BatchLineResult(succeeded=done[0].succeeded)
            asked = read(await desk.line(line.line), line.endpoint)
            with acting(Caller(tenant=line.tenant)):
                answered = await self._answered(line, asked)
            succeeded = answered.status < 400
            row = answer_row(line.batch_id, line.line, asked.custom_id, answered)
            await desk.put(Row(line.line, succeeded), row)
            return pb.BatchLineResult(
                succeeded=succeeded,
                prompt_tokens=answered.prompt_tokens,
                completion_tokens=answered.completion_tokens,
            )

    @activity.defn(name=COLLECT_BATCH_ACTIVITY)
    async def collect(self, end: pb.BatchEnd) -> pb.Batch:
        """Writes the output file and the error file, each line in one of them, once."""
        batch, collected = end.work.batch, pb.Batch()
        desk = Desk(self._objects, end.work.tenant, batch.batch_id)
        async with _beating(), _told():
            rows = {row.line: row for row in await desk.rows()}
            done = [row for row in rows.values() if row.succeeded]
            lines = range(batch.total_count)
            collected.completed_count = len(done)
            collected.failed_count = batch.total_count - len(done)
            if done:
                collected.output_file_id = await self._write(end.work, "output", desk.contents(done))
            if collected.failed_count:
                why = _WHY.get(end.status, LOST)
                failed = _failures(desk, batch.batch_id, [rows.get(n, n) for n in lines], why)
                collected.error_file_id = await self._write(end.work, "errors", failed)
        return collected

    @activity.defn(name=SAVE_BATCH_ACTIVITY)
    async def save(self, work: pb.BatchWork) -> pb.BatchWork:
        """Writes the record of a batch, for those who ask after its history is gone."""
        async with _told():
            await self._records.put(work.tenant, work.batch)
        return pb.BatchWork()

    @activity.defn(name=CLEAR_BATCH_ACTIVITY)
    async def clear(self, work: pb.BatchWork) -> pb.BatchWork:
        """Deletes what only the running batch needs."""
        async with _beating(), _told():
            await Desk(self._objects, work.tenant, work.batch.batch_id).clear()
        return pb.BatchWork()

    async def _check(self, work: pb.BatchWork, checked: pb.Batch) -> None:
        desk = Desk(self._objects, work.tenant, work.batch.batch_id)
        endpoint, seen = self._endpoints[work.batch.endpoint], set[str]()
        content = self._shelf.read(work.tenant, work.batch.input_file_id)
        async with contextlib.aclosing(desk.keep(content)) as lines:
            async for raw in lines:
                if checked.total_count == self._max_lines:
                    message = f"a batch may have at most {self._max_lines} lines"
                    checked.errors.add(code="too_many_lines", message=message, line=raw.number)
                    return
                checked.total_count += 1
                try:
                    line = read(raw, work.batch.endpoint)
                    if line.custom_id in seen:
                        raise LineInvalid("duplicate_custom_id", "this custom_id was used before", "custom_id")
                    seen.add(line.custom_id)
                    endpoint.check(line.body)
                except LineInvalid as error:
                    _tell(checked, error.code, error.message, raw.number, error.param)
                except InvalidField as error:
                    _tell(checked, error.reason, error.message, raw.number, f"body.{error.field}")
                if len(checked.errors) == _MOST_ERRORS:
                    return
        if not checked.total_count:
            checked.errors.add(code="empty_file", message="the input file has no lines", param="input_file_id")

    async def _answered(self, line: pb.BatchLine, asked: Line) -> Answered:
        endpoint, runs, pause = self._endpoints[line.endpoint], 1, _PAUSE_SECONDS
        while True:
            request_id = f"{line.batch_id}.{line.line}.{runs}"
            try:
                return await endpoint.answer(asked.body, request_id)
            except OloError as error:
                failed = RUN_STATE in error.metadata
                if not error.retryable or (failed and runs == _RUNS):
                    return _refused(error, request_id)
                # A run that has failed stays failed; what was not let in, or not said, is asked again.
                runs += failed
                pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            except asyncio.CancelledError:
                details = activity.cancellation_details()
                if details is not None and details.cancel_requested:
                    await endpoint.cancel(request_id)
                raise
            except Exception as error:
                logger(__name__).error("batch_line_crashed", batch_id=line.batch_id, line=line.line, exc_info=error)
                return _refused(OloError("internal error; the log of the service has the details"), request_id)

    async def _write(self, work: pb.BatchWork, kind: str, content: AsyncGenerator[bytes, None]) -> str:
        batch = work.batch
        life = seconds_of(batch.output_expires_after) if batch.HasField("output_expires_after") else None
        created = batch.create_time.ToMicroseconds() / 1e6
        draft = FileDraft(
            f"{batch.batch_id}_{kind}.jsonl", OUTPUT_PURPOSE, life, output_file_id(batch.batch_id, created, kind)
        )
        return (await self._shelf.write(work.tenant, draft, content)).file_id


def _tell(checked: pb.Batch, code: str, message: str, line: int, param: str) -> None:
    checked.errors.add(code=code, message=message[:_MOST_TOLD], line=line, param=param[:_MOST_TOLD])


async def _failures(
    desk: Desk, batch_id: str, lines: list[Row | int], why: tuple[str, str]
) -> AsyncGenerator[bytes, None]:
    """The rows of the error file: those that were kept, and those of lines that were never done."""
    for line in lines:
        if isinstance(line, int):
            yield failure_row(batch_id, line, custom_id_of(await desk.line(line)), why)
        elif not line.succeeded:
            yield await desk.content(line)


def _refused(error: OloError, request_id: str) -> Answered:
    """The answer of an endpoint that says why there is none, as a caller of the endpoint would get it."""
    body = {
        "error": {
            "message": error.message,
            "type": error.code.value.openai_type,
            "param": error.field,
            "code": error.reason,
        }
    }
    return Answered(request_id, body, status=error.code.value.http)


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """Tells Temporal that the activity lives, while entered."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Makes the errors of the project failures of the activity, which is tried again."""
    try:
        yield
    except StoredFileNotFound:
        raise
    except OloError as error:
        raise to_application_error(error, retryable=True) from error
