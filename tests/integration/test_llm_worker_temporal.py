"""The whole llm-worker on real servers: a workflow is answered, chunks arrive, the instance comes and goes."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import nats
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_common.failures import from_failure
from olo_common.lifecycle import Lifetime
from olo_common.settings import LogSettings, NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import pattern_of, stream_subject
from olo_llm_worker.app import running
from olo_llm_worker.model_directory.conversion import convert
from olo_llm_worker.settings import LlmWorkerSettings
from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

MESSAGES = [
    pb.ChatMessage(role=pb.ROLE_SYSTEM, content="Answer the question from the passages and cite them."),
    pb.ChatMessage(role=pb.ROLE_USER, content="[1] The bridge was opened in 1932.\nQuestion: When was it opened?"),
]


@workflow.defn(name="ask", sandboxed=False)
class Ask:
    @workflow.run
    async def run(self, request: pb.GenerateRequest) -> pb.GenerateResponse:
        return await workflow.execute_activity(
            GENERATE_ACTIVITY,
            request,
            task_queue=llm_queue(request.model_id),
            result_type=pb.GenerateResponse,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = Path(__file__).parents[2] / "models/demo/checkpoint"
    target = tmp_path_factory.mktemp("llm") / "model"
    return convert(checkpoint, target, quantization="int8", name="olo-demo").path


def make_settings(model_directory: Path, nats_url: str, temporal_address: str) -> LlmWorkerSettings:
    return LlmWorkerSettings(
        model_id=f"demo-{uuid.uuid4().hex[:8]}",
        model_directory=model_directory,
        port=0,
        heartbeat_seconds=0.1,
        grace_seconds=2.0,
        log=LogSettings(level="warning"),
        nats=NatsSettings(url=nats_url),
        temporal=TemporalSettings(address=temporal_address),
    )


@asynccontextmanager
async def hearing(url: str, subject: str) -> AsyncIterator[list[bytes]]:
    client = await nats.connect(url)
    heard: list[bytes] = []

    async def keep(message: nats.aio.msg.Msg) -> None:
        heard.append(message.data)

    await client.subscribe(subject, cb=keep)
    await client.flush()
    yield heard
    await client.close()


async def test_a_workflow_is_answered_streamed_and_seen_on_the_bus(
    model_directory: Path, nats_url: str, temporal_address: str
) -> None:
    settings = make_settings(model_directory, nats_url, temporal_address)
    request = pb.GenerateRequest(
        request_id=uuid.uuid4().hex, model_id=settings.model_id, messages=MESSAGES, candidate=1, stream=True
    )
    client = await Client.connect(temporal_address)

    def mine(events: list[bytes], kind: type[olo_events.InstanceAnnounced | olo_events.InstanceLeft]) -> list[object]:
        parsed = [kind.parse(data) for data in events]
        return [event for event in parsed if event.model_id == settings.model_id]

    async with (
        hearing(nats_url, pattern_of(olo_events.InstanceAnnounced)) as announced,
        hearing(nats_url, pattern_of(olo_events.InstanceLeft)) as left,
        hearing(nats_url, stream_subject(request.request_id)) as streamed,
    ):
        async with running(settings, Lifetime()) as address:
            await until(lambda: bool(mine(announced, olo_events.InstanceAnnounced)))
            said = mine(announced, olo_events.InstanceAnnounced)[0]
            assert isinstance(said, olo_events.InstanceAnnounced)
            assert (said.address, said.task_queue, said.context_limit) == (address, llm_queue(settings.model_id), 2048)
            assert (said.model_type, said.max_concurrency) == (olo_events.ModelType.LLM, 16)

            async with Worker(client, task_queue=settings.model_id, workflows=[Ask]):
                response = await client.execute_workflow(
                    Ask.run, request, id=request.request_id, task_queue=settings.model_id
                )
                await until(lambda: any(pb.TokenChunk.FromString(data).finish_reason for data in streamed))
                chunks = [pb.TokenChunk.FromString(data) for data in streamed]
                assert response.text and "".join(chunk.text for chunk in chunks) == response.text
                assert chunks[-1].usage == response.usage

                wrong = pb.GenerateRequest(model_id=settings.model_id)
                with pytest.raises(WorkflowFailureError) as failed:
                    await client.execute_workflow(Ask.run, wrong, id=uuid.uuid4().hex, task_queue=settings.model_id)
                assert from_failure(failed.value).reason == "messages_missing"

            async with grpc.aio.insecure_channel(address) as channel:
                status = await health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(service="olo.inference.v1.InferenceService")
                )
                assert status.status == health_pb2.HealthCheckResponse.SERVING
                direct = await rpc.InferenceServiceStub(channel).Generate(pb.GenerateRequest(messages=MESSAGES))
                assert direct.text == response.text
            assert mine(left, olo_events.InstanceLeft) == []
        await until(lambda: bool(mine(left, olo_events.InstanceLeft)))


async def test_it_starts_and_serves_without_nats_and_temporal(model_directory: Path) -> None:
    settings = make_settings(model_directory, f"nats://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    async with running(settings, Lifetime()) as address, grpc.aio.insecure_channel(address) as channel:
        answer = await rpc.InferenceServiceStub(channel).Generate(pb.GenerateRequest(messages=MESSAGES))
        assert answer.text
        status = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert status.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_an_unloaded_model_takes_no_work_until_it_is_loaded_again(
    model_directory: Path, nats_url: str, temporal_address: str
) -> None:
    settings = make_settings(model_directory, nats_url, temporal_address)
    request = pb.GenerateRequest(request_id=uuid.uuid4().hex, model_id=settings.model_id, messages=MESSAGES)
    client = await Client.connect(temporal_address)
    async with (
        hearing(nats_url, pattern_of(olo_events.InstanceAnnounced)) as announced,
        running(settings, Lifetime()) as address,
        grpc.aio.insecure_channel(address) as channel,
        Worker(client, task_queue=settings.model_id, workflows=[Ask]),
    ):

        def announcements() -> int:
            parsed = [olo_events.InstanceAnnounced.parse(data) for data in announced]
            return sum(event.model_id == settings.model_id for event in parsed)

        stub, health = rpc.InferenceServiceStub(channel), health_pb2_grpc.HealthStub(channel)
        await until(lambda: announcements() == 1)
        await stub.UnloadModel(pb.UnloadModelRequest())
        status = await health.Check(health_pb2.HealthCheckRequest())
        assert status.status == health_pb2.HealthCheckResponse.NOT_SERVING
        run = await client.start_workflow(Ask.run, request, id=request.request_id, task_queue=settings.model_id)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Generate(request)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert announcements() == 1
        await stub.LoadModel(pb.LoadModelRequest())
        response = await run.result()
        assert (bool(response.text), response.attempt) == (True, 1)
        await until(lambda: announcements() == 2)


def engines() -> set[int]:
    """The engine processes of this one; other tests may have their own."""
    name = "olo_llm_worker.adapters.engine_process"
    return {child.pid for child in psutil.Process().children() if name in child.cmdline()}


async def test_a_request_survives_the_kill_of_its_engine(
    model_directory: Path, nats_url: str, temporal_address: str
) -> None:
    """The worker stays up, says so, and goes on behind what the dead engine had given."""
    settings = make_settings(model_directory, nats_url, temporal_address)
    tokens = 400
    sampling = pb.SamplingOptions(max_tokens=tokens, min_tokens=tokens)
    request = pb.GenerateRequest(
        request_id=uuid.uuid4().hex, model_id=settings.model_id, messages=MESSAGES, sampling=sampling, stream=True
    )
    client, others = await Client.connect(temporal_address), engines()
    async with (
        hearing(nats_url, stream_subject(request.request_id)) as streamed,
        hearing(nats_url, pattern_of(olo_events.AttemptFinished)) as attempts,
        running(settings, Lifetime()) as address,
        grpc.aio.insecure_channel(address) as channel,
        Worker(client, task_queue=settings.model_id, workflows=[Ask]),
    ):
        health = health_pb2_grpc.HealthStub(channel)
        run = await client.start_workflow(Ask.run, request, id=request.request_id, task_queue=settings.model_id)
        await until(lambda: bool(streamed))
        (engine,) = engines() - others
        os.kill(engine, signal.SIGKILL)
        response = await run.result()
        assert (response.attempt, response.usage.completion_tokens) == (2, tokens)

        def ends() -> list[str]:
            heard = map(olo_events.AttemptFinished.parse, attempts)
            return [event.failure_reason for event in heard if event.run_id == request.request_id]

        await until(lambda: len(ends()) == 2)
        assert ends() == ["engine_lost", ""]
        await until(lambda: any(pb.TokenChunk.FromString(data).finish_reason for data in streamed))
        chunks = [pb.TokenChunk.FromString(data) for data in streamed]
        assert "".join(chunk.text for chunk in chunks if chunk.attempt == 2) == response.text
        status = await health.Check(health_pb2.HealthCheckRequest())
        assert status.status == health_pb2.HealthCheckResponse.SERVING
        (successor,) = engines() - others
        assert successor != engine
