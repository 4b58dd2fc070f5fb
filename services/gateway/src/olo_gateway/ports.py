"""What the gateway needs of the world, in its own words. Failures are `OloError`s."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from olo.common.v1.common_pb2 import ModelType
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run, RunProgress, ShadowRequest
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1 import router_service_pb2 as router
from olo_gateway.streaming.events import Chunk

Hear: TypeAlias = Callable[[Chunk], None]
"""Takes a chunk, at once."""


class Runs(Protocol):
    """Durable runs."""

    async def start(self, run_id: str, request: ChatRequest, fingerprint: str) -> None:
        """Returns once the run is certain to run, or to have run.

        Raises:
            RequestIdConflict: A run of another request has this id.
            Unavailable: Nobody can say whether it will run.
        """

    async def result(self, run_id: str, timeout: float) -> ChatResponse:
        """Waits for the answer.

        Raises:
            OloError: Why the run has failed.
            DeadlineExceeded: It has not ended in time.
        """
        ...

    async def cancel(self, run_id: str) -> Run:
        """Asks a run to stop; one that has ended is left as it is."""
        ...

    async def get(self, run_id: str) -> Run:
        """One run, with its answer or its error, and what it has done so far."""
        ...

    async def progress(self, run_id: str) -> RunProgress:
        """What a run is busy with; empty where it has ended, or nobody can say."""
        ...

    async def request(self, run_id: str) -> ChatRequest:
        """What a run was asked.

        Raises:
            RunNotFound: There is no such run.
        """
        ...

    async def delete(self, run_id: str) -> None:
        """Forgets a run; one that runs is ended. Returns once nobody can see it any more.

        Raises:
            RunNotFound: There is no such run.
            Unavailable: Nobody can say whether it is forgotten.
        """

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        """Runs, newest first, and the token of the next page."""
        ...


class ParkedRuns(Protocol):
    """The runs that wait for a model and want to be told of one."""

    def add(self, run_id: str) -> None:
        """Tells the run once, as soon as an instance announces itself."""
        ...

    def discard(self, run_id: str) -> None:
        """The run waits no longer."""
        ...


class Shadows(Protocol):
    """Other models that answer what a run was asked, to compare."""

    def mirror(self, request: ShadowRequest) -> None:
        """Has a shadow answer once the run was answered; returns at once, and may come to nothing."""
        ...


class TokenStreams(Protocol):
    """Chunks of runs, as models generate them. They may be lost."""

    def listen(self, run_id: str, hear: Hear) -> AbstractAsyncContextManager[None]:
        """Hears the chunks of a run while entered."""
        ...

    def history(self, run_id: str) -> AsyncGenerator[Chunk, None]:
        """Earlier chunks of a run, as far as they are known still."""
        ...


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
