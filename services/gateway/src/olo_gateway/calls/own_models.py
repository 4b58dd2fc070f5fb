"""The models of whoever calls: those that are kept for other tenants, or that their key may not name, are not there."""

from __future__ import annotations

from collections.abc import Sequence

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.registry.v1 import registry_service_pb2 as registry
from olo_gateway.access.caller import billed, caller
from olo_gateway.errors import ModelNotFound
from olo_gateway.ports import Embedding, Fleet, Tokenizing
from olo_gateway.runs.costs import tokens_in


class OwnFleet:
    """See `ports.Fleet`.

    Args:
        fleet: The whole catalogue.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def models(self) -> Sequence[registry.Model]:
        """See `ports.Fleet`."""
        return [
            model for model in await self._fleet.models() if caller().may_see(model.model_id, model.allowed_tenants)
        ]

    async def model(self, model_id: str) -> registry.Model:
        """See `ports.Fleet`."""
        found = await self._fleet.model(model_id)
        # Whoever may name an alias is told of the models behind it.
        if not caller().may_see(found.model_id, found.allowed_tenants) and not await self._behind_own_alias(model_id):
            raise ModelNotFound
        return found

    async def aliases(self) -> Sequence[registry.Alias]:
        """See `ports.Fleet`."""
        return [alias for alias in await self._fleet.aliases() if caller().may_name(alias.alias)]

    async def set_alias(self, alias: registry.Alias) -> None:
        """See `ports.Fleet`."""
        await self._fleet.set_alias(alias)

    async def delete_alias(self, alias: str) -> None:
        """See `ports.Fleet`."""
        await self._fleet.delete_alias(alias)

    async def measurements(self) -> Sequence[registry.Measurement]:
        """See `ports.Fleet`."""
        return await self._fleet.measurements()

    async def _behind_own_alias(self, model_id: str) -> bool:
        if not caller().models:
            return False
        return any(target.model_id == model_id for alias in await self.aliases() for target in alias.targets)


class OwnEmbedding:
    """See `ports.Embedding`. What is asked for is taken from the caller's allowance.

    Args:
        embedding: Of all models.
    """

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    async def embed(self, request: gateway.EmbedRequest) -> gateway.EmbedResponse:
        """See `ports.Embedding`."""
        caller().check_model(request.model)
        with billed(tokens_in(request.texts)) as bill:
            response = await self._embedding.embed(request)
            bill.settle(response.usage.prompt_tokens)
            return response

    async def rerank(self, request: gateway.RerankRequest) -> gateway.RerankResponse:
        """See `ports.Embedding`."""
        caller().check_model(request.model)
        with billed(tokens_in([request.query, *request.documents])):
            return await self._embedding.rerank(request)


class OwnTokenizing:
    """See `ports.Tokenizing`.

    Args:
        tokenizing: Of all models.
    """

    def __init__(self, tokenizing: Tokenizing) -> None:
        self._tokenizing = tokenizing

    async def tokenize(self, request: gateway.TokenizeRequest) -> gateway.TokenizeResponse:
        """See `ports.Tokenizing`."""
        caller().check_model(request.model)
        return await self._tokenizing.tokenize(request)

    async def detokenize(self, request: gateway.DetokenizeRequest) -> gateway.DetokenizeResponse:
        """See `ports.Tokenizing`."""
        caller().check_model(request.model)
        return await self._tokenizing.detokenize(request)
