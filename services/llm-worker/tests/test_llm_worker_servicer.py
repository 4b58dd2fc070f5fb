from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
import pytest_asyncio

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call
from olo_common.grpc_interceptors import ErrorInterceptor, RequestIdInterceptor
from olo_common.rpc_status import from_rpc_error
from olo_llm_worker.adapters.fake_engine import FakeEngine
from olo_llm_worker.convert import Identity
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.servicer import InferenceServicer

Schedule = Callable[..., Scheduler]
MESSAGES = [pb.ChatMessage(role=pb.ROLE_USER, content="hi")]


class Served:
    def __init__(self, stub: rpc.InferenceServiceAsyncStub, slot: ModelSlot) -> None:
        self.stub = stub
        self.slot = slot


@pytest_asyncio.fixture
async def served(identity: Identity) -> AsyncIterator[Served]:
    slot = ModelSlot()
    server = grpc.aio.server(interceptors=[RequestIdInterceptor(), ErrorInterceptor()])
    rpc.add_InferenceServiceServicer_to_server(InferenceServicer(slot, identity), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(rpc.InferenceServiceStub(channel), slot)
    await server.stop(None)


async def refused(stub: rpc.InferenceServiceAsyncStub, request: pb.GenerateRequest, timeout: float = 5.0) -> OloError:
    with pytest.raises(OloError) as error:
        await call(stub.Generate, request, peer="the worker", timeout=timeout)
    return error.value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_generate_answers_with_everything(served: Served, schedule: Schedule) -> None:
    served.slot.fill(schedule(FakeEngine("Grüße.")))
    request = pb.GenerateRequest(request_id="r-1", model_id="olo-demo", messages=MESSAGES, candidate=2)
    response = await served.stub.Generate(request)
    assert (response.text, response.finish_reason) == ("Grüße.", pb.FINISH_REASON_STOP)
    assert (response.request_id, response.model_id, response.instance_id) == ("r-1", "olo-demo", "host-1")
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 8)
    assert (response.candidate, response.attempt) == (2, 1)
    assert response.timings.total.ToNanoseconds() > 0


async def test_a_missing_request_id_is_made(served: Served, schedule: Schedule) -> None:
    served.slot.fill(schedule(FakeEngine()))
    first = await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES))
    second = await served.stub.Generate(pb.GenerateRequest(messages=MESSAGES))
    assert first.request_id and first.request_id != second.request_id


async def test_a_stream_ends_with_reason_and_usage(served: Served, schedule: Schedule) -> None:
    served.slot.fill(schedule(FakeEngine("Grüße.")))
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
    served.slot.fill(schedule(FakeEngine()))
    error = await refused(served.stub, request_)
    assert (error.code, error.reason, error.field) == (code, reason, field)


async def test_before_the_model_is_loaded_callers_may_come_again(served: Served) -> None:
    error = await refused(served.stub, pb.GenerateRequest(messages=MESSAGES))
    assert (error.code, error.reason, error.retry_after) == (ErrorCode.UNAVAILABLE, "model_unavailable", 1.0)


async def test_a_full_queue_says_when_to_come_again(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    scheduler = schedule(engine, max_concurrency=1, max_queue=0)
    served.slot.fill(scheduler)
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
    served.slot.fill(scheduler)
    stream = served.stub.GenerateStream(pb.GenerateStreamRequest(request=pb.GenerateRequest(messages=MESSAGES)))
    engine.permit()
    assert (await stream.read()).chunk.text == "o"
    stream.cancel()
    engine.permit()
    await until(lambda: scheduler.running == 0)
    assert scheduler.waiting == 0


async def test_abort_ends_a_stream_with_aborted(served: Served, schedule: Schedule) -> None:
    engine = FakeEngine("ok", stepwise=True)
    served.slot.fill(schedule(engine))
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
    served.slot.fill(schedule(FakeEngine("ok", stepwise=True)))
    request = pb.GenerateRequest(messages=MESSAGES)
    request.timeout.FromMilliseconds(20)
    assert (await refused(served.stub, request)).code is ErrorCode.DEADLINE_EXCEEDED


async def test_tokens_are_counted_and_the_model_described(served: Served, schedule: Schedule) -> None:
    served.slot.fill(schedule(FakeEngine()))
    count = await served.stub.CountTokens(pb.CountTokensRequest(messages=MESSAGES))
    assert (count.prompt_tokens, count.context_limit) == (3, 2048)
    info = await served.stub.GetModelInfo(pb.GetModelInfoRequest())
    assert (info.model_id, info.model_name, info.family, info.task_queue) == (
        "olo-demo",
        "Demo",
        "fake",
        "llm.olo-demo",
    )
