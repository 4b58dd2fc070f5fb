"""The group `benchmarks` of both clients."""

from __future__ import annotations

from collections.abc import Sequence

from olo.registry.v1 import benchmark_service_pb2 as pb
from olo.registry.v1.benchmark_service_pb2_grpc import BenchmarkServiceStub
from olo_client.async_calls import AsyncCalls
from olo_client.calls import Calls


class Benchmarks:
    """What others have published about the models, and which of their records mean which model."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = BenchmarkServiceStub(calls.channel)

    def sources(self) -> Sequence[pb.BenchmarkSource]:
        """Each source, with the age of its last good word."""
        return (self._calls.call(self._stub.ListBenchmarkSources, pb.ListBenchmarkSourcesRequest())).sources

    def facts(self, model_id: str) -> Sequence[pb.ModelFact]:
        """What the sources say of a model."""
        return (self._calls.call(self._stub.ListModelFacts, pb.ListModelFactsRequest(model_id=model_id))).facts

    def reviews(self) -> Sequence[pb.MatchReview]:
        """The models of which it is doubtful which record means them."""
        return (self._calls.call(self._stub.ListMatchReviews, pb.ListMatchReviewsRequest())).reviews

    def decide(self, model_id: str, source: str, record: str | None) -> None:
        """Says which record of a source means a model; None: none does."""
        request = pb.DecideMatchRequest(model_id=model_id, source=source, record=record or "")
        self._calls.call(self._stub.DecideMatch, request)


class AsyncBenchmarks:
    """What others have published about the models, and which of their records mean which model."""

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._stub = BenchmarkServiceStub(calls.channel)

    async def sources(self) -> Sequence[pb.BenchmarkSource]:
        """Each source, with the age of its last good word."""
        return (await self._calls.call(self._stub.ListBenchmarkSources, pb.ListBenchmarkSourcesRequest())).sources

    async def facts(self, model_id: str) -> Sequence[pb.ModelFact]:
        """What the sources say of a model."""
        return (await self._calls.call(self._stub.ListModelFacts, pb.ListModelFactsRequest(model_id=model_id))).facts

    async def reviews(self) -> Sequence[pb.MatchReview]:
        """The models of which it is doubtful which record means them."""
        return (await self._calls.call(self._stub.ListMatchReviews, pb.ListMatchReviewsRequest())).reviews

    async def decide(self, model_id: str, source: str, record: str | None) -> None:
        """Says which record of a source means a model; None: none does."""
        request = pb.DecideMatchRequest(model_id=model_id, source=source, record=record or "")
        await self._calls.call(self._stub.DecideMatch, request)
