"""What runs durably, and what is heard of it meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, TypeAlias

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.batch_service_pb2 import Batch, BatchWork
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run, RunProgress, ShadowRequest
from olo_gateway.streaming.events import Chunk

RUN_STATE: Final = "run_state"
"""The fact of an error that its run has ended, and how. Without it nobody could say."""

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


class BatchRuns(Protocol):
    """Batches that run durably."""

    async def start(self, work: BatchWork) -> bool:
        """Returns once the batch is certain to run, or to have run; False where it was there before.

        Raises:
            Unavailable: Nobody can say.
        """
        ...

    async def ended(self, batch_id: str) -> bool:
        """Whether a batch has ended, well or not.

        Raises:
            BatchNotFound: It was never started, or is forgotten.
            Unavailable: Nobody can say.
        """
        ...

    async def so_far(self, batch_id: str) -> Batch | None:
        """What a running batch tells of itself; None where it cannot now."""
        ...

    async def outcome(self, batch_id: str) -> Batch | None:
        """The batch as it has ended; None where it has not, or not well, or nobody can say."""
        ...

    async def signal(self, batch_id: str, signal: str) -> None:
        """Tells a batch something.

        Raises:
            BatchEnded: It has ended.
            Unavailable: It cannot be told now.
        """
