"""A chat call from acceptance to answer: admit, listen, start the run, assemble, let go when the caller hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.logs import logger
from olo_contracts.identifiers import DEFAULT_TENANT
from olo_gateway.convert import request_of, seconds_of
from olo_gateway.ports import Runs, TokenStreams
from olo_gateway.runs.admission.admission import Admission, Applicant, Place
from olo_gateway.runs.attempts import LOSSES
from olo_gateway.runs.identity import fingerprint, run_id_of
from olo_gateway.runs.order import ChatOrder
from olo_gateway.runs.validation import TimeLimits, accepted
from olo_gateway.streaming.assembler import StreamAssembler
from olo_gateway.streaming.events import Delta, Reset

RESULT_GRACE_SECONDS: Final = 2.0
"""How much longer than the run itself its caller waits: the run's own failure says more than ours."""


@dataclass(frozen=True, slots=True)
class Started:
    """The run is durable from now on."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The run has ended with an answer."""

    response: ChatResponse


ChatEvent: TypeAlias = Started | Delta | Reset | Completed


@dataclass(frozen=True, slots=True)
class _Call:
    run_id: str
    request: ChatRequest
    fingerprint: str
    wait: float
    outlives_caller: bool
    applicant: Applicant


class Chats:
    """Serves chat calls of every dialect."""

    def __init__(self, runs: Runs, tokens: TokenStreams, admission: Admission, limits: TimeLimits) -> None:
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
        with self._admission.place(call.applicant) as place, self._cancelled_with_caller(call), _logged(call):
            await self._runs.start(call.run_id, call.request, call.fingerprint)
            place.accepted = True
            response = await self._runs.result(call.run_id, call.wait)
            _note(place, response)
            return response

    async def stream(self, order: ChatOrder) -> AsyncGenerator[ChatEvent, None]:
        """Runs an order and gives its answer as it comes into being: `Started`, deltas and resets, `Completed`.

        Raises:
            OloError: What is wrong with it, or why it failed.
        """
        call = self._call(order, stream=True)
        with self._admission.place(call.applicant) as place, self._cancelled_with_caller(call):
            async with self._tokens.listen(call.run_id) as chunks:
                await self._runs.start(call.run_id, call.request, call.fingerprint)
                place.accepted = True
                yield Started(call.run_id)
                result = asyncio.create_task(self._runs.result(call.run_id, call.wait))
                result.add_done_callback(lambda _: chunks.put_nowait(None))
                result.add_done_callback(lambda _: place.answered())
                try:
                    assembler = StreamAssembler()
                    while (chunk := await chunks.get()) is not None:
                        for event in assembler.add(chunk):
                            yield event
                    response = await result
                    _note(place, response)
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
        run_id = run_id_of(order.request_id or uuid.uuid4().hex)
        return _Call(
            run_id=run_id,
            request=request_of(order, stream=stream, tenant=DEFAULT_TENANT),
            fingerprint=fingerprint(order),
            wait=order.timeout + RESULT_GRACE_SECONDS,
            outlives_caller=bool(order.request_id),
            applicant=Applicant(run_id, order.model, order.timeout, DEFAULT_TENANT, order.priority),
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


def _note(place: Place, response: ChatResponse) -> None:
    place.run_seconds = seconds_of(response.timings.total)
    place.tokens = response.usage.completion_tokens
    place.disturbed = any(attempt.failure_reason in LOSSES for attempt in response.attempts)


@contextlib.contextmanager
def _logged(call: _Call) -> Iterator[None]:
    with structlog.contextvars.bound_contextvars(run_id=call.run_id):
        yield
