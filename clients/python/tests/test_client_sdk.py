"""Both clients against a gateway in this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status

from olo.gateway.v1.gateway_service_pb2 import CancelRunRequest, ChatStreamResponse, RunStarted, TextDelta
from olo.gateway.v1.gateway_service_pb2_grpc import add_GatewayServiceServicer_to_server
from olo.gateway.v1.run_pb2 import REQUEST_PRIORITY_BATCH, RUN_STATE_CANCELLED
from olo_client import (
    AsyncOlo,
    ConflictError,
    ExhaustedError,
    InvalidRequestError,
    NotFoundError,
    Olo,
    OloError,
    TimeoutError,
    UnavailableError,
)
from olo_client.errors import error_from_rpc
from olo_testing.ports import free_port

from .conftest import FakeGateway

AWAY = (grpc.StatusCode.UNAVAILABLE, "dependency_unavailable", "the router is away", {})


@pytest.fixture
def olo(served: Any) -> Iterator[Olo]:
    with Olo(served.target, timeout=10) as client:
        yield client


@pytest.fixture
async def async_olo(served: Any) -> AsyncIterator[AsyncOlo]:
    async with AsyncOlo(served.target, timeout=10) as client:
        yield client


def events(*parts: str | tuple[Any, ...], final: str | None = None) -> list[Any]:
    out: list[Any] = [ChatStreamResponse(started=RunStarted(run_id="r"))]
    at = 0
    for part in parts:
        if isinstance(part, str):
            out.append(ChatStreamResponse(delta=TextDelta(text=part, offset=at)))
            at += len(part.encode())
        else:
            out.append(part)
    if final is not None:
        done = ChatStreamResponse()
        done.completed.message.content = final
        out.append(done)
    return out


async def test_chat_carries_every_option(served: Any, async_olo: AsyncOlo) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    answer = await async_olo.chat(
        messages,
        model="m",
        collection="demo",
        top_k=3,
        max_tokens=9,
        temperature=0.0,
        stop=["x"],
        timeout=7,
        store=True,
    )
    assert answer.message.content == "You said Hello"
    request = served.gateway.requests[0]
    assert re.fullmatch(r"[0-9a-f]{32}", request.request_id)
    assert (request.model, request.rag.collection, request.rag.top_k) == ("m", "demo", 3)
    assert (request.sampling.max_tokens, request.sampling.temperature, list(request.sampling.stop)) == (9, 0.0, ["x"])
    assert request.sampling.HasField("temperature")
    assert not request.sampling.HasField("top_p")
    assert request.timeout.seconds == 7
    assert request.store


def test_what_is_away_in_passing_is_tried_again_with_the_same_request_id(served: Any, olo: Olo) -> None:
    served.gateway.failures = [AWAY, AWAY]
    assert olo.chat("Hello").message.content == "You said Hello"
    assert len(served.gateway.requests) == 3
    assert len({request.request_id for request in served.gateway.requests}) == 1


def test_a_run_that_has_failed_for_good_is_not_asked_for_again(served: Any, olo: Olo) -> None:
    code, reason, message, more = AWAY
    served.gateway.failures = [(code, reason, message, {**more, "metadata": {"run_state": "failed"}})]
    with pytest.raises(UnavailableError) as caught:
        olo.chat("Hello")
    assert caught.value.run_failed
    assert len(served.gateway.requests) == 1


FAILED_RUN = (grpc.StatusCode.UNAVAILABLE, "no_model_available", "no model", {"metadata": {"run_state": "failed"}})


async def test_a_failed_run_is_followed_by_another_one_where_that_is_wanted(
    served: Any, olo: Olo, async_olo: AsyncOlo
) -> None:
    served.gateway.failures = [FAILED_RUN, AWAY, FAILED_RUN]
    assert olo.chat("Hello", retry=True, request_id="order-7").run_id == "order-7.3"
    ids = [request.request_id for request in served.gateway.requests]
    assert ids == ["order-7", "order-7.2", "order-7.2", "order-7.3"]
    served.gateway.failures = [FAILED_RUN]
    assert re.fullmatch(r"[0-9a-f]{32}", (await async_olo.chat("Hello", retry=True, request_id="x" * 128)).run_id)


def test_a_run_that_can_never_succeed_is_not_followed_by_another_one(served: Any, olo: Olo) -> None:
    served.gateway.failures = [
        (grpc.StatusCode.INTERNAL, "request_poisoned", "no", {"metadata": {"run_state": "failed"}})
    ]
    with pytest.raises(OloError):
        olo.chat("Hello", retry=True)
    assert len(served.gateway.requests) == 1


def test_who_is_refused_for_overload_comes_back_when_it_was_told_to(served: Any, olo: Olo) -> None:
    overloaded = (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded", "too many", {"retry_after": 0.3})
    served.gateway.failures = [overloaded]
    assert olo.chat("Hello", priority="batch").message.content == "You said Hello"
    assert [request.priority for request in served.gateway.requests] == [REQUEST_PRIORITY_BATCH] * 2
    served.gateway.failures = [overloaded]
    with pytest.raises(ExhaustedError):
        olo.chat("Hello", timeout=0.2)


OVERLOADED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "overloaded", "too many", {"retry_after": 0.01})


def test_a_request_is_new_until_a_try_may_have_been_accepted(served: Any, olo: Olo) -> None:
    served.gateway.failures = [OVERLOADED, OVERLOADED, AWAY, OVERLOADED]
    olo.chat("Hello")
    assert served.gateway.new == [True, True, True, False, False]
    served.gateway.new.clear()
    served.gateway.failures, served.gateway.streams = [OVERLOADED, AWAY], [events("hi", AWAY), events("hi", final="hi")]
    assert list(olo.chat_stream("Hello"))[-1].completed.message.content == "hi"
    assert served.gateway.new == [True, True, False, False]


async def test_a_request_is_new_to_the_asyncio_client_too(served: Any, async_olo: AsyncOlo) -> None:
    served.gateway.failures = [OVERLOADED, AWAY]
    await async_olo.chat("Hello")
    assert served.gateway.new == [True, True, False]
    served.gateway.new.clear()
    served.gateway.failures, served.gateway.streams = [OVERLOADED, AWAY], [events("hi", AWAY), events("hi", final="hi")]
    assert [event async for event in async_olo.chat_stream("Hello")][-1].completed.message.content == "hi"
    assert served.gateway.new == [True, True, False, False]


async def test_who_brings_an_id_may_have_used_it_before(served: Any, olo: Olo, async_olo: AsyncOlo) -> None:
    served.gateway.streams = [events(final="hi"), events(final="hi")]
    olo.chat("Hello", request_id="mine")
    await async_olo.chat("Hello", request_id="mine")
    assert [*olo.chat_stream("Hello", request_id="mine"), 1]
    assert [event async for event in async_olo.chat_stream("Hello", request_id="mine")]
    olo.runs.get("run-mine")
    assert served.gateway.new == [False] * 5


def test_a_word_that_is_no_priority_is_refused_here(olo: Olo) -> None:
    with pytest.raises(InvalidRequestError):
        olo.chat("Hello", priority="urgent")  # type: ignore[typeddict-item]


def test_with_two_addresses_the_other_gateway_answers_when_one_stops(served: Any) -> None:
    gateway = FakeGateway()
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_GatewayServiceServicer_to_server(gateway, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with Olo(f"ipv4:127.0.0.1:{port},{served.target}", timeout=10) as olo:
            olo.chat("first")
            stopping = (grpc.StatusCode.UNAVAILABLE, "gateway_stopping", "stopping", {"retry_after": 0.1})
            gateway.failures = [stopping] * 100
            stopped = server.stop(5)
            olo.chat("second")
            stopped.wait()
    assert len(gateway.requests) >= 1
    assert [request.messages[0].content for request in served.gateway.requests] == ["second"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (grpc.StatusCode.NOT_FOUND, NotFoundError),
        (grpc.StatusCode.ALREADY_EXISTS, ConflictError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ExhaustedError),
        (grpc.StatusCode.UNAVAILABLE, UnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TimeoutError),
        (grpc.StatusCode.INTERNAL, OloError),
    ],
)
async def test_each_status_is_an_error_with_its_details(
    served: Any, olo: Olo, async_olo: AsyncOlo, code: grpc.StatusCode, kind: type[OloError]
) -> None:
    more = {"field": "messages", "retry_after": 1.5, "metadata": {"model": "m"}}
    served.gateway.failures = [(code, "some_reason", "no luck", more)] * 2
    with pytest.raises(kind) as blocking:
        olo.chat("Hello")
    with pytest.raises(kind) as waiting:
        await async_olo.chat("Hello")
    for caught in (blocking.value, waiting.value):
        assert type(caught) is kind
        assert (caught.code, caught.reason, caught.message) == (code.name, "some_reason", "no luck")
        assert (caught.field, caught.retry_after, caught.metadata) == ("messages", 1.5, {"model": "m"})
    assert len(served.gateway.requests) == 2, "a lasting failure is not tried again"


def test_a_gateway_that_is_not_there_is_named() -> None:
    target = f"127.0.0.1:{free_port()}"
    with Olo(target, attempts=1) as olo, pytest.raises(UnavailableError, match=f"no gateway answers at {target}"):
        olo.chat("Hello")


async def test_a_stream_that_breaks_goes_on_where_it_was(served: Any, olo: Olo, async_olo: AsyncOlo) -> None:
    rest = events("one ", "two", final="one two")
    del rest[1]
    served.gateway.streams = [events("one ", AWAY), rest] * 2
    blocking = list(olo.chat_stream("Hello"))
    waiting = [event async for event in async_olo.chat_stream("Hello")]
    for seen in (blocking, waiting):
        assert [event.WhichOneof("event") for event in seen] == ["started", "delta", "delta", "completed"]
        assert "".join(event.delta.text for event in seen) == "one two"
    first, second, *_ = served.gateway.requests
    assert (first.HasField("request"), second.HasField("request"), second.run_id) == (True, False, "r")
    assert (first.HasField("resume_offset"), second.resume_offset) == (False, 4)


async def test_whoever_leaves_a_stream_early_cancels_the_run_unless_it_is_kept(
    served: Any, olo: Olo, async_olo: AsyncOlo
) -> None:
    cases: list[tuple[Any, bool]] = [({}, True), ({"store": True}, False), ({"request_id": "mine"}, False)]
    for options, cancelled in cases:
        served.gateway.streams = [events("one ", "two", final="one two")] * 2
        served.gateway.requests.clear()
        blocking = olo.chat_stream("Hello", **options)
        next(blocking)
        blocking.close()  # type: ignore[attr-defined]  # it is a generator
        waiting = async_olo.chat_stream("Hello", **options)
        await anext(waiting)
        await waiting.aclose()  # type: ignore[attr-defined]  # it is a generator
        asked = [request.run_id for request in served.gateway.requests if isinstance(request, CancelRunRequest)]
        assert asked == (["r", "r"] if cancelled else [])


def test_a_run_is_followed_by_its_id(served: Any, olo: Olo) -> None:
    served.gateway.streams = [events("one ", "two", final="one two")]
    text = "".join(event.delta.text for event in olo.follow("r"))
    assert text == "one two"
    assert served.gateway.requests[0].run_id == "r"


def test_a_stream_without_an_end_is_an_error(served: Any) -> None:
    served.gateway.streams = [events("one ")]
    with Olo(served.target, attempts=1) as olo, pytest.raises(UnavailableError, match="before the answer was complete"):
        list(olo.chat_stream("Hello"))


async def test_lists_walk_over_all_pages_up_to_the_limit(olo: Olo, async_olo: AsyncOlo) -> None:
    assert [run.run_id for run in olo.runs.list()] == [f"run-{n}" for n in range(6)]
    assert [run.run_id async for run in async_olo.runs.list(limit=3)] == ["run-0", "run-1", "run-2"]


async def test_runs_models_and_vectors(olo: Olo, async_olo: AsyncOlo) -> None:
    assert olo.runs.get("r").response.message.content == "42"
    assert (await async_olo.runs.cancel("r")).state == RUN_STATE_CANCELLED
    assert [model.model_id for model in olo.models.list("embedding")] == ["minilm"]
    embeddings = await async_olo.embed(["a", "abc"])
    assert (embeddings.model, embeddings.vectors, embeddings.prompt_tokens) == ("minilm", [[1.0, 0.5], [3.0, 0.5]], 7)


def test_collections_and_documents(served: Any, olo: Olo) -> None:
    assert olo.collections.create("demo").embedding_model_id == "minilm"
    with pytest.raises(ConflictError):
        olo.collections.create("demo")
    olo.collections.create("small", strategy="parent_child", max_tokens=64, overlap_tokens=8)
    chunking = served.gateway.requests[-1].chunking
    assert (chunking.strategy, chunking.max_tokens, chunking.overlap_tokens) == (2, 64, 8)
    with pytest.raises(InvalidRequestError, match="parent_child or fixed"):
        olo.collections.create("other", strategy="by mood")
    olo.collections.delete("small")
    assert [collection.name for collection in olo.collections.list()] == ["demo"]
    document = olo.documents.ingest("demo", "text", document_id="d", source="d.md")
    assert olo.documents.get("demo", document.document_id).chunk_count == 3
    assert [found.document_id for found in olo.documents.list("demo")] == ["d"]
    assert olo.search("demo", "when?", top_k=2)[0].score == 0.75
    assert not served.gateway.requests[-1].HasField("min_score")
    olo.documents.delete("demo", "d")
    olo.collections.delete("demo")
    with pytest.raises(NotFoundError):
        olo.collections.delete("demo")


def test_what_is_not_safe_to_repeat_is_not_repeated(served: Any, olo: Olo) -> None:
    served.gateway.failures = [AWAY]
    with pytest.raises(UnavailableError):
        olo.collections.create("demo")
    assert len(served.gateway.requests) == 1


@pytest.mark.parametrize(
    ("messages", "options", "field"),
    [([{"role": "wizard", "content": "x"}], {}, "messages.role"), ("x", {"max_tokens": -1}, None)],
)
def test_values_that_no_request_can_carry_are_invalid(olo: Olo, messages: Any, options: Any, field: str | None) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        olo.chat(messages, **options)
    assert caught.value.field == field


def test_pauses_grow_but_not_for_ever() -> None:
    from olo_client.errors import UnavailableError
    from olo_client.retries import Retries

    away = UnavailableError("UNAVAILABLE", "dependency_unavailable", "away")
    retries = Retries(attempts=30, timeout=600.0, clock=lambda: 0.0)
    pauses = [retries.pause_after(away) for _ in range(12)]
    assert pauses[0] < 0.3
    assert 2.0 < pauses[-1] < 4.0


@pytest.mark.parametrize("details", [Status(code=3, message="a: b").SerializeToString(), b"\xff\xff"])
def test_the_details_of_another_end_than_that_of_the_call_are_no_crash(details: bytes) -> None:
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", details))
    cut = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), trailers, details="too large")
    error = error_from_rpc(cut, "there:1")
    assert (error.reason, error.message) == ("resource_exhausted", "too large")
