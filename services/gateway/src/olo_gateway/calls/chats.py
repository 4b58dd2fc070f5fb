"""A chat call from acceptance to answer: admit, start the run, follow it, let go when the caller hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import Any, Final

from olo.gateway.v1.run_pb2 import RUN_PHASE_PARKED, ChatResponse, RunProgress
from olo_common.durations import seconds_of
from olo_common.errors import InvalidField, OloError
from olo_common.logs import logger
from olo_common.structlog_library import bound_contextvars
from olo_gateway.access.caller import billed, caller, tenant
from olo_gateway.calls.following import ChatEvent, Following, Started
from olo_gateway.calls.hang_ups import HangUps
from olo_gateway.calls.watching import Tell, watched, with_progress
from olo_gateway.convert.runs import request_of
from olo_gateway.errors import Overloaded
from olo_gateway.ports import Runs, TokenStreams
from olo_gateway.runs.admission.admission import Admission, Applicant, Place
from olo_gateway.runs.attempts import LOSSES
from olo_gateway.runs.costs import expected_tokens
from olo_gateway.runs.identity import fingerprint, own_run_id, run_id_of
from olo_gateway.runs.order import ChatOrder
from olo_gateway.runs.validation import RunLimits, accepted
from olo_gateway.streaming.events import ResumePoint

RESULT_GRACE_SECONDS: Final = 2.0
"""How much longer than the run itself its caller waits: the run's own failure says more than ours."""

MOST_LOOKING: Final = 8
"""So many refused callers at once are looked up; further ones come again, and the refusals stay cheap."""


@dataclass(frozen=True, slots=True)
class _Call:
    """What has to be known of an order before it is let in, and no more: who is refused costs as little as can be."""

    order: ChatOrder
    """As it is accepted."""
    stream: bool
    wait: float
    """Seconds that its caller waits for the result."""
    applicant: Applicant
    expected: int
    """Tokens that it may cost."""

    @property
    def run_id(self) -> str:
        return self.applicant.run_id


