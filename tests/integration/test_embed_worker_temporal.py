"""The embed-worker with its real model, NATS and Temporal: announced, asked over both faces, gone."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path

import nats
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import olo_events
from olo.embedding.v1.embedding_service_pb2 import EmbedRequest, EmbedResponse
from olo.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from olo_common.errors import ErrorCode
from olo_common.failures import from_failure
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import EMBED_ACTIVITY, embedding_queue
from olo_contracts.subjects import pattern_of, subject_of
from olo_contracts.vectors import unpack
from olo_embed_worker.app import running
from olo_embed_worker.minilm import build
from olo_embed_worker.settings import EmbedWorkerSettings

pytestmark = pytest.mark.integration


@workflow.defn(name="embed-once")
class EmbedOnce:
    @workflow.run
    async def run(self, request: EmbedRequest) -> EmbedResponse:
        return await workflow.execute_activity(
            EMBED_ACTIVITY,
            request,
            task_queue=embedding_queue(request.model_id),
            result_type=EmbedResponse,
            schedule_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=2),
        )


async def unserved(
    client: Client, request: EmbedRequest, queue: str
) -> WorkflowHandle[EmbedOnce, EmbedResponse] | None:
    """A run that nobody takes up for a while; None where somebody does."""
    handle = await client.start_workflow(EmbedOnce.run, request, id=uuid.uuid4().hex, task_queue=queue)
    try:
        await asyncio.wait_for(handle.result(), 3)
    except TimeoutError:
        return handle
    return None


async def test_announced_asked_and_gone(nats_url: str, temporal_address: str, tmp_path: Path) -> None:
    directory = tmp_path / "minilm"
    await asyncio.to_thread(build, directory)
    settings = EmbedWorkerSettings(
        port=0,
        model=str(directory),
        model_id=f"minilm-{uuid.uuid4().hex[:8]}",
        default_flag=True,
        threads=1,
        nats=NatsSettings(url=nats_url),
        temporal=TemporalSettings(address=temporal_address),
    )
    listener = await nats.connect(nats_url)
    announced = await listener.subscribe(pattern_of(olo_events.InstanceAnnounced))
    left = await listener.subscribe(pattern_of(olo_events.InstanceLeft))
    await listener.flush()

    client = await Client.connect(temporal_address)
    queue = f"test-{uuid.uuid4().hex}"
    async with Worker(client, task_queue=queue, workflows=[EmbedOnce], workflow_runner=UnsandboxedWorkflowRunner()):
        async with running(settings, Lifetime()) as address, channel(address) as opened:
            event = olo_events.InstanceAnnounced.parse((await announced.next_msg(timeout=30)).data)
            assert event.instance_id == settings.instance_id
            assert event.model_type == olo_events.ModelType.EMBEDDING
            assert (event.model_id, event.default_flag) == (settings.model_id, True)
            assert (event.embedding_dimension, event.context_limit) == (384, 256)
            assert (event.address, event.task_queue) == (address, f"embedding.{settings.model_id}")

            health = health_pb2_grpc.HealthStub(opened)
            asked = health_pb2.HealthCheckRequest(service="olo.embedding.v1.EmbeddingService")
            assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING

            request = EmbedRequest(model_id=settings.model_id, texts=["That is a happy person", "That is a happy dog"])
            durable = await client.execute_workflow(EmbedOnce.run, request, id=uuid.uuid4().hex, task_queue=queue)
            a, b = unpack(durable.vectors)
            assert sum(x * y for x, y in zip(a, b, strict=True)) == pytest.approx(0.6945773, abs=1e-4)
            direct = await call(EmbeddingServiceStub(opened).Embed, request, peer="the embed-worker", timeout=10)
            assert direct == durable

            with pytest.raises(WorkflowFailureError) as failed:
                wrong = EmbedRequest(model_id=settings.model_id, texts=["x", ""])
                await client.execute_workflow(EmbedOnce.run, wrong, id=uuid.uuid4().hex, task_queue=queue)
            error = from_failure(failed.value.cause)
            assert (error.code, error.reason, error.field) == (ErrorCode.INVALID_ARGUMENT, "field_invalid", "texts[1]")

            drain = olo_events.InstanceDrainRequested(instance_id=settings.instance_id, model_id=settings.model_id)
            await listener.publish(subject_of(drain), bytes(drain))
            async with asyncio.timeout(60):
                while (waiting := await unserved(client, request, queue)) is None:
                    pass
            await waiting.terminate()
            # Who calls it directly is still served: callers choose by the registry's word.
            assert await call(EmbeddingServiceStub(opened).Embed, request, peer="the embed-worker", timeout=10)
        gone = olo_events.InstanceLeft.parse((await left.next_msg(timeout=10)).data)
        assert gone.instance_id == settings.instance_id
    await listener.close()
