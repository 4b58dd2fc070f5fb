from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call
from olo_common.grpc_interceptors import ErrorInterceptor, TelemetryInterceptor
from olo_common.rpc_status import from_rpc_error
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.responses import Identity
from olo_llm_worker.servicer import InferenceServicer
from olo_testing.waiting import until

Schedule = Callable[..., Scheduler]
MESSAGES = [pb.ChatMessage(role=pb.ROLE_USER, content="hi")]


class Served:
    def __init__(self, stub: rpc.InferenceServiceAsyncStub, slot: ModelSlot, changes: list[bool]) -> None:
        self.stub = stub
        self.changes = changes
        self.slot = slot

    def put(self, scheduler: Scheduler) -> None:
        self.slot._scheduler, self.slot._info = scheduler, scheduler.info


@pytest_asyncio.fixture
async def served(identity: Identity) -> AsyncIterator[Served]:
    changes: list[bool] = []

    async def changed(loaded: bool) -> None:
        changes.append(loaded)

    async def make() -> FakeEngine:
        return FakeEngine("Loaded.")

    slot = ModelSlot(make, Policy(2, 4), changed)
    server = grpc.aio.server(interceptors=[TelemetryInterceptor(), ErrorInterceptor()])
    rpc.add_InferenceServiceServicer_to_server(InferenceServicer(slot, identity), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(rpc.InferenceServiceStub(channel), slot, changes)
    await server.stop(None)
    await slot.close()


async def refused(stub: rpc.InferenceServiceAsyncStub, request: pb.GenerateRequest, timeout: float = 5.0) -> OloError:
    with pytest.raises(OloError) as error:
        await call(stub.Generate, request, peer="the worker", timeout=timeout)
    return error.value


async def test_generate_answers_with_everything(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine("Grüße.")))
    request = pb.GenerateRequest(request_id="r-1", model_id="olo-demo", messages=MESSAGES, candidate=2)
    response = await served.stub.Generate(request)
    assert (response.text, response.finish_reason) == ("Grüße.", pb.FINISH_REASON_STOP)
    assert (response.request_id, response.model_id, response.instance_id) == ("r-1", "olo-demo", "host-1")
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 8)
    assert (response.candidate, response.attempt) == (2, 1)
    assert response.timings.total.ToNanoseconds() > 0


async def test_a_missing_request_id_is_made(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine()))
    first = await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES))
    second = await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES))
    assert first.request_id and first.request_id != second.request_id


async def test_a_stream_ends_with_reason_and_usage(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine("Grüße.")))
    request = pb.GenerateStreamRequest(request=pb.GenerateRequest(messages=MESSAGES))
    chunks = [response.chunk async for response in served.stub.GenerateStream(request)]
    assert "".join(chunk.text for chunk in chunks) == "Grüße."
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [pb.FINISH_REASON_UNSPECIFIED] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == pb.FINISH_REASON_STOP
    assert chunks[-1].usage.completion_tokens == 8


@pytest.mark.parametrize(
    ("request_", "code", "reason", "field"),
    [
        (pb.GenerateRequest(), ErrorCode.INVALID_ARGUMENT, "messages_missing", "messages"),
        (pb.GenerateRequest(model_id="other", messages=MESSAGES), ErrorCode.NOT_FOUND, "model_not_found", "model_id"),
        (
            pb.GenerateRequest(request_id="a/../b", messages=MESSAGES),
            ErrorCode.INVALID_ARGUMENT,
            "field_invalid",
            "request_id",
        ),
        (
            pb.GenerateRequest(messages=[pb.ChatMessage(content="x")]),
            ErrorCode.INVALID_ARGUMENT,
            "field_invalid",
            "messages[0].role",
        ),
        (
            pb.GenerateRequest(messages=[pb.ChatMessage(role=pb.ROLE_USER, content="x" * 3000)]),
            ErrorCode.INVALID_ARGUMENT,
            "context_too_long",
            "messages",
        ),
        (
            pb.GenerateRequest(messages=MESSAGES, sampling=pb.SamplingOptions(temperature=9)),
            ErrorCode.INVALID_ARGUMENT,
            "field_invalid",
            "sampling.temperature",
        ),
    ],
)
async def test_bad_requests_name_their_field(
    served: Served, schedule: Schedule, request_: pb.GenerateRequest, code: ErrorCode, reason: str, field: str
) -> None:
    served.put(schedule(FakeEngine()))
    error = await refused(served.stub, request_)
    assert (error.code, error.reason, error.field) == (code, reason, field)


