"""Answers and passages that are too large for a history where no store for them is given, on real Temporal.

On its own: gateways share Temporal's queues, and one with a store would take tasks of this one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.gateway_peers import FakeRetrieval
from tests.integration.gateway_world import World, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import RUN_STATE_FAILED, RagOptions, Run
from olo.retrieval.v1.retrieval_service_pb2 import Passage, SearchResponse
from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_client import call

pytestmark = pytest.mark.integration


@pytest.fixture
def passage(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each passage says after its number; a test may write it over."""
    text = ["x" * 60_000]

    async def search(_: FakeRetrieval, request: Any, context: Any) -> SearchResponse:
        passages = [Passage(chunk_id=f"c{n}", document_id="d", text=f"{n} {text[0]}") for n in range(50)]
        return SearchResponse(passages=passages[: request.top_k])

    monkeypatch.setattr(FakeRetrieval, "Search", search)
    return text


@pytest.fixture
async def world(nats_url: str, temporal_address: str, passage: list[str]) -> AsyncIterator[World]:
    async with worlds(nats_url, temporal_address) as built:
        yield built


async def shown(world: World, request_id: str) -> Run:
    asked = gateway.GetRunRequest(run_id=f"run-{request_id}")
    response: gateway.GetRunResponse = await call(world.gateway.GetRun, asked, peer="gateway", timeout=20)
    return response.run


async def test_a_huge_answer_fails_once(world: World) -> None:
    with pytest.raises(OloError) as caught:
        await world.chat(f"be long {3 * 1024 * 1024}")
    assert [model.long for model in world.models.values()] == [1, 0]
    assert caught.value.reason == "payload_not_stored"


async def test_passages_that_are_too_large_are_told_at_once(world: World) -> None:
    with pytest.raises(OloError) as caught:
        await world.chat("hi", rag=RagOptions(collection="demo", top_k=50))
    assert (caught.value.reason, caught.value.field) == ("passages_too_large", "rag.top_k")
    assert len((await world.chat("hi", rag=RagOptions(collection="demo", top_k=20))).citations) == 20


async def test_passages_are_measured_as_they_are_written_down(world: World, passage: list[str]) -> None:
    # 1.2 MB as the retrieval service sends them, and three times that in a history.
    passage[0] = "\u00e9" * 15_000
    with pytest.raises(OloError) as caught:
        await world.chat("hi", rag=RagOptions(collection="demo", top_k=40))
    assert (caught.value.reason, caught.value.field) == ("passages_too_large", "rag.top_k")


async def test_an_answer_that_fits_only_without_its_citations_ends_the_run_at_once(world: World) -> None:
    request_id = key()
    with pytest.raises(OloError) as caught:
        said = f"hi\nbe long {1536 * 1024}"
        await world.chat(said, rag=RagOptions(collection="demo", top_k=20), request_id=request_id)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.UNAVAILABLE, "payload_not_stored")
    run = await shown(world, request_id)
    assert (run.state, run.error.reason) == (RUN_STATE_FAILED, "payload_not_stored")
    assert [attempt.model_id for attempt in run.details.attempts] == ["one"]
    assert len(run.details.citations) == 20
    assert world.models["one"].long == 1


async def test_a_task_that_fits_only_without_its_passages_ends_the_run_at_once(world: World) -> None:
    # Each of these letters takes six characters in JSON.
    request_id = key()
    with pytest.raises(OloError) as caught:
        await world.chat("é" * 128_000, rag=RagOptions(collection="demo", top_k=25), request_id=request_id)
    assert (caught.value.code, caught.value.reason) == (ErrorCode.UNAVAILABLE, "payload_not_stored")
    assert caught.value.metadata["run_state"] == "failed"
    run = await shown(world, request_id)
    assert (run.state, run.error.reason) == (RUN_STATE_FAILED, "payload_not_stored")
