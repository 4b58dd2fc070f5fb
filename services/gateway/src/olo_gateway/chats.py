"""A chat call from acceptance to answer: admit, listen, start the run, assemble, let go when the caller hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, RunProgress
from olo_common.errors import OloError
from olo_common.logs import logger
from olo_contracts.identifiers import DEFAULT_TENANT
from olo_gateway.convert import request_of
from olo_gateway.ports import Runs, TokenStreams
from olo_gateway.runs.admission import Admission
from olo_gateway.runs.identity import fingerprint, run_id_of
from olo_gateway.runs.order import ChatOrder
from olo_gateway.runs.validation import RunLimits, accepted
from olo_gateway.streaming.assembler import StreamAssembler
from olo_gateway.streaming.events import Delta, Reset
from olo_gateway.streaming.silences import with_silences

RESULT_GRACE_SECONDS: Final = 2.0
"""How much longer than the run itself its caller waits: the run's own failure says more than ours."""
PROGRESS_SECONDS: Final = 1.0
"""Silence after which a caller that waits for a model is told what its run is busy with, if that has changed."""


@dataclass(frozen=True, slots=True)
class Started:
    """The run is durable from now on."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The run has ended with an answer."""

    response: ChatResponse


@dataclass(frozen=True, slots=True)
class Progress:
    """What the run is busy with, while there is no text yet."""

    progress: RunProgress


ChatEvent: TypeAlias = Started | Progress | Delta | Reset | Completed


@dataclass(frozen=True, slots=True)
class _Call:
    run_id: str
    request: ChatRequest
    fingerprint: str
    wait: float
    outlives_caller: bool


class Chats:
    """Serves chat calls of every dialect."""

    def __init__(self, runs: Runs, tokens: TokenStreams, admission: Admission, limits: RunLimits) -> None:
        self._runs = runs
        self._tokens = tokens
        self._admission = admission
        self._limits = limits
        self._cancelling: set[asyncio.Task[None]] = set()

    async def answer(self, order: ChatOrder) -> ChatResponse:
        """Runs an order and waits for its answer.

        Raises:
            OloError: What is wrong with it, or why it failed.
        """
        call = self._call(order, stream=False)
        with self._admission.slot(), self._cancelled_with_caller(call), _logged(call):
            await self._runs.start(call.run_id, call.request, call.fingerprint)
            return await self._runs.result(call.run_id, call.wait)

    def stream(self, order: ChatOrder) -> AsyncGenerator[ChatEvent, None]:
        """Runs an order and gives its answer as it comes into being: `Started`, deltas and resets, `Completed`.

        Whoever waits for a model is told, until there is text, what the run is busy with.

        Raises:
            OloError: What is wrong with it, or why it failed.
        """
        events = self._stream(order)
        return events if order.wait_for_model is None else self._with_progress(events)

    async def _with_progress(self, events: AsyncGenerator[ChatEvent, None]) -> AsyncGenerator[ChatEvent, None]:
        run_id, told = "", RunProgress()
        async with aclosing(with_silences(events, PROGRESS_SECONDS)) as noticed:
            async for event in noticed:
                if event is not None:
                    if isinstance(event, Started):
                        run_id = event.run_id
                    yield event
                    if isinstance(event, Delta):
                        break
                elif run_id and (progress := await self._progress(run_id)).phase and progress != told:
                    told = progress
                    yield Progress(progress)
            async for event in noticed:
                if event is not None:
                    yield event

    async def _progress(self, run_id: str) -> RunProgress:
        try:
            return await self._runs.progress(run_id)
        except OloError:
            # It is a courtesy; the run's own error, if it has one, comes by itself.
            return RunProgress()

    async def _stream(self, order: ChatOrder) -> AsyncGenerator[ChatEvent, None]:
        call = self._call(order, stream=True)
        with self._admission.slot(), self._cancelled_with_caller(call):
            async with self._tokens.listen(call.run_id) as chunks:
                await self._runs.start(call.run_id, call.request, call.fingerprint)
                yield Started(call.run_id)
                result = asyncio.create_task(self._runs.result(call.run_id, call.wait))
                result.add_done_callback(lambda _: chunks.put_nowait(None))
                try:
                    assembler = StreamAssembler()
                    while (chunk := await chunks.get()) is not None:
                        for event in assembler.add(chunk):
                            yield event
                    response = await result
                    for event in assembler.finish(response.message.content):
                        yield event
                    yield Completed(response)
                finally:
                    result.cancel()

    async def close(self) -> None:
        """Waits until the runs of callers who hung up are cancelled."""
        if self._cancelling:
            await asyncio.wait(self._cancelling, timeout=2.0)

    def _call(self, order: ChatOrder, *, stream: bool) -> _Call:
        order = accepted(order, self._limits)
        assert order.timeout is not None
        return _Call(
            run_id=run_id_of(order.request_id or uuid.uuid4().hex),
            request=request_of(order, stream=stream, tenant=DEFAULT_TENANT, max_attempts=self._limits.attempts),
            fingerprint=fingerprint(order),
            wait=order.timeout + RESULT_GRACE_SECONDS,
            outlives_caller=bool(order.request_id),
        )

    @contextlib.contextmanager
    def _cancelled_with_caller(self, call: _Call) -> Iterator[None]:
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            if not call.outlives_caller:
                task = asyncio.create_task(self._cancel(call.run_id), name="cancel-run")
                self._cancelling.add(task)
                task.add_done_callback(self._cancelling.discard)
            raise

    async def _cancel(self, run_id: str) -> None:
        try:
            await self._runs.cancel(run_id)
        except Exception as error:
            # Its deadline ends the run at the latest.
            logger(__name__).warning("run_not_cancelled", run_id=run_id, error=repr(error))


@contextlib.contextmanager
def _logged(call: _Call) -> Iterator[None]:
    with structlog.contextvars.bound_contextvars(run_id=call.run_id):
        yield
