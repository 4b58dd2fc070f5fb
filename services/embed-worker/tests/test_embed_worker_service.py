"""The service through its two faces, on the fake engine: five calls, validation, the activity."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from olo.common.v1.common_pb2 import HARDWARE_TYPE_CPU
from olo.embedding.v1 import embedding_service_pb2 as pb
from olo.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call, channel
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.vectors import unpack
from olo_embed_worker.activities import EmbedActivities
from olo_embed_worker.adapters.fake_engine import FakeEngine
from olo_embed_worker.app import serving
from olo_embed_worker.batching.tickets import Embedded
from olo_embed_worker.embedding import Embedding
from olo_embed_worker.errors import QueueFull
from olo_embed_worker.settings import EmbedWorkerSettings
from olo_embed_worker.types import InputKind, Rows, Tokenized
from olo_testing.ports import free_port


@asynccontextmanager
async def service(engine: FakeEngine, **changed: Any) -> AsyncIterator[Any]:
    """With NATS and Temporal away, which must not stop anything."""
    settings = EmbedWorkerSettings(
        port=0,
        model_id="fake",
        model="unused",
        grace_seconds=1,
        instance_id="worker-1",
        max_concurrency=3,
        nats=NatsSettings(url=f"nats://127.0.0.1:{free_port()}"),
        temporal=TemporalSettings(address=f"127.0.0.1:{free_port()}"),
        **changed,
    )
    async with serving(settings, engine, Lifetime()) as address, channel(address) as opened:
        yield EmbeddingServiceStub(opened)


@pytest.fixture
async def stub() -> AsyncIterator[Any]:
    async with service(FakeEngine(reranker=True)) as opened:
        yield opened


async def ask(method: Any, request: Message) -> Any:
    return await call(method, request, peer="the embed-worker", timeout=10)


async def test_embed(stub: Any) -> None:
    texts = ["one two", "three"]
    response = await ask(stub.Embed, pb.EmbedRequest(texts=texts, input_type=pb.INPUT_TYPE_QUERY))
    np.testing.assert_array_equal(unpack(response.vectors), FakeEngine.rows(texts, InputKind.QUERY))
    assert response.model_id == "fake"
    assert response.usage.prompt_tokens == 3


async def test_embed_takes_the_side_of_a_passage_unless_told(stub: Any) -> None:
    response = await ask(stub.Embed, pb.EmbedRequest(model_id="fake", texts=["x"]))
    np.testing.assert_array_equal(unpack(response.vectors), FakeEngine.rows(["x"], InputKind.PASSAGE))


async def test_usage_counts_what_the_model_reads(stub: Any) -> None:
    response = await ask(stub.Embed, pb.EmbedRequest(texts=["w " * 300, "w"]))
    assert response.usage.prompt_tokens == 256 + 1


async def test_embed_sparse(stub: Any) -> None:
    response = await ask(stub.EmbedSparse, pb.EmbedSparseRequest(texts=["a bb ccc", "a"]))
    assert [np.frombuffer(v.indices, "<u4").tolist() for v in response.vectors] == [[1, 2, 3], [1]]
    assert [np.frombuffer(v.values, "<f4").tolist() for v in response.vectors] == [[1, 1, 1], [1]]


async def test_rerank_gives_the_best_first_and_of_equals_the_earlier(stub: Any) -> None:
    request = pb.RerankRequest(query="a b c", documents=["x", "a b", "a", "c", "a b c"])
    response = await ask(stub.Rerank, request)
    assert [(r.index, r.score) for r in response.results] == [(4, 3), (1, 2), (2, 1), (3, 1), (0, 0)]
    assert response.model_id == "fake"
    request.top_n = 2
    assert [r.index for r in (await ask(stub.Rerank, request)).results] == [4, 1]


async def test_count_tokens(stub: Any) -> None:
    response = await ask(stub.CountTokens, pb.CountTokensRequest(texts=["a b", "w " * 300]))
    assert list(response.tokens) == [2, 300]
    assert response.context_limit == 256


async def test_model_info(stub: Any) -> None:
    assert await ask(stub.GetModelInfo, pb.GetModelInfoRequest()) == pb.GetModelInfoResponse(
        model_id="fake",
        model_name="fake",
        dimension=8,
        context_limit=256,
        max_concurrency=3,
        hardware_type=HARDWARE_TYPE_CPU,
        instance_id="worker-1",
        task_queue="embedding.fake",
        reranker_model="fake",
    )


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Embed", pb.EmbedRequest(), "texts"),
        ("Embed", pb.EmbedRequest(texts=["x"] * 257), "texts"),
        ("Embed", pb.EmbedRequest(texts=["x", "x", "x", ""]), "texts[3]"),
        ("Embed", pb.EmbedRequest(texts=["x" * 32_769]), "texts[0]"),
        ("EmbedSparse", pb.EmbedSparseRequest(texts=["x", ""]), "texts[1]"),
        ("CountTokens", pb.CountTokensRequest(), "texts"),
        ("Rerank", pb.RerankRequest(documents=["d"]), "query"),
        ("Rerank", pb.RerankRequest(query="q"), "documents"),
        ("Rerank", pb.RerankRequest(query="q", documents=["d", ""]), "documents[1]"),
    ],
)
async def test_bad_input_names_its_field(stub: Any, method: str, request_: Message, field: str) -> None:
    with pytest.raises(OloError) as refused:
        await ask(getattr(stub, method), request_)
    assert (refused.value.code, refused.value.reason) == (ErrorCode.INVALID_ARGUMENT, "field_invalid")
    assert refused.value.field == field


async def test_the_longest_request_is_taken(stub: Any) -> None:
    response = await ask(stub.Embed, pb.EmbedRequest(texts=["é" * 32_768] * 128 + ["y"] * 128))
    assert response.vectors.count == 256


@pytest.mark.parametrize(
    ("engine", "method", "request_", "code", "reason"),
    [
        (FakeEngine(), "Embed", pb.EmbedRequest(model_id="other", texts=["x"]), "NOT_FOUND", "model_not_found"),
        (
            FakeEngine(),
            "Rerank",
            pb.RerankRequest(query="q", documents=["d"]),
            "FAILED_PRECONDITION",
            "reranker_not_loaded",
        ),
        (FakeEngine(failing="x"), "Embed", pb.EmbedRequest(texts=["x"]), "INTERNAL", "engine_failed"),
    ],
)
async def test_refusals(engine: FakeEngine, method: str, request_: Message, code: str, reason: str) -> None:
    async with service(engine) as stub:
        with pytest.raises(OloError) as refused:
            await ask(getattr(stub, method), request_)
    assert (refused.value.code.name, refused.value.reason) == (code, reason)
    assert engine.closed


class Batches:
    """A batcher that is full for a while."""

    def __init__(self, full: int = 0) -> None:
        self.full = full
        self.sizes: list[int] = []
        self.waiting = asyncio.Event()

    async def embed(self, texts: list[str], kind: InputKind) -> Embedded:
        if self.full:
            self.full -= 1
            self.waiting.set()
            raise QueueFull("too many", retry_after=1e-6)
        self.sizes.append(len(texts))
        return Embedded(FakeEngine.rows(texts, kind), [1] * len(texts))


def activities(batcher: Batches) -> EmbedActivities:
    return EmbedActivities(Embedding(batcher, "fake", FakeEngine().info()))  # type: ignore[arg-type]  # all it calls


async def test_the_activity_embeds_many_texts_slice_by_slice_and_heartbeats() -> None:
    environment, batcher, beats = ActivityEnvironment(), Batches(full=2), list[object]()
    environment.on_heartbeat = lambda *details: beats.append(details)
    texts = [f"text {n}" for n in range(1000)]
    response = await environment.run(activities(batcher).embed, pb.EmbedRequest(texts=texts))
    np.testing.assert_array_equal(unpack(response.vectors), FakeEngine.rows(texts, InputKind.PASSAGE))
    assert max(batcher.sizes) <= 64
    assert beats


async def test_a_cancelled_activity_stops_waiting_for_the_queue() -> None:
    environment, batcher = ActivityEnvironment(), Batches(full=10**9)
    task = asyncio.create_task(environment.run(activities(batcher).embed, pb.EmbedRequest(texts=["x"])))
    await batcher.waiting.wait()
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("request_", [pb.EmbedRequest(), pb.EmbedRequest(texts=["x"] * 1025)])
async def test_the_activity_fails_with_the_reason_and_for_good(request_: pb.EmbedRequest) -> None:
    with pytest.raises(ApplicationError) as wrong:
        await ActivityEnvironment().run(activities(Batches()).embed, request_)
    assert (wrong.value.type, wrong.value.non_retryable) == ("field_invalid", True)


async def test_a_full_queue_refuses_at_once_with_a_time_to_retry() -> None:
    gate, entered = threading.Event(), threading.Event()

    class Held(FakeEngine):
        def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
            entered.set()
            assert gate.wait(30)
            return super().embed(texts, kind)

    async with service(Held(), max_queue=256, max_batch=1, replicas=1) as stub:
        try:
            running = asyncio.create_task(ask(stub.Embed, pb.EmbedRequest(texts=["runs"])))
            assert await asyncio.to_thread(entered.wait, 30)
            both = [asyncio.create_task(ask(stub.Embed, pb.EmbedRequest(texts=["waits"] * 256))) for _ in range(2)]
            (ended,), (waiting,) = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            refused = ended.exception()
            assert isinstance(refused, OloError)
            assert (refused.code, refused.reason) == (ErrorCode.RESOURCE_EXHAUSTED, "queue_full")
            assert refused.retry_after
        finally:
            gate.set()
        assert (await waiting).vectors.count == 256
        await running
