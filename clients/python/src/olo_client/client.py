"""The blocking client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self, Unpack

from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest, ChatStreamResponse, EmbedRequest
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.retrieval.v1.retrieval_service_pb2 import Passage
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo_client.benchmarks import Benchmarks
from olo_client.calls import Calls
from olo_client.connection import DEFAULT_TARGET, Patience
from olo_client.files import Batches, Files
from olo_client.migrations import Migrations
from olo_client.requests import ChatOptions, Messages, chat_request, runs_after, time_for
from olo_client.resources import Collections, Documents, Models, Runs
from olo_client.routing import Routing
from olo_client.searches import SearchOptions, search_request
from olo_client.settings import usual_api_key
from olo_client.sources import Sources
from olo_client.tls import Tls
from olo_client.vectors import Embeddings, embeddings_from


class Olo:
    """A client of one gateway. Connects when it is first used; close it, or use it as a context manager.

    Every call may raise an `olo_client.OloError`. What failed with UNAVAILABLE in passing is tried again where that is
    safe; a chat always is, since its request id makes it run once.

    Args:
        target: Host and port of the gateway.
        timeout: Seconds for a call, its retries included, unless the call says otherwise.
        attempts: Tries of a call; 1 turns retries off.
        tls: How the gateway is known, and what is shown to it. True: by public authorities; False: no TLS; None: what
            the variables OLO_TLS_* say.
        api_key: The key, where the gateway asks for one. None: that of OLO_API_KEY, or in the file OLO_API_KEY_FILE.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float = 60.0,
        attempts: int = 6,
        tls: Tls | bool | None = None,
        api_key: str | None = None,
    ) -> None:
        key = usual_api_key() if api_key is None else api_key
        self._calls = Calls(target, Patience(timeout, attempts), tls, key)
        self._gateway = GatewayServiceStub(self._calls.channel)
        self._retrieval = RetrievalServiceStub(self._calls.channel)
        self.runs = Runs(self._calls)
        self.models = Models(self._calls)
        self.benchmarks = Benchmarks(self._calls)
        self.routing = Routing(self._calls)
        self.collections = Collections(self._calls)
        self.documents = Documents(self._calls)
        self.sources = Sources(self._calls)
        self.files = Files(self._calls)
        self.batches = Batches(self._calls)
        self.migrations = Migrations(self._calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._calls.channel.close()

    def chat(
        self, messages: Messages, *, timeout: float | None = None, retry: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatResponse:
        """Runs a request and waits for its answer.

        Args:
            messages: What is asked.
            timeout: Seconds for everything.
            retry: Whether a run that has failed for a reason that may pass is followed by another one, whose request id
                is that of the first and a number. The same id alone always gives the same failed run.
            options: How it is to be answered.
        """
        timeout = time_for(options, timeout, self._calls.timeout)
        request = chat_request(messages, options, timeout)
        next_run = runs_after(request).__next__ if retry else None
        return self._calls.call(
            self._gateway.Chat, request, timeout=timeout, next_run=next_run, new=not options.get("request_id")
        )

    def chat_stream(
        self, messages: Messages, *, timeout: float | None = None, **options: Unpack[ChatOptions]
    ) -> Iterator[ChatStreamResponse]:
        """Runs a request and gives its events: `started`, `delta`s (after a `reset` they begin anew), `completed`.

        With `wait_for_model`, `progress` events before the first text say what the run is busy with.
        Where the gateway is lost, another one goes on with the next character. Whoever leaves the stream early cancels
        the run, unless `store` was asked for or a `request_id` given.
        """
        timeout = time_for(options, timeout, self._calls.timeout)
        request = ChatStreamRequest(request=chat_request(messages, options, timeout))
        kept = options.get("store") or options.get("request_id")
        cancel = None if kept else self._gateway.CancelRun
        return self._calls.chat_stream(
            self._gateway.ChatStream, request, timeout=timeout, cancel=cancel, new=not options.get("request_id")
        )

    def follow(
        self, run_id: str, *, resume_offset: int = 0, timeout: float | None = None
    ) -> Iterator[ChatStreamResponse]:
        """Gives the events of a run, running or ended: its answer, from this many UTF-8 bytes on."""
        request = ChatStreamRequest(run_id=run_id, resume_offset=resume_offset)
        return self._calls.chat_stream(self._gateway.ChatStream, request, timeout=timeout)

    def embed(self, texts: Sequence[str], *, model: str = "auto") -> Embeddings:
        """One vector for each text."""
        return embeddings_from(self._calls.call(self._gateway.Embed, EmbedRequest(model=model, texts=texts)))

    def search(self, collection: str, query: str, **options: Unpack[SearchOptions]) -> Sequence[Passage]:
        """The passages that fit the query, best first."""
        request = search_request(collection, query, options)
        return (self._calls.call(self._retrieval.Search, request)).passages
