"""/v1/runs over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import TraceRunResponse
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run
from olo.inference.v1.inference_service_pb2 import ROLE_ASSISTANT, ChatMessage
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
from olo_gateway.http.app import http_app
from olo_gateway.http.server import http_server
from olo_gateway.http.streaming import StreamPace
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "store": True}


class KnownRuns(InMemoryRuns):
    """Runs in memory, and some whose state is told."""

    def __init__(self, release: asyncio.Event) -> None:
        super().__init__(self._answer)
        self._release = release
        self.known: dict[str, Run] = {}
        self.traces: dict[str, TraceRunResponse] = {}
        self.pages: list[tuple[int, str]] = []

    async def _answer(self, run_id: str, request: ChatRequest) -> ChatResponse:
        await self._release.wait()
        message = ChatMessage(role=ROLE_ASSISTANT, content="Hello")
        attempt = run_pb2.Attempt(candidate=1, model_id="m", failure_reason="", cause=0)
        return ChatResponse(run_id=run_id, model="m", message=message, attempts=[attempt])

    async def get(self, run_id: str) -> Run:
        return self.known.get(run_id) or await super().get(run_id)

    async def trace(self, run_id: str) -> TraceRunResponse:
        return self.traces.get(run_id) or await super().trace(run_id)

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        self.pages.append((page_size, page_token))
        found, _ = await super().list(page_size, page_token)
        return found, "" if page_token else "next"


@pytest.fixture
def release() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def runs(release: asyncio.Event) -> KnownRuns:
    return KnownRuns(release)


@pytest.fixture
async def http(runs: KnownRuns) -> AsyncIterator[httpx.AsyncClient]:
    admission = Admission(Bounds(4, 5, 4.0), jitter=lambda: 0.0)
    chats = Chats(runs, InMemoryTokenStreams(), admission, RunLimits(30.0, 60.0))
    app = http_app(
        chats,
        InMemoryCatalogue([]),
        InMemoryRouting(),
        Health(),
        StreamPace(30.0, 5.0),
        runs=runs,
        embedding=InMemoryEmbedding(),
        tokenizing=InMemoryTokenizing(),
    )
    async with (
        http_server(app, "127.0.0.1", 0, 1.0, Lifetime(), client_patience=5.0) as bound,
        httpx.AsyncClient(base_url=f"http://{bound}", timeout=30) as opened,
    ):
        yield opened


async def test_a_run_is_shown_while_it_runs_and_with_its_answer(
    http: httpx.AsyncClient, runs: KnownRuns, release: asyncio.Event
) -> None:
    asking = asyncio.create_task(http.post("/v1/chat/completions", json=ASKED, headers={"Idempotency-Key": "one"}))
    async with asyncio.timeout(30):
        while not runs.started:
            await asyncio.sleep(0.01)
    shown = (await http.get("/v1/runs/run-one")).json()
    assert (shown["object"], shown["state"], shown["answer"]) == ("run", "running", None)
    release.set()
    completion = (await asking).json()
    shown = (await http.get("/v1/runs/run-one")).json()
    assert shown["state"] == "completed"
    assert shown["answer"]["choices"] == completion["choices"]
    assert shown["attempts"][0]["model_id"] == "m"


async def test_what_is_known_of_a_run_that_waits_or_has_failed(http: httpx.AsyncClient, runs: KnownRuns) -> None:
    progress = run_pb2.RunProgress(phase=run_pb2.RUN_PHASE_QUEUED, model_id="m")
    waits = Run(run_id="waits", state=run_pb2.RUN_STATE_RUNNING, progress=progress, queue_position=3)
    waits.estimated_wait.FromMilliseconds(1500)
    failed = Run(run_id="failed", state=run_pb2.RUN_STATE_TIMED_OUT)
    failed.error.reason, failed.error.message = "deadline_exceeded", "it took too long"
    failed.end_time.seconds = 9
    failed.details.attempts.add(model_id="m", failure_reason="output_invalid", cause=7)
    runs.known = {"waits": waits, "failed": failed}
    shown = (await http.get("/v1/runs/waits")).json()
    assert (shown["phase"], shown["model"], shown["queue_position"], shown["estimated_wait"]) == ("queued", "m", 3, 1.5)
    shown = (await http.get("/v1/runs/failed")).json()
    assert (shown["state"], shown["ended"]) == ("timed_out", 9)
    assert shown["error"] == {"reason": "deadline_exceeded", "message": "it took too long"}
    assert shown["attempts"][0]["cause"] == "bad_output"


async def test_runs_are_cancelled_and_listed(http: httpx.AsyncClient, runs: KnownRuns) -> None:
    asking = asyncio.create_task(http.post("/v1/chat/completions", json=ASKED, headers={"Idempotency-Key": "two"}))
    async with asyncio.timeout(30):
        while not runs.started:
            await asyncio.sleep(0.01)
    assert (await http.post("/v1/runs/run-two/cancel")).json()["state"] == "cancelled"
    asking.cancel()
    first = (await http.get("/v1/runs", params={"limit": 5})).json()
    assert [run["id"] for run in first["data"]] == ["run-two"]
    last = (await http.get("/v1/runs", params={"page_token": first["next_page_token"]})).json()
    assert last["next_page_token"] is None
    assert runs.pages == [(5, ""), (20, "next")]


async def test_where_the_time_went_is_told_in_seconds(http: httpx.AsyncClient, runs: KnownRuns) -> None:
    traced = TraceRunResponse(
        run_id="one", state=run_pb2.RUN_STATE_RUNNING, trace_id="0af7", temporal_url="http://t/one"
    )
    traced.start_time.FromMilliseconds(10_500)
    queued = traced.steps.add(name="queue", model_id="m", attempts=1)
    queued.start_time.FromMilliseconds(10_600)
    queued.end_time.FromMilliseconds(11_000)
    generating = traced.steps.add(name="generate", model_id="m", attempts=2, failure_reason="output_invalid")
    generating.start_time.FromMilliseconds(11_000)
    generating.first_token_time.FromMilliseconds(11_250)
    runs.traces = {"one": traced}
    step = {"model": "m", "end": None, "first_token": None, "failure_reason": None}
    assert (await http.get("/v1/runs/one/trace")).json() == {
        "id": "one",
        "object": "run.trace",
        "state": "running",
        "start": 10.5,
        "end": None,
        "steps": [
            {**step, "name": "queue", "start": 10.6, "end": 11.0, "attempts": 1},
            {
                **step,
                "name": "generate",
                "start": 11.0,
                "first_token": 11.25,
                "attempts": 2,
                "failure_reason": "output_invalid",
            },
        ],
        "trace_id": "0af7",
        "temporal_url": "http://t/one",
    }
    traced.state, traced.trace_id, traced.temporal_url = run_pb2.RUN_STATE_FAILED, "", ""
    traced.end_time.seconds = 12
    told = (await http.get("/v1/runs/one/trace")).json()
    assert (told["state"], told["end"], told["trace_id"], told["temporal_url"]) == ("failed", 12.0, None, None)


@pytest.mark.parametrize("path", ["/v1/runs/nobody", "/v1/runs/a%20b", "/v1/runs/nobody/trace"])
async def test_a_run_that_is_not_there(http: httpx.AsyncClient, path: str) -> None:
    reply = await http.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "run_not_found")


async def test_wrong_parameters_are_named(http: httpx.AsyncClient) -> None:
    reply = await http.get("/v1/runs", params={"limit": 0})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "limit")
