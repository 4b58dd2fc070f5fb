"""The HTTP side of a gateway with runs in memory, whose answers a test writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import openai
import pytest
import structlog

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.health import Health
from olo_common.lifecycle import Lifetime
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.calls.chats import Chats
from olo_gateway.http import streaming
from olo_gateway.http.app import http_app
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits
from olo_gateway.streaming.silences import with_silences

Answer = Callable[[str, ChatRequest], Awaitable[ChatResponse]]


class ScriptedEdge:
    """An edge whose runs answer with "Hello", or as the test has put in `answer`."""

    def __init__(self) -> None:
        self.tokens = InMemoryTokenStreams()
        self.runs = InMemoryRuns(self._answering)
        self.embedding = InMemoryEmbedding()
        self.answer: Answer | None = None
        self.health = Health()
        self.chats = Chats(self.runs, self.tokens, Admission(Bounds(64, 64, 4.0)), RunLimits(30.0, 60.0))
        self.app = http_app(
            self.chats,
            InMemoryCatalogue([]),
            InMemoryRouting(),
            self.health,
            StreamPace(30.0, 5.0),
            runs=self.runs,
            embedding=self.embedding,
            tokenizing=InMemoryTokenizing(),
        )

    def forget(self) -> None:
        """Forgets every run and call."""
        self.answer = None
        self.runs.started.clear()
        self.runs._tasks.clear()
        self.runs._fingerprints.clear()
        self.embedding.asked.clear()
        self.tokens._said.clear()

    async def _answering(self, run_id: str, request: ChatRequest) -> ChatResponse:
        if self.answer is not None:
            return await self.answer(run_id, request)
        return ChatResponse(
            run_id=run_id,
            model="org/model",
            message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, content="Hello"),
            finish_reason=inference.FINISH_REASON_STOP,
        )


@pytest.fixture(scope="session", autouse=True)
def plain_tracebacks() -> None:
    """The log shows crashes without the values of every variable: to print an application takes seconds."""
    *others, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, renderer])


@pytest.fixture
def short_silences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams fill silences soon. Without it a slow machine makes none: the first one would begin a stream."""
    monkeypatch.setattr(streaming, "with_silences", lambda told, _: with_silences(told, 0.05))


@pytest.fixture(scope="session")
async def scripted_once() -> ScriptedEdge:
    built = ScriptedEdge()
    await built.health.cover([])
    return built


@pytest.fixture
def scripted(scripted_once: ScriptedEdge) -> ScriptedEdge:
    """The edge as if it were new: to build the application takes longer than most tests."""
    scripted_once.forget()
    return scripted_once


@pytest.fixture
async def scripted_address(scripted: ScriptedEdge) -> AsyncIterator[str]:
    async with http_server(scripted.app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0) as address:
        yield address


@pytest.fixture
async def openai_client(scripted_address: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The unmodified client on a socket of that edge."""
    url = f"http://{scripted_address}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def edge_http(scripted: ScriptedEdge) -> AsyncIterator[httpx.AsyncClient]:
    """The application itself, without a socket."""
    transport = httpx.ASGITransport(scripted.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
