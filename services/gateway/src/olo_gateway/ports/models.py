"""Which models there are, which of them would be chosen, and what they do beside chats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from olo.common.v1.common_pb2 import ModelType
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.inference.v1.inference_service_pb2 import GetModelInfoResponse
from olo.registry.v1 import registry_service_pb2 as registry
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1 import router_service_pb2 as router
from olo_gateway.runs.order import ChatOrder


class Catalogue(Protocol):
    """The models that can be asked for."""

    async def list(self, page_size: int, page_token: str, model_type: ModelType) -> gateway.ListModelsResponse:
        """One page of models."""
        ...

    async def get(self, model_id: str) -> gateway.ModelSummary:
        """One model."""
        ...


class Routing(Protocol):
    """What the router knows and would do."""

    async def rankings(self, request: router.ListRankingsRequest) -> router.ListRankingsResponse:
        """The order of the models under a profile."""
        ...

    async def status(self) -> router.GetStatusResponse:
        """Snapshot, instances, circuit breakers."""
        ...

    async def syncs(self) -> Sequence[BenchmarkSource] | None:
        """How old the benchmarks of each source are; None while the registry is away."""
        ...


class Selecting(Protocol):
    """What the router would choose; nothing is handed out by it."""

    async def explain(self, model: str, model_type: ModelType) -> router.SelectModelsResponse:
        """The candidates for a name: of a model, of an alias, or `auto`.

        Raises:
            OloError: There is no such model, or none answers now.
        """
        ...


class Inspecting(Protocol):
    """What a text model says of itself, asked of an instance that holds it."""

    async def count(self, order: ChatOrder) -> int:
        """Tokens of a conversation and its tools as the model of the order reads them.

        Raises:
            OloError: Nobody can say.
        """
        ...

    async def info(self, model: registry.Model) -> GetModelInfoResponse | None:
        """Family, quantisation, licence; None where no instance says so now."""
        ...


class Embedding(Protocol):
    """Vectors of texts."""

    async def embed(self, request: gateway.EmbedRequest) -> gateway.EmbedResponse:
        """One vector for each text."""
        ...

    async def rerank(self, request: gateway.RerankRequest) -> gateway.RerankResponse:
        """Documents by how well they answer a query.

        Raises:
            ModelNotFound: No instance has this reranker.
            NoReranker: No instance has any.
        """
        ...


class Tokenizing(Protocol):
    """Texts as models read them."""

    async def tokenize(self, request: gateway.TokenizeRequest) -> gateway.TokenizeResponse:
        """The tokens of a text or of a conversation."""
        ...

    async def detokenize(self, request: gateway.DetokenizeRequest) -> gateway.DetokenizeResponse:
        """The text of tokens."""
        ...