async def test_before_the_model_is_loaded_callers_may_come_again(served: Served) -> None:
    error = await refused(served.stub, pb.GenerateRequest(messages=MESSAGES))
    assert (error.code, error.reason, error.retry_after) == (ErrorCode.UNAVAILABLE, "model_unavailable", 1.0)


async def test_a_full_queue_says_when_to_come_again(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine, max_concurrency=1, max_queue=0)
    served.put(scheduler)
    first = asyncio.ensure_future(served.stub.Generate(pb.GenerateRequest(messages=MESSAGES)))
    await until(lambda: scheduler.running == 1)
    error = await refused(served.stub, pb.GenerateRequest(messages=MESSAGES))
    assert (error.code, error.reason) == (ErrorCode.RESOURCE_EXHAUSTED, "queue_full")
    assert error.retry_after
    engine.permit(2)
    assert (await first).text == "ok"


async def test_a_client_that_goes_away_ends_its_generation(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    served.put(scheduler)
    stream = served.stub.GenerateStream(pb.GenerateStreamRequest(request=pb.GenerateRequest(messages=MESSAGES)))
    engine.permit()
    assert (await stream.read()).chunk.text == "o"
    stream.cancel()
    engine.permit()
    await until(lambda: scheduler.running == 0)
    assert scheduler.waiting == 0


async def test_abort_ends_a_stream_with_aborted(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    served.put(schedule(engine))
    request = pb.GenerateStreamRequest(request=pb.GenerateRequest(request_id="r-9", messages=MESSAGES))
    stream = served.stub.GenerateStream(request)
    engine.permit()
    await stream.read()
    assert (await served.stub.Abort(pb.AbortRequest(request_id="r-9"))).aborted
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await stream.read()
    error = from_rpc_error(ended.value, peer="the worker")
    assert (error.code, error.reason) == (ErrorCode.ABORTED, "aborted")
    assert not (await served.stub.Abort(pb.AbortRequest(request_id="r-9"))).aborted


async def test_the_request_s_own_timeout_counts(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine("ok", stepwise=True)))
    request = pb.GenerateRequest(messages=MESSAGES)
    request.timeout.FromMilliseconds(20)
    assert (await refused(served.stub, request)).code is ErrorCode.DEADLINE_EXCEEDED


async def test_a_timeout_that_no_clock_can_take_is_as_good_as_none(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine("ok")))
    for seconds in (2**63 - 1, 2**40):
        request = pb.GenerateRequest(messages=MESSAGES, timeout=Duration(seconds=seconds))
        assert (await served.stub.Generate(request, timeout=60.0)).text == "ok"
    past = pb.GenerateRequest(messages=MESSAGES, timeout=Duration(seconds=-(2**63)))
    assert (await refused(served.stub, past, timeout=60.0)).code is ErrorCode.DEADLINE_EXCEEDED


async def test_tokens_are_counted_and_the_model_described(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine()))
    count = await served.stub.CountTokens(pb.CountTokensRequest(messages=MESSAGES))
    assert (count.prompt_tokens, count.context_limit) == (3, 2048)
    rendered = await served.stub.Tokenize(pb.TokenizeRequest(messages=MESSAGES))
    assert (len(rendered.token_ids), rendered.context_limit, rendered.model_id) == (3, 2048, "olo-demo")
    info = await served.stub.GetModelInfo(pb.GetModelInfoRequest())
    assert (info.model_id, info.model_name, info.family, info.task_queue) == (
        "olo-demo",
        "Demo",
        "fake",
        "llm.olo-demo",
    )


