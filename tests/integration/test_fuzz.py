"""Made-up calls of every RPC, and made-up events on every subject: each call ends as it may end, and all services live.

A few here; `make fuzz` makes many, and others each time.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import nats
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.fuzz_cluster import FuzzCluster, furnish, fuzz_cluster
from tests.integration.made_up import messages, wire

import olo_events
from olo_client import AsyncOlo
from olo_common.journal import LOGS_ASKED_SUBJECT, LOGS_SUBJECT
from olo_contracts import subjects
from olo_contracts.subjects import Event, pattern_of, stream_subject, subject_of
from olo_testing import fuzzing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(7200 if fuzzing.EXAMPLES else 600)]

SERVED = {
    "gateway": ["olo.gateway.v1.GatewayService", "olo.gateway.v1.FileService", "olo.gateway.v1.BatchService"],
    "registry": ["olo.registry.v1.RegistryService", "olo.registry.v1.BenchmarkService"],
    "router": ["olo.router.v1.RouterService"],
    "retrieval": [
        "olo.retrieval.v1.RetrievalService",
        "olo.retrieval.v1.SourceService",
        "olo.retrieval.v1.MigrationService",
        "olo.retrieval.v1.TransferService",
    ],
    "llm-worker": ["olo.inference.v1.InferenceService"],
    "embed-worker": ["olo.embedding.v1.EmbeddingService"],
}
METHODS = [
    (service, method)
    for service, names in SERVED.items()
    for name in names
    for method in Default().FindServiceByName(name).methods
]
WAITING = {"Chat", "ChatStream", "ReplayRun", "Generate", "GenerateStream", "WatchModels"}
"""Calls that may take as long as they are given."""
CRASHES = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}


@pytest.fixture(scope="module")
async def cluster(
    nats_url: str, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FuzzCluster]:
    async with fuzz_cluster(tmp_path_factory.mktemp("fuzz"), nats_url, temporal_address) as built:
        async with AsyncOlo(built.addresses["gateway"], tls=False, api_key="", timeout=240) as olo:
            await furnish(olo)
        yield built


async def ended(channel: grpc.aio.Channel, method: MethodDescriptor, requests: list[Any], seconds: float) -> Any:
    """How a call ends."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    codec = (lambda message: message.SerializeToString(), GetMessageClass(method.output_type).FromString)
    sent = iter(requests) if method.client_streaming else requests[0]
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(channel, kind)(path, *codec)(sent, timeout=seconds)
    try:
        if method.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        assert error.code() not in CRASHES, (path, error.details(), requests)
        return error.code()
    return grpc.StatusCode.OK


SUBJECTS = [
    *(pattern_of(event).replace("*", "fuzz") for event in subjects._TABLE),
    LOGS_SUBJECT,
    LOGS_ASKED_SUBJECT,
    stream_subject("fuzz"),
]
SELF = b"\n\x04fuzz"
"""The first field, as the id in the subject: what has another one there is not read any further."""


async def test_whatever_is_said_on_the_bus_all_services_live(cluster: FuzzCluster) -> None:
    @fuzzing.made_up(40)
    @given(
        st.sampled_from(SUBJECTS),
        st.one_of(wire(), st.binary()),
    )
    def made_up(subject: str, payload: bytes) -> None:
        cases.append((subject, payload))

    cases: list[tuple[str, bytes]] = []
    made_up()
    client = await nats.connect(cluster.nats_url)
    try:
        for subject, payload in cases:
            await client.publish(subject, payload)
        said: list[Event] = [
            olo_events.InstanceAnnounced(
                instance_id="sound",
                epoch=1,
                seq=1,
                model_id="sound-model",
                model_name="Sound",
                hardware_type=olo_events.HardwareType.CPU,
                model_type=olo_events.ModelType.LLM,
                max_concurrency=1,
                context_limit=64,
                address="127.0.0.1:1",
                task_queue="llm.sound-model",
            ),
        ]
        for event in said:
            await client.publish(subject_of(event), bytes(event))
        await client.flush()
    finally:
        await client.close()
    async with AsyncOlo(cluster.addresses["gateway"], tls=False, api_key="", timeout=240) as olo, asyncio.timeout(240):
        # Behind all of it on the same connection: what is known now was heard after the rest.
        while "sound-model" not in {model.model_id async for model in olo.models.list()}:
            await asyncio.sleep(0.05)
    assert cluster.failed() == []


async def test_garbage_between_the_tokens_does_not_reach_the_reader(cluster: FuzzCluster) -> None:
    @fuzzing.made_up(10)
    @given(st.one_of(wire(), st.binary()))
    def made_up(payload: bytes) -> None:
        cases.append(payload)

    cases: list[bytes] = []
    made_up()
    client = await nats.connect(cluster.nats_url)
    try:
        async with AsyncOlo(cluster.addresses["gateway"], tls=False, api_key="", timeout=240) as olo:
            text, whole, request_id = "", None, uuid.uuid4().hex
            async for event in olo.chat_stream("hello", request_id=request_id, wait_for_model=240.0):
                for payload in cases:
                    await client.publish(stream_subject(f"run-{request_id}"), payload)
                await client.flush()
                match event.WhichOneof("event"):
                    case "reset":
                        text = ""
                    case "delta":
                        text += event.delta.text
                    case "completed":
                        whole = event.completed.message.content
    finally:
        await client.close()
    assert text == whole


# The last: it unloads models, and drains who serves them.
@pytest.mark.parametrize(
    ("service", "method"), METHODS, ids=[f"{m.containing_service.name}.{m.name}" for _, m in METHODS]
)
async def test_whatever_is_asked_the_answer_is_no_crash(
    cluster: FuzzCluster, service: str, method: MethodDescriptor
) -> None:
    @fuzzing.made_up(3)
    @given(st.lists(messages(method.input_type), min_size=1, max_size=3 if method.client_streaming else 1))
    def made_up(requests: list[Any]) -> None:
        cases.append(requests)

    cases: list[list[Any]] = []
    made_up()
    for requests in cases:
        seconds = 0.5 if method.name in WAITING else 60.0
        await ended(cluster.channels[service], method, requests, seconds)
    assert cluster.failed() == []
