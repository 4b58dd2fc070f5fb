"""What the gateway needs of the world, in its own words. Failures are `OloError`s."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from olo.common.v1.common_pb2 import ModelType
from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run, RunProgress, ShadowRequest
from olo.inference.v1.inference_service_pb2 import GetModelInfoResponse
from olo.registry.v1 import registry_service_pb2 as registry
from olo.registry.v1.benchmark_service_pb2 import BenchmarkSource
from olo.router.v1 import router_service_pb2 as router
from olo_gateway.runs.order import ChatOrder
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

    async def exists(self, run_id: str) -> bool:
        """Whether there is such a run, ended or not.

        Raises:
            Unavailable: Nobody can say.
        """
        ...

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

    async def trace(self, run_id: str) -> gateway.TraceRunResponse:
        """Where the time of a run went.

        Raises:
            RunNotFound: There is no such run.
            Unavailable: Nobody can say.
        """
        ...

    async def delete(self, run_id: str) -> None:
        """Forgets a run; one that runs is ended. Returns once nobody can see it any more.

        Raises:
            RunNotFound: There is no such run.
            Unavailable: Nobody can say whether it is forgotten.
        """

    async def list(self, page_size: int, page_token: str) -> tuple[list[Run], str]:
        """Runs of the caller's tenant, newest first, and the token of the next page."""
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


class Fleet(Protocol):
    """The catalogue as operators see it: models with their instances, aliases, what was measured."""

    async def models(self) -> Sequence[registry.Model]:
        """All models, in the order of their ids."""
        ...

    async def model(self, model_id: str) -> registry.Model:
        """One model.

        Raises:
            OloError: `model_not_found`, or the registry is away.
        """
        ...

    async def aliases(self) -> Sequence[registry.Alias]:
        """All aliases, in the order of their names."""
        ...

    async def set_alias(self, alias: registry.Alias) -> None:
        """Makes or replaces an alias."""
        ...

    async def delete_alias(self, alias: str) -> None:
        """Ends an alias."""
        ...

    async def measurements(self) -> Sequence[registry.Measurement]:
        """What routers have measured, the newest first."""
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


@dataclass(frozen=True, slots=True)
class Backlog:
    """The tasks that wait in a queue of Temporal."""

    waiting: int
    """About how many."""
    oldest: float
    """Seconds that the oldest has waited."""
    added: float
    """Tasks per second that came in, of late."""
    dispatched: float
    """Tasks per second that were taken, of late."""
    pollers: int
    """Processes that ask for tasks."""


class Backlogs(Protocol):
    """The task queues."""

    async def of(self, queues: Sequence[str]) -> Mapping[str, Backlog | None]:
        """The backlog of each queue; None where it cannot be told now."""
        ...


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """Which lines of the logs are wanted.

    Attributes:
        service: Of one service; empty: of all.
        level: Of this level and above; empty: of all.
        run_id: Of one run, the calls that it has made to other services included; empty: of all.
        limit: How many at most.
    """

    service: str = ""
    level: str = ""
    run_id: str = ""
    limit: int = 200


class RecentLogs(Protocol):
    """The last lines of all services, as far as they were told."""

    def lines(self, question: LogQuestion) -> Sequence[Mapping[str, str | int | float | bool | None]]:
        """The newest lines that fit, oldest first."""
        ...

    @property
    def services(self) -> Sequence[str]:
        """Whose lines there are."""
        ...

    @property
    def dropped(self) -> int:
        """Lines that were not told, because there were too many at once."""
        ...
