"""The clients: a steady stream of requests, each tried with one id until it is settled, and all of it written down."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import grpc
from tests.chaos.engine import POISON
from tests.chaos.history import Asked, Outcome, Try
from tests.chaos.house import COLLECTION, MODEL_B

from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest, ChatStreamResponse
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_client.errors import NOT_REACHABLE, OloError, error_from_rpc
from olo_client.errors import TimeoutError as CallTimedOut
from olo_client.requests import ChatOptions, chat_request
from olo_client.streams import StreamPlace

REQUEST_SECONDS = 120.0
"""The time of a run where nobody says another; a client asks after it for a little longer."""
_FURTHER_SECONDS = 10
_FURTHER_ACCEPTED_SECONDS = 180
"""A run that was accepted has ended by then, and its client must be able to learn how, however busy the machine is."""
_POISON_PATIENCE_SECONDS = 600.0
"""A fault has to happen, also where the machine is so busy that most are told to come back."""
_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
_PASSING = {NOT_REACHABLE, "dependency_unavailable", "unavailable", "cancelled", "unknown", "overloaded"}
"""Failures after which a client tries again with the same id."""


class Load:
    """Asks `rate` times a second, from `start` to `stop`.

    Args:
        target: The gateway.
        seed: Of what is asked and when.
        rate: Requests in a second.
        request_seconds: The time of a run.
    """

    def __init__(self, target: str, seed: int, rate: float, *, request_seconds: float = REQUEST_SECONDS) -> None:
        self._target = target
        self._random = random.Random(seed)
        self._rate = rate
        self._request_seconds = request_seconds
        self._prefix = f"chaos-{seed}-{time.time_ns() // 1_000_000:x}"
        self.asked: list[Asked] = []
        self._open: set[asyncio.Task[None]] = set()
        self._settled = 0
        self._news = asyncio.Condition()
        self._asking: asyncio.Task[None] | None = None
        self._channel = grpc.aio.insecure_channel(
            target,
            options=[
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 500),
                ("grpc.lb_policy_name", "round_robin"),
            ],
        )
        self._stub: Any = GatewayServiceStub(self._channel)

    def start(self) -> None:
        """Begins to ask."""
        self._asking = asyncio.create_task(self._ask_for_ever(), name="load")

    async def poison(self) -> None:
        """Asks what kills the worker that takes it, until it is let in, and waits for the end of it."""
        number = POISON + len(self.asked)
        asked = Asked(number, f"{self._prefix}-{number}", stream=False, rag=False, model="auto", poison=True)
        self.asked.append(asked)
        await self._settle(asked, _POISON_PATIENCE_SECONDS)

    async def settled(self, requests: int) -> None:
        """Waits until so many further requests have got an answer: a fault counts only under traffic."""
        wanted = self._settled + requests
        async with self._news:
            await self._news.wait_for(lambda: self._settled >= wanted)

    async def stop(self) -> None:
        """Asks nothing new and waits until everything is settled or given up."""
        if self._asking is not None:
            self._asking.cancel()
        if self._open:
            await asyncio.wait(self._open)
        await self._channel.close()

    async def _ask_for_ever(self) -> None:
        due = time.monotonic()
        while True:
            due += self._random.expovariate(self._rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            asked = self._draw()
            # Now and then two clients ask with one id at once.
            for _ in range(2 if self._random.random() < 0.05 else 1):
                task = asyncio.create_task(self._settle(asked))
                self._open.add(task)
                task.add_done_callback(self._open.discard)

    def _draw(self) -> Asked:
        number, draw = len(self.asked) + 1, self._random
        asked = Asked(
            number=number,
            request_id=f"{self._prefix}-{number}",
            stream=draw.random() < 0.5,
            rag=draw.random() < 0.5,
            model=MODEL_B if draw.random() < 0.2 else "auto",
        )
        self.asked.append(asked)
        return asked

    async def _settle(self, asked: Asked, patience: float = 0.0) -> None:
        patience = patience or self._request_seconds + _FURTHER_SECONDS
        accepted_patience = max(patience, self._request_seconds + _FURTHER_ACCEPTED_SECONDS)
        request = _request(asked, self._request_seconds)
        shown, pause, began = _Shown(request), _PAUSE, time.monotonic()
        while time.monotonic() < began + (accepted_patience if asked.accepted else patience):
            attempt = Try(began=time.time(), streamed="" if asked.stream else None)
            try:
                await (self._stream(attempt, shown) if asked.stream else self._chat(request, attempt))
                attempt.outcome = Outcome.OK
            except grpc.aio.AioRpcError as error:
                failure = error_from_rpc(error, self._target)
                self._note(attempt, failure, lasting=not shown.place.survives(failure))
            attempt.ended = time.time()
            asked.tries.append(attempt)
            asked.repaired = shown.text if attempt.outcome is Outcome.OK else asked.repaired
            if attempt.outcome is Outcome.OK:
                async with self._news:
                    self._settled += 1
                    self._news.notify_all()
            if attempt.outcome is not Outcome.INDETERMINATE:
                return
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            await asyncio.sleep(max(pause, attempt.retry_after))

    async def _chat(self, request: ChatRequest, attempt: Try) -> None:
        response = await self._stub.Chat(request, timeout=self._request_seconds)
        _answered(attempt, response)

    async def _stream(self, attempt: Try, shown: _Shown) -> None:
        async for event in self._stub.ChatStream(shown.place.request, timeout=self._request_seconds):
            match event.WhichOneof("event"):
                case "started":
                    attempt.run_id = event.started.run_id
                case "reset":
                    attempt.resets += 1
                case "delta":
                    attempt.misplaced += event.delta.offset != shown.place.offset
                case "completed":
                    _answered(attempt, event.completed)
            shown.feed(event)
            attempt.streamed = shown.text

    def _note(self, attempt: Try, error: OloError, *, lasting: bool) -> None:
        attempt.reason, attempt.retry_after = error.reason, error.retry_after or 0.0
        passing = not error.run_failed and (error.reason in _PASSING or isinstance(error, CallTimedOut) or not lasting)
        attempt.outcome = Outcome.INDETERMINATE if passing else Outcome.FAIL


class _Shown:
    """What a client shows that resumes as the SDK does, through all its tries."""

    def __init__(self, request: ChatRequest) -> None:
        self.place = StreamPlace(ChatStreamRequest(request=request))
        self.text = ""

    def feed(self, event: ChatStreamResponse) -> None:
        for passed in self.place.feed(event):
            match passed.WhichOneof("event"):
                case "reset":
                    self.text = ""
                case "delta":
                    self.text += passed.delta.text


def _request(asked: Asked, seconds: float) -> ChatRequest:
    options: ChatOptions = {"request_id": asked.request_id, "model": asked.model, "allow_fallback": True}
    if asked.rag:
        options["collection"] = COLLECTION
    return chat_request(f"#{asked.number}# When did the tram begin to run?", options, seconds)


def _answered(attempt: Try, response: ChatResponse) -> None:
    attempt.run_id, attempt.answer, attempt.model = response.run_id, response.message.content, response.model
