"""The batch workflow: check the file, answer its lines a few at a time, write down what came of them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from olo.gateway.v1 import batch_service_pb2 as pb
    from olo_contracts.queues import (
        ANSWER_LINE_ACTIVITY,
        BATCH_QUERY,
        BATCH_WORKFLOW,
        CANCEL_BATCH_SIGNAL,
        CLEAR_BATCH_ACTIVITY,
        COLLECT_BATCH_ACTIVITY,
        PAUSE_BATCH_SIGNAL,
        RESUME_BATCH_SIGNAL,
        SAVE_BATCH_ACTIVITY,
        VALIDATE_BATCH_ACTIVITY,
    )

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""A line whose gateway has died goes on at another one this much later."""
_SAVE_TIMEOUT: Final = timedelta(seconds=30)
_COLLECT_TIMEOUT: Final = timedelta(hours=2)
_RETRY: Final = RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30))
"""For ever: what a step needs is away, and comes back."""

CUT_SHORT: Final = "m10-part-cut-short"
"""Before this patch a part went on to its last line, however long pauses had made its history."""

R = TypeVar("R")


@workflow.defn(name=BATCH_WORKFLOW)
class BatchWorkflow:
    """One batch. A long one is cut into parts, so that no history grows without end."""

    @workflow.init
    def __init__(self, work: pb.BatchWork) -> None:
        self._work = work
        self._batch = work.batch
        # In the order in which they began: sets have another one at each replay.
        self._running: dict[int, asyncio.Task[None]] = {}
        self._expired = False

    @workflow.run
    async def run(self, work: pb.BatchWork) -> pb.Batch:
        """Gives the batch as it has ended."""
        if self._batch.status == pb.BATCH_STATUS_VALIDATING:
            await self._validate()
        if self._batch.status != pb.BATCH_STATUS_FAILED:
            await self._answer()
            await self._finish()
        await self._save()
        await self._step(CLEAR_BATCH_ACTIVITY, self._work, _COLLECT_TIMEOUT, pb.BatchWork)
        return self._batch

    @workflow.signal(name=CANCEL_BATCH_SIGNAL)
    def cancel(self) -> None:
        """Begins no further line and stops those that run."""
        if self._batch.status in (pb.BATCH_STATUS_VALIDATING, pb.BATCH_STATUS_IN_PROGRESS):
            self._batch.status = pb.BATCH_STATUS_CANCELLING
            _stamp(self._batch.cancelling_time)

    @workflow.signal(name=PAUSE_BATCH_SIGNAL)
    def pause(self) -> None:
        """Begins no further line until told to."""
        self._batch.paused = True

    @workflow.signal(name=RESUME_BATCH_SIGNAL)
    def resume(self) -> None:
        """Goes on."""
        self._batch.paused = False

    @workflow.query(name=BATCH_QUERY)
    def so_far(self) -> pb.Batch:
        """The batch as it is now."""
        return self._batch

    def _over(self) -> bool:
        return self._expired or self._batch.status == pb.BATCH_STATUS_CANCELLING

    def _ends_here(self) -> bool:
        """Whether no further line is begun in this part; also where so often pausing has filled its history."""
        return self._over() or (workflow.info().is_continue_as_new_suggested() and workflow.patched(CUT_SHORT))

    @property
    def _deadline(self) -> datetime:
        return (
            self._batch.create_time.ToDatetime(tzinfo=workflow.now().tzinfo)
            + self._batch.completion_window.ToTimedelta()
        )

    async def _validate(self) -> None:
        checked = await self._step(VALIDATE_BATCH_ACTIVITY, self._work, _COLLECT_TIMEOUT, pb.Batch)
        self._batch.total_count = checked.total_count
        self._batch.errors.extend(checked.errors)
        if checked.errors:
            self._batch.status = pb.BATCH_STATUS_FAILED
            _stamp(self._batch.end_time)
            return
        if not self._over():
            self._batch.status = pb.BATCH_STATUS_IN_PROGRESS
        _stamp(self._batch.in_progress_time)
        await self._save()

    async def _answer(self) -> None:
        """Answers lines until none is left, or the batch is over; a part that is long enough hands on to the next."""
        expiring = asyncio.create_task(self._expire())
        last = min(self._work.next_line + self._work.lines_per_part, self._batch.total_count)
        while self._work.next_line < last:
            await workflow.wait_condition(lambda: self._ends_here() or (not self._batch.paused and self._has_room))
            if self._ends_here():
                break
            number = self._work.next_line
            self._running[number] = asyncio.create_task(self._line(number))
            self._work.next_line += 1
        await workflow.wait_condition(lambda: self._over() or not self._running)
        for task in list(self._running.values()):
            task.cancel()
        await workflow.wait_condition(lambda: not self._running)
        expiring.cancel()
        if self._work.next_line < self._batch.total_count and not self._over():
            workflow.continue_as_new(self._work)

    @property
    def _has_room(self) -> bool:
        return len(self._running) < self._work.window

    async def _expire(self) -> None:
        await asyncio.sleep(max(0.0, (self._deadline - workflow.now()).total_seconds()))
        self._expired = True

    async def _line(self, number: int) -> None:
        try:
            await self._answered(number)
        finally:
            del self._running[number]

    async def _answered(self, number: int) -> None:
        line = pb.BatchLine(
            tenant=self._work.tenant, batch_id=self._batch.batch_id, endpoint=self._batch.endpoint, line=number
        )
        try:
            result: pb.BatchLineResult = await workflow.execute_activity(
                ANSWER_LINE_ACTIVITY,
                line,
                result_type=pb.BatchLineResult,
                schedule_to_close_timeout=max(timedelta(seconds=1), self._deadline - workflow.now()),
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=_RETRY,
                # It hears of it only while the batch is there to be told of.
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            # A line that was stopped has no row; the end of the batch says why.
            if not is_cancelled_exception(error):
                self._batch.failed_count += 1
            return
        self._batch.completed_count += result.succeeded
        self._batch.failed_count += not result.succeeded
        self._batch.prompt_tokens += result.prompt_tokens
        self._batch.completion_tokens += result.completion_tokens

    async def _finish(self) -> None:
        ended = pb.BATCH_STATUS_EXPIRED if self._expired else pb.BATCH_STATUS_COMPLETED
        if self._batch.status == pb.BATCH_STATUS_CANCELLING:
            ended = pb.BATCH_STATUS_CANCELLED
        else:
            self._batch.status = pb.BATCH_STATUS_FINALIZING
        _stamp(self._batch.finalizing_time)
        collected = await self._step(
            COLLECT_BATCH_ACTIVITY, pb.BatchEnd(work=self._work, status=ended), _COLLECT_TIMEOUT, pb.Batch
        )
        self._batch.output_file_id = collected.output_file_id
        self._batch.error_file_id = collected.error_file_id
        # What is in the files is what counts: a line may have ended while it was being stopped.
        self._batch.completed_count = collected.completed_count
        self._batch.failed_count = collected.failed_count
        self._batch.status, self._batch.paused = ended, False
        _stamp(self._batch.end_time)

    async def _save(self) -> None:
        await self._step(SAVE_BATCH_ACTIVITY, self._work, _SAVE_TIMEOUT, pb.BatchWork)

    async def _step(self, name: str, argument: Any, timeout: timedelta, result_type: type[R]) -> R:
        result: R = await workflow.execute_activity(
            name,
            argument,
            result_type=result_type,
            start_to_close_timeout=timeout,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=_RETRY,
        )
        return result


def _stamp(time: Timestamp) -> None:
    time.FromDatetime(workflow.now())
