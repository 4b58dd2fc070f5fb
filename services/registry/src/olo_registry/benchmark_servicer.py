"""BenchmarkService over gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from olo.registry.v1 import benchmark_service_pb2 as pb
from olo.registry.v1 import benchmark_service_pb2_grpc as pb_grpc
from olo_registry import convert_benchmarks as convert
from olo_registry.intelligence import Intelligence

Context = grpc.aio.ServicerContext[Any, Any]


class BenchmarkServicer(pb_grpc.BenchmarkServiceServicer):
    """Translates and calls inward."""

    def __init__(self, intelligence: Intelligence) -> None:
        self._intelligence = intelligence

    async def ListBenchmarkSources(
        self, request: pb.ListBenchmarkSourcesRequest, context: Context
    ) -> pb.ListBenchmarkSourcesResponse:
        """Says how old each source's word is."""
        states = self._intelligence.states()
        return pb.ListBenchmarkSourcesResponse(sources=[convert.source_message(state) for state in states])

    async def ListModelFacts(self, request: pb.ListModelFactsRequest, context: Context) -> pb.ListModelFactsResponse:
        """Returns what the sources say of a model."""
        facts = self._intelligence.facts(request.model_id)
        return pb.ListModelFactsResponse(facts=[convert.fact_message(fact) for fact in facts])

    async def ListMatchReviews(
        self, request: pb.ListMatchReviewsRequest, context: Context
    ) -> pb.ListMatchReviewsResponse:
        """Returns what is doubtful."""
        return pb.ListMatchReviewsResponse(
            reviews=[convert.review_message(*review) for review in self._intelligence.reviews()]
        )

    async def DecideMatch(self, request: pb.DecideMatchRequest, context: Context) -> pb.DecideMatchResponse:
        """Takes the operator's word."""
        source = convert.source_of(request.source)
        await self._intelligence.decide(request.model_id, source, request.record or None)
        return pb.DecideMatchResponse()