async def test_the_model_is_loaded_warmed_and_unloaded(served: Served) -> None:
    assert (await served.stub.LoadModel(pb.LoadModelRequest())).elapsed.ToNanoseconds() > 0
    assert (await served.stub.LoadModel(pb.LoadModelRequest())).elapsed.ToNanoseconds() == 0
    await served.stub.WarmModel(pb.WarmModelRequest(system_prompts=["You are a very patient helper."]))
    assert (await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES))).text == "Loaded."
    await served.stub.UnloadModel(pb.UnloadModelRequest())
    assert served.changes == [True, False]
    error = await refused(served.stub, pb.GenerateRequest(messages=MESSAGES))
    assert error.reason == "model_unavailable"
    info = await served.stub.GetModelInfo(pb.GetModelInfoRequest())
    assert (info.family, info.loaded) == ("fake", False)
    assert "json_schema" in info.capabilities


async def test_unloading_waits_for_what_runs(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine)
    served.put(scheduler)
    running = asyncio.ensure_future(served.stub.Generate(pb.GenerateRequest(messages=MESSAGES)))
    await until(lambda: scheduler.running == 1)
    with pytest.raises(OloError) as late:
        await call(served.stub.UnloadModel, pb.UnloadModelRequest(), peer="the worker", timeout=0.05)
    assert late.value.code is ErrorCode.DEADLINE_EXCEEDED
    await until(lambda: served.slot.loaded)
    unloading = asyncio.ensure_future(served.stub.UnloadModel(pb.UnloadModelRequest()))
    await until(lambda: not served.slot.loaded)
    engine.permit(2)
    assert (await running).text == "ok"
    await unloading
    assert served.changes == [False, True, False]


async def test_several_answers_and_their_ends(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine("ok"), max_concurrency=4))
    request = pb.GenerateRequest(messages=MESSAGES, n=3, sampling=pb.SamplingOptions(logprobs=True))
    response = await served.stub.Generate(request)
    assert [response.text, *(other.text for other in response.alternatives)] == ["ok"] * 3
    assert response.usage.completion_tokens == 6
    assert [token.text for token in response.alternatives[1].logprobs] == ["o", "k"]
    chunks = [r.chunk async for r in served.stub.GenerateStream(pb.GenerateStreamRequest(request=request))]
    for number in range(3):
        mine = [chunk for chunk in chunks if chunk.choice_index == number]
        assert "".join(chunk.text for chunk in mine) == "ok"
        assert mine[-1].finish_reason == pb.FINISH_REASON_STOP
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.usage.completion_tokens > 0 for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_tools_and_json_over_the_wire(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine('<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>')))
    tools = [pb.Tool(name="f", parameters_json='{"type": "object"}')]
    response = await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES, tools=tools))
    assert response.finish_reason == pb.FINISH_REASON_TOOL_CALLS
    assert [(call.name, call.arguments_json) for call in response.tool_calls] == [("f", '{"a": 1}')]
    served.put(schedule(FakeEngine('Here you are: {"a": 1}')))
    form = pb.ResponseFormat(kind=pb.ResponseFormat.KIND_JSON_OBJECT)
    assert (await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES, response_format=form))).text == '{"a": 1}'


async def test_a_text_becomes_tokens_and_a_text_again(served: Served, schedule: Schedule) -> None:
    served.put(schedule(FakeEngine()))
    told = await served.stub.Tokenize(pb.TokenizeRequest(text="hï"))
    assert list(told.token_ids) == list("hï".encode())
    assert (await served.stub.Detokenize(pb.DetokenizeRequest(token_ids=told.token_ids))).text == "hï"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.TokenizeRequest(), "text"),
        (pb.TokenizeRequest(text="x", messages=MESSAGES), "text"),
        (pb.TokenizeRequest(text="x" * (256 * 1024 + 1)), "text"),
        (pb.DetokenizeRequest(token_ids=[1, 257]), "token_ids[1]"),
    ],
)
async def test_what_is_no_text_and_no_token_is_named(
    served: Served, schedule: Schedule, request_: pb.TokenizeRequest | pb.DetokenizeRequest, field: str
) -> None:
    served.put(schedule(FakeEngine()))
    method = served.stub.Tokenize if isinstance(request_, pb.TokenizeRequest) else served.stub.Detokenize
    with pytest.raises(OloError) as caught:
        await call(method, request_, peer="the worker", timeout=5.0)
    assert (caught.value.code, caught.value.field) == (ErrorCode.INVALID_ARGUMENT, field)
