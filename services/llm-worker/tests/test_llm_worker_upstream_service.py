"""A worker whose model is served elsewhere, from its settings to its gRPC calls and its activity."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import upstream_stub as stubs
from pydantic import SecretStr, ValidationError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

import olo_events
from olo.common.v1.common_pb2 import HARDWARE_TYPE_GPU
from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import ErrorCode, OloError, StartupError
from olo_common.grpc_client import call
from olo_common.lifecycle import Lifetime
from olo_common.settings import LogSettings, NatsSettings, TemporalSettings
from olo_llm_worker.app import running
from olo_llm_worker.responses import Identity
from olo_llm_worker.settings import LlmWorkerSettings
from olo_llm_worker.upstream.activities import UpstreamActivities
from olo_llm_worker.upstream.app import open_engine
from olo_llm_worker.upstream.relay.desk import Desk
from olo_llm_worker.upstream.settings import UpstreamSettings
from olo_testing.ports import free_port

CHAT = "/v1/chat/completions"
MESSAGES = [pb.ChatMessage(role=pb.ROLE_USER, content="hi")]
GREETING = [
    *stubs.openai_events(stubs.chunk("Grü"), stubs.chunk("ße."), stubs.chunk(finish="stop")),
    *stubs.openai_events(stubs.chunk(usage={"prompt_tokens": 9, "completion_tokens": 4}), "[DONE]"),
]


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Any]:
    async with stubs.stub_server() as running_stub:
        running_stub.replies[CHAT] = stubs.Reply(GREETING)
        yield running_stub


def make_settings(url: str, **changes: Any) -> LlmWorkerSettings:
    upstream = UpstreamSettings(url=url, model="there", api_key=SecretStr("sk-1"), context_limit=1000)
    return LlmWorkerSettings(
        engine=changes.pop("engine", "openai"),
        model_id="here",
        upstream=changes.pop("upstream", upstream),
        port=0,
        grace_seconds=1.0,
        log=LogSettings(level="error"),
        nats=NatsSettings(url=f"nats://127.0.0.1:{free_port()}"),
        temporal=TemporalSettings(address=f"127.0.0.1:{free_port()}"),
        **changes,
    )


@asynccontextmanager
async def served(settings: LlmWorkerSettings) -> AsyncIterator[rpc.InferenceServiceAsyncStub]:
    async with running(settings, Lifetime()) as address, grpc.aio.insecure_channel(address) as channel:
        yield rpc.InferenceServiceStub(channel)


async def refused(method: Any, request: Any) -> OloError:
    with pytest.raises(OloError) as error:
        await call(method, request, peer="the worker", timeout=10.0)
    return error.value


async def test_it_answers_in_one_message_and_in_chunks(stub: Any) -> None:
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        request = pb.GenerateRequest(request_id="r-1", model_id="here", messages=MESSAGES, candidate=2)
        response = await inference.Generate(request)
        assert (response.text, response.finish_reason) == ("Grüße.", pb.FINISH_REASON_STOP)
        assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (9, 4)
        assert (response.model_id, response.request_id, response.candidate) == ("here", "r-1", 2)
        stream = inference.GenerateStream(pb.GenerateStreamRequest(request=request))
        chunks = [response.chunk async for response in stream]
        assert "".join(chunk.text for chunk in chunks) == "Grüße."
        assert chunks[-1].usage == response.usage
        assert [asked.body["model"] for asked in stub.asked if asked.body] == ["there", "there"]


async def test_it_describes_itself_and_counts_by_estimate(stub: Any) -> None:
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        info = await inference.GetModelInfo(pb.GetModelInfoRequest())
        assert (info.model_id, info.family, info.context_limit, info.loaded) == ("here", "openai", 1000, True)
        assert info.hardware_type == HARDWARE_TYPE_GPU
        assert set(info.capabilities) == {"tools", "json_object", "json_schema", "logprobs", "top_logprobs"}
        count = await inference.CountTokens(pb.CountTokensRequest(messages=MESSAGES))
        assert (count.prompt_tokens, count.context_limit) == (5, 1000)
        assert (await refused(inference.Tokenize, pb.TokenizeRequest(text="x"))).reason == "tokenizer_elsewhere"
        assert (await refused(inference.Detokenize, pb.DetokenizeRequest())).code is ErrorCode.UNIMPLEMENTED
        await inference.LoadModel(pb.LoadModelRequest())
        assert (await refused(inference.UnloadModel, pb.UnloadModelRequest())).reason == "served_elsewhere"
        assert (await refused(inference.WarmModel, pb.WarmModelRequest())).code is ErrorCode.FAILED_PRECONDITION


async def test_a_caller_that_goes_away_and_abort_close_the_request_there(stub: Any) -> None:
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        stub.replies[CHAT] = stubs.Reply(GREETING, hold=asyncio.Event())
        request = pb.GenerateStreamRequest(request=pb.GenerateRequest(request_id="r-9", messages=MESSAGES))
        stream = inference.GenerateStream(request)
        assert (await stream.read()).chunk.text == "Grü"
        stream.cancel()
        async with asyncio.timeout(10):
            await stub.left.wait()
        stub.left.clear()
        stub.held.clear()
        second = asyncio.ensure_future(refused(inference.Generate, request.request))
        async with asyncio.timeout(10):
            await stub.held.wait()
            assert (await inference.Abort(pb.AbortRequest(request_id="r-9"))).aborted
            assert (await second).reason == "aborted"
            await stub.left.wait()


TOOL = pb.Tool(name="f", parameters_json="{}")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prefix_token_ids": [1]}, "prefix_token_ids"),
        ({"n": 2}, "n"),
        ({"response_format": pb.ResponseFormat(constrained=True)}, "response_format.constrained"),
        (
            {"response_format": pb.ResponseFormat(kind=pb.ResponseFormat.KIND_JSON_SCHEMA, schema_json="{")},
            "response_format.schema_json",
        ),
        ({"tools": [pb.Tool(name="a b")]}, "tools[0].name"),
        ({"tools": [TOOL, pb.Tool(name="f", parameters_json="[]")]}, "tools[1].parameters_json"),
        ({"tools": [pb.Tool(name="f", parameters_json='{"a": NaN}')]}, "tools[0].parameters_json"),
        ({"tools": [pb.Tool(name="f", parameters_json='{"a": "\\ud800"}')]}, "tools[0].parameters_json"),
        ({"messages": [pb.ChatMessage(content="x")]}, "messages[0].role"),
        ({"messages": [pb.ChatMessage(role=pb.ROLE_TOOL, content="x")]}, "messages[0].tool_call_id"),
        (
            {"messages": [pb.ChatMessage(role=pb.ROLE_USER, tool_calls=[pb.ToolCall(name="f")])]},
            "messages[0].tool_calls",
        ),
        ({"request_id": "a/../b"}, "request_id"),
        ({"sampling": pb.SamplingOptions(top_k=5)}, "sampling.top_k"),
    ],
)
async def test_bad_requests_name_their_field_and_reach_nobody(stub: Any, fields: dict[str, Any], field: str) -> None:
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        error = await refused(inference.Generate, pb.GenerateRequest(**{"messages": MESSAGES, **fields}))
    assert (error.code, error.field) == (ErrorCode.INVALID_ARGUMENT, field)
    assert [asked.path for asked in stub.asked] == ["/v1/models"]


async def test_a_delay_of_the_upstream_reaches_the_caller(stub: Any) -> None:
    stub.replies[CHAT] = stubs.Reply([b"{}"], status=429, headers={"retry-after": "7"})
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        error = await refused(inference.Generate, pb.GenerateRequest(messages=MESSAGES))
    assert (error.code, error.reason, error.retry_after) == (ErrorCode.RESOURCE_EXHAUSTED, "upstream_busy", 7.0)


async def test_tools_travel_both_ways(stub: Any) -> None:
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}}]
    stub.replies[CHAT] = stubs.Reply(stubs.openai_events(stubs.chunk(tool_calls=calls), stubs.chunk(finish="stop")))
    async with served(make_settings(f"{stub.url}/v1")) as inference:
        response = await inference.Generate(pb.GenerateRequest(messages=MESSAGES, tools=[TOOL]))
    assert response.finish_reason == pb.FINISH_REASON_TOOL_CALLS
    assert [(one.id, one.name, one.arguments_json) for one in response.tool_calls] == [("a", "f", '{"x": 1}')]
    assert stub.asked[-1].body["tool_choice"] == "auto"


# Settings and start


async def test_a_key_that_is_refused_stops_the_start_and_is_not_shown(stub: Any) -> None:
    stub.replies["/v1/models"] = stubs.Reply([b"{}"], status=401, headers={})
    with pytest.raises(StartupError, match="UPSTREAM_API_KEY") as error:
        async with running(make_settings(f"{stub.url}/v1"), Lifetime()):
            pass
    assert "sk-1" not in str(error.value)


async def test_an_upstream_that_is_away_does_not_stop_the_start() -> None:
    async with served(make_settings(f"http://127.0.0.1:{free_port()}/v1")) as inference:
        error = await refused(inference.Generate, pb.GenerateRequest(messages=MESSAGES))
    assert (error.code, error.reason) == (ErrorCode.UNAVAILABLE, "upstream_unavailable")


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://", "https://a:b@x", "https://x/?q=1", "https://x/#f", "file:///etc/passwd", "x"]
)
def test_only_plain_urls_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        UpstreamSettings(url=url)


def test_each_engine_says_what_it_needs() -> None:
    with pytest.raises(ValidationError, match="OLO_LLM_WORKER_UPSTREAM_URL"):
        make_settings("", upstream=UpstreamSettings())
    with pytest.raises(ValidationError, match="the engine ctranslate2 needs it"):
        LlmWorkerSettings(model_id="m")


def test_the_key_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert UpstreamSettings().key() is None
    file = tmp_path / "key"
    file.write_text("sk-2\n")
    monkeypatch.setenv("OLO_LLM_WORKER_UPSTREAM_API_KEY_FILE", str(file))
    assert UpstreamSettings().key() == "sk-2"
    file.write_text("sk-2\nsk-3")
    with pytest.raises(StartupError, match="no key has"):
        UpstreamSettings().key()


# The activity


class Wire:
    def __init__(self) -> None:
        self.chunks: list[pb.TokenChunk] = []
        self.ends: list[olo_events.AttemptFinished] = []

    async def publish(self, subject: str, payload: bytes) -> bool:
        if subject.startswith("olo.stream.v1."):
            self.chunks.append(pb.TokenChunk.FromString(payload))
        else:
            self.ends.append(olo_events.AttemptFinished.parse(payload))
        return True


@asynccontextmanager
async def activity(url: str, identity: Identity, wire: Wire, **info: Any) -> AsyncIterator[Any]:
    engine = open_engine(make_settings(url))
    desk = Desk(engine, max_concurrency=1, max_queue=1, max_tokens_default=50)
    environment = ActivityEnvironment()
    start = {"scheduled_time": datetime.now(UTC), "start_to_close_timeout": timedelta(seconds=30)}
    environment.info = dataclasses.replace(environment.info, **{**start, **info})
    generate = UpstreamActivities(desk, identity, wire).generate

    async def run(**request: Any) -> pb.GenerateResponse:
        response: pb.GenerateResponse = await environment.run(
            generate, pb.GenerateRequest(request_id="r-1", messages=MESSAGES, **request)
        )
        return response

    run.environment = environment  # type: ignore[attr-defined]
    yield run
    await desk.close()
    await engine.close()


async def test_the_activity_answers_streams_and_tells_its_end(stub: Any, identity: Identity) -> None:
    wire = Wire()
    async with activity(f"{stub.url}/v1", identity, wire, attempt=2) as run:
        response = await run(stream=True, candidate=3)
    assert (response.text, response.attempt) == ("Grüße.", 2)
    assert "".join(chunk.text for chunk in wire.chunks) == response.text
    assert (wire.chunks[-1].finish_reason, wire.chunks[-1].usage) == (response.finish_reason, response.usage)
    assert {(chunk.attempt, chunk.candidate) for chunk in wire.chunks} == {(2, 3)}
    assert [(end.candidate, end.failure_reason) for end in wire.ends] == [(3, "")]


async def test_the_activity_passes_failures_on_with_reason_and_delay(stub: Any, identity: Identity) -> None:
    wire = Wire()
    stub.replies[CHAT] = stubs.Reply([b"{}"], status=503, headers={"retry-after": "3"})
    async with activity(f"{stub.url}/v1", identity, wire) as run:
        with pytest.raises(ApplicationError) as error:
            await run()
    assert (error.value.type, error.value.non_retryable) == ("upstream_unavailable", False)
    assert error.value.details[0]["retry_after"] == 3.0
    assert [end.failure_reason for end in wire.ends] == ["upstream_unavailable"]


async def test_a_cancelled_activity_closes_the_request_there(stub: Any, identity: Identity) -> None:
    stub.replies[CHAT] = stubs.Reply(GREETING, hold=asyncio.Event())
    async with activity(f"{stub.url}/v1", identity, Wire()) as run:
        task = asyncio.ensure_future(run())
        async with asyncio.timeout(10):
            await stub.held.wait()
            run.environment.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stub.left.wait()