class Chats:
    """Serves chat calls of every dialect."""

    def __init__(self, runs: Runs, tokens: TokenStreams, admission: Admission, limits: RunLimits) -> None:
        self._runs = runs
        self._tokens = tokens
        self._admission = admission
        self._limits = limits
        self._hang_ups = HangUps(runs)
        self._background: set[asyncio.Task[None]] = set()
        self._looking = 0

    @property
    def places(self) -> tuple[int, int]:
        """How many runs may be in flight now, and how many more there may be."""
        limit = self._admission.limit
        return limit, max(0, limit - self._admission.in_flight)

    @property
    def runs(self) -> Runs:
        """The durable runs behind the answers."""
        return self._runs

    async def answer(self, order: ChatOrder) -> ChatResponse:
        """Runs an order and waits for its answer.

        Raises:
            OloError: What is wrong with it, or why it failed.
        """
        call = self._call(order, stream=False)
        async with self._place(call) as place:
            with self._cancelled_with_caller(call), _logged(call):
                await self._start(call, place)
                return await self._awaited(call, place)

    async def stream(self, order: ChatOrder, point: ResumePoint | None = None) -> AsyncGenerator[ChatEvent, None]:
        """Runs an order and gives its answer as it comes into being: `Started`, deltas and resets, `Completed`.

        Whoever waits for a model is told, until there is text, what the run is busy with.

        Args:
            order: What is asked. With the request id of a run that exists, that run is followed.
            point: How far the caller has come with this run before; None: it is new.

        Raises:
            OloError: What is wrong with it, why it failed, or why it cannot be followed from there.
        """
        call = self._call(order, stream=True)
        if point is not None and not order.request_id:
            raise InvalidField(point.field, "needs the id of the run")
        async with self._place(call) as place:
            with self._cancelled_with_caller(call):
                following = Following(self._tokens, call.run_id)
                told = following.events(lambda: self._start(call, place), lambda: self._result(call, place), point)
                if order.wait_for_model is not None:
                    told = with_progress(told, self._runs, call.run_id, self._parked_aside(place))
                async with aclosing(told) as events:
                    async for event in events:
                        yield event

    async def begin(self, order: ChatOrder) -> Started:
        """Starts a run whose caller does not wait for its end. It holds its place until then, as any other.

        Raises:
            OloError: What is wrong with it, or why it cannot be started.
        """
        call = self._call(order, stream=True)
        started: asyncio.Future[Started] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            async with self._place(call) as place:
                with _logged(call):
                    started.set_result(await self._start(call, place))
                    await self._awaited(call, place)

        task = asyncio.create_task(run(), name="background-run")
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        either: list[asyncio.Future[Any]] = [task, started]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await task
        task.add_done_callback(_forgotten)
        return started.result()

    async def follow(
        self, run_id: str, point: ResumePoint | None = None, seconds: float | None = None
    ) -> AsyncGenerator[ChatEvent, None]:
        """Gives the events of a run that was started elsewhere or before; it goes on when this caller hangs up.

        Until there is text, it is told what the run is busy with.

        Args:
            run_id: The run.
            point: How far the caller has come; None: it has nothing.
            seconds: How long it waits for the end.

        Raises:
            OloError: There is no such run, why it failed, or why it cannot be followed from there.
        """
        run_id = own_run_id(run_id, tenant())
        wait = self._limits.maximum if seconds is None else min(seconds, self._limits.maximum)
        following = Following(self._tokens, run_id)

        async def find() -> Started:
            return Started(run_id, (await self._runs.get(run_id)).create_time.seconds)

        async def result() -> ChatResponse:
            return await self._runs.result(run_id, wait + RESULT_GRACE_SECONDS)

        with self._admission.visit():
            told = following.events(find, result, point or ResumePoint(0))
            async with aclosing(with_progress(told, self._runs, run_id)) as events:
                async for event in events:
                    yield event

    async def close(self) -> None:
        """Waits until the runs of callers who hung up are cancelled; those that nobody waits for go on without us."""
        for task in self._background:
            task.cancel()
        await self._hang_ups.close()

    def _call(self, order: ChatOrder, *, stream: bool) -> _Call:
        order = caller().admitted(accepted(order, self._limits))
        assert order.timeout is not None
        run_id = run_id_of(order.request_id or uuid.uuid4().hex, tenant())
        return _Call(
            order=order,
            stream=stream,
            wait=order.timeout + RESULT_GRACE_SECONDS,
            applicant=Applicant(run_id, order.model, order.timeout, tenant(), order.priority),
            expected=expected_tokens(order),
        )

    @contextlib.asynccontextmanager
    async def _place(self, call: _Call) -> AsyncIterator[Place]:
        """A place, taken from what the caller's key allows. Who comes back to a run does not pay for it twice.

        Nobody is turned away from a run that was accepted by another replica, or by this one before it was restarted.
        """
        with billed(call.expected) as bill, contextlib.ExitStack() as held:
            try:
                place = held.enter_context(self._admission.place(call.applicant))
            except Overloaded:
                # Who comes for the first time has no run to come back to: the refusal asks nobody then.
                if not call.order.request_id or call.order.new or not await self._returns(call.run_id):
                    raise
                place = held.enter_context(self._admission.place(call.applicant))
            try:
                yield place
            finally:
                if place.spent is not None:
                    bill.settle(0 if place.joined or place.tenant is None else place.spent)

    async def _returns(self, run_id: str) -> bool:
        """Whether this is the id of a run that exists."""
        if self._looking >= MOST_LOOKING:
            return False
        self._looking += 1
        try:
            found = await self._runs.exists(run_id)
        except OloError:
            return False
        finally:
            self._looking -= 1
        if found:
            self._admission.recall(run_id)
        return found

    def _parked_aside(self, place: Place) -> Tell:
        """Lets a run that is parked step aside, and come back when it is busy with anything else."""

        def tell(progress: RunProgress) -> None:
            if progress.phase == RUN_PHASE_PARKED:
                self._admission.step_aside(place)
            else:
                self._admission.step_back(place)

        return tell

    async def _start(self, call: _Call, place: Place) -> Started:
        order, whose = call.order, call.applicant.tenant
        request = request_of(order, stream=call.stream, tenant=whose, max_attempts=self._limits.attempts)
        await self._hang_ups.started(call.run_id, request, fingerprint(order))
        place.accepted = True
        return Started(call.run_id, int(time.time()))

    async def _awaited(self, call: _Call, place: Place) -> ChatResponse:
        """The result of a run that gives up its place while it is parked."""
        if call.order.wait_for_model is None:
            return await self._result(call, place)
        async with watched(self._runs, call.run_id, self._parked_aside(place)):
            return await self._result(call, place)

    def _cancelled_with_caller(self, call: _Call) -> AbstractContextManager[None]:
        outlives_caller = call.order.store or call.order.request_id
        return contextlib.nullcontext() if outlives_caller else self._hang_ups.cancelling(call.run_id)

    async def _result(self, call: _Call, place: Place) -> ChatResponse:
        try:
            response = await self._runs.result(call.run_id, call.wait)
        finally:
            place.answered()
        _note(place, response)
        return response


def _forgotten(task: asyncio.Task[None]) -> None:
    """What becomes of a run that nobody waits for is asked of the run."""
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OloError):
        logger(__name__).error("background_run_crashed", exc_info=error)


def _note(place: Place, response: ChatResponse) -> None:
    place.run_seconds = seconds_of(response.timings.total)
    place.tokens = response.usage.completion_tokens
    place.spent = response.usage.prompt_tokens + response.usage.completion_tokens
    lost = any(attempt.failure_reason in LOSSES for attempt in response.attempts)
    place.disturbed = place.disturbed or lost or seconds_of(response.timings.parked) > 0


@contextlib.contextmanager
def _logged(call: _Call) -> Iterator[None]:
    with bound_contextvars(run_id=call.run_id):
        yield
