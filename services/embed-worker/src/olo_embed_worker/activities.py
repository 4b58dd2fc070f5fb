"""The Temporal face: the `embed` activity."""

from __future__ import annotations

from temporalio import activity

from olo.embedding.v1.embedding_service_pb2 import EmbedRequest, EmbedResponse
from olo_common.errors import OloError
from olo_common.temporal import to_application_error
from olo_contracts.queues import EMBED_ACTIVITY
from olo_embed_worker.embedding import Embedding


class EmbedActivities:
    """Translates and calls inward."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    @activity.defn(name=EMBED_ACTIVITY)
    async def embed(self, request: EmbedRequest) -> EmbedResponse:
        """One vector for each text; fails with the reasons of `Embed`."""
        try:
            return await self._embedding.embed(request)
        except OloError as error:
            raise to_application_error(error) from error
