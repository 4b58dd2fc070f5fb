"""Answers and passages that are too large for a history where no store for them is given, on real Temporal.

On its own: gateways share Temporal's queues, and one with a store would take tasks of this one.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.gateway_peers import FakeRetrieval
from tests.integration.gateway_world import worlds

from olo.gateway.v1.run_pb2 import RagOptions
from olo.retrieval.v1.retrieval_service_pb2 import Passage, SearchResponse
from olo_common.errors import OloError

pytestmark = pytest.mark.integration


async def test_without_a_store_a_huge_answer_fails_once(nats_url: str, temporal_address: str) -> None:
    async with worlds(nats_url, temporal_address) as world:
        with pytest.raises(OloError) as caught:
            await world.chat(f"be long {3 * 1024 * 1024}")
        assert [model.long for model in world.models.values()] == [1, 0]
        assert caught.value.reason == "payload_not_stored"


async def test_without_a_store_passages_that_are_too_large_are_told_at_once(
    nats_url: str, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def search(_: FakeRetrieval, request: Any, context: Any) -> SearchResponse:
        passages = [Passage(chunk_id=f"c{n}", document_id="d", text=f"{n} " + "x" * 60_000) for n in range(50)]
        return SearchResponse(passages=passages[: request.top_k])

    monkeypatch.setattr(FakeRetrieval, "Search", search)
    async with worlds(nats_url, temporal_address) as world:
        with pytest.raises(OloError) as caught:
            await world.chat("hi", rag=RagOptions(collection="demo", top_k=50))
        assert (caught.value.reason, caught.value.field) == ("passages_too_large", "rag.top_k")
        assert len((await world.chat("hi", rag=RagOptions(collection="demo", top_k=20))).citations) == 20
