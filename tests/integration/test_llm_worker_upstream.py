"""A worker whose model is served elsewhere, on real servers: it joins, answers runs, and leaves with its upstream."""

from __future__ import annotations

import uuid
from datetime import timedelta

import nats
import pytest
import upstream_stub as stubs
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.lifecycle import Lifetime
from olo_common.settings import LogSettings, NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_contracts.subjects import pattern_of, stream_subject
from olo_llm_worker.app import running
from olo_llm_worker.settings import LlmWorkerSettings
from olo_llm_worker.upstream.settings import UpstreamSettings
from olo_testing.waiting import until

pytestmark = pytest.mark.integration


@workflow.defn(name="ask-upstream", sandboxed=False)
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
        )


async def test_it_joins_answers_and_falls_silent_with_its_upstream(nats_url: str, temporal_address: str) -> None:
    model = f"upstream-{uuid.uuid4().hex[:8]}"
    request = pb.GenerateRequest(request_id=uuid.uuid4().hex, model_id=model, candidate=1, stream=True)
    request.messages.add(role=pb.ROLE_USER, content="hi")
    heard: dict[str, list[bytes]] = {"announced": [], "beats": [], "chunks": []}
    bus = await nats.connect(nats_url)

    async def keep(name: str, subject: str) -> None:
        async def add(message: nats.aio.msg.Msg) -> None:
            heard[name].append(message.data)

        await bus.subscribe(subject, cb=add)

    await keep("announced", pattern_of(olo_events.InstanceAnnounced))
    await keep("beats", pattern_of(olo_events.InstanceHeartbeat))
    await keep("chunks", stream_subject(request.request_id))
    await bus.flush()

    def announced() -> list[olo_events.InstanceAnnounced]:
        events = [olo_events.InstanceAnnounced.parse(data) for data in heard["announced"]]
        return [event for event in events if event.model_id == model]

    def beats() -> int:
        return sum(olo_events.InstanceHeartbeat.parse(data).model_id == model for data in heard["beats"])

    async with stubs.stub_server() as stub:
        stub.replies["/v1/chat/completions"] = stubs.Reply(
            stubs.openai_events(stubs.chunk("Grü"), stubs.chunk("ße."), stubs.chunk(finish="stop"), "[DONE]")
        )
        settings = LlmWorkerSettings(
            engine="openai",
            model_id=model,
            upstream=UpstreamSettings(url=f"{stub.url}/v1", context_limit=1000, check_seconds=0.05),
            port=0,
            heartbeat_seconds=0.05,
            grace_seconds=2.0,
            log=LogSettings(level="error"),
            nats=NatsSettings(url=nats_url),
            temporal=TemporalSettings(address=temporal_address),
        )
        client = await Client.connect(temporal_address)
        async with running(settings, Lifetime()), Worker(client, task_queue=model, workflows=[Ask]):
            await until(lambda: bool(announced()))
            said = announced()[0]
            assert (said.context_limit, said.hardware_type) == (1000, olo_events.HardwareType.GPU)
            response = await client.execute_workflow(Ask.run, request, id=request.request_id, task_queue=model)
            assert response.text == "Grüße."
            await until(lambda: any(pb.TokenChunk.FromString(data).finish_reason for data in heard["chunks"]))
            assert "".join(pb.TokenChunk.FromString(data).text for data in heard["chunks"]) == "Grüße."

            stub.replies["/v1/models"] = stubs.Reply([b"{}"], status=503, headers={})
            await until(lambda: beats() > 0)
            beaten = -1
            while beaten != beats():
                # Beats and checks are equally frequent: a span of several checks without a beat is silence.
                beaten, asked = beats(), len(stub.asked)
                await until(lambda seen=asked: len(stub.asked) > seen + 5)  # type: ignore[misc]
            times = len(announced())
            del stub.replies["/v1/models"]
            await until(lambda: len(announced()) > times)
    await bus.close()
