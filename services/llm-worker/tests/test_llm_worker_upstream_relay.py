"""The relay over an engine that does as it is told; events and characters however they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import ErrorCode, OloError
from olo_llm_worker.upstream.adapters.sse import Event, SseParser
from olo_llm_worker.upstream.relay.desk import Desk
from olo_llm_worker.upstream.relay.engine import EngineFacts
from olo_llm_worker.upstream.relay.estimate import estimate_prompt, least_tokens
from olo_llm_worker.upstream.relay.surrogates import SurrogateJoiner
from olo_llm_worker.upstream.relay.types import (
    Call,
    Delta,
    Finish,
    Finished,
    Options,
    TextRequest,
    Tool,
    ToolChoice,
    Turn,
    Usage,
)
from olo_testing.waiting import until

FACTS = EngineFacts("m", "fake", 100, frozenset({"temperature", "stop"}), json_object=False, json_schema=False)


class FakeText:
    """Gives its events; before each it waits for the gate, if there is one."""

    def __init__(self, *events: Delta | Finished | Exception, gate: asyncio.Semaphore | None = None) -> None:
        self.facts = FACTS
        self.events = events
        self.gate = gate
        self.asked: list[TextRequest] = []
        self.ended = 0

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta | Finished, None]:
        self.asked.append(request)
        try:
            for event in self.events:
                if self.gate is not None:
                    await self.gate.acquire()
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.ended += 1

    def count_tokens(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
        return estimate_prompt(turns, tools)

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


OK = (Delta("Grü"), Delta("ße."), Finished(Finish.STOP, Usage(3, 2)))
MakeDesk = Callable[..., Desk]


@pytest_asyncio.fixture
async def make() -> AsyncIterator[MakeDesk]:
    async with AsyncExitStack() as stack:

        def desk(engine: Any, *, max_concurrency: int = 1, max_queue: int = 1) -> Desk:
            made = Desk(engine, max_concurrency=max_concurrency, max_queue=max_queue, max_tokens_default=50)
            stack.push_async_callback(made.close)
            return made

        yield desk


def request(text: str = "hi", **fields: Any) -> TextRequest:
    return TextRequest(fields.pop("request_id", "r"), (Turn("user", text),), **fields)


async def refused(desk: Desk, wanted: TextRequest) -> OloError:
    with pytest.raises(OloError) as error:
        async with desk.answer(wanted) as answer:
            await answer.result()
    return error.value


async def test_chunks_are_contiguous_and_end_with_the_result(make: MakeDesk) -> None:
    engine = FakeText(*OK)
    async with make(engine).answer(request()) as answer:
        chunks = [chunk async for chunk in answer.chunks()]
    offset = 0
    for seq, chunk in enumerate(chunks):
        assert (chunk.seq, chunk.offset) == (seq, offset)
        offset += len(chunk.text.encode())
    result = chunks[-1].result
    assert result is not None
    assert "".join(chunk.text for chunk in chunks) == result.text == "Grüße."
    assert (result.finish, result.usage) == (Finish.STOP, Usage(3, 2))
    assert engine.asked[0].options.max_tokens == 50


async def test_usage_is_estimated_where_nobody_tells_it(make: MakeDesk) -> None:
    async with make(FakeText(Delta("x" * 40), Finished(Finish.STOP, None))).answer(request("y" * 80)) as answer:
        assert (await answer.result()).usage == Usage(24, 10)


async def test_the_longest_answer_never_passes_the_context(make: MakeDesk) -> None:
    engine = FakeText(*OK)
    async with make(engine).answer(request(options=Options(max_tokens=10_000))) as answer:
        await answer.result()
    assert engine.asked[0].options.max_tokens == FACTS.context_limit


async def test_calls_of_tools_are_an_answer_and_nothing_is_none(make: MakeDesk) -> None:
    call = Call("a", "f", "{}")
    async with make(FakeText(Finished(Finish.TOOL_CALLS, None, (call,)))).answer(request()) as answer:
        assert (await answer.result()).calls == (call,)
    assert (await refused(make(FakeText(Finished(Finish.STOP, None))), request())).reason == "empty_output"
    assert (await refused(make(FakeText(Delta("x"))), request())).reason == "upstream_broken"


async def test_a_full_desk_refuses_and_who_waits_comes_next(make: MakeDesk) -> None:
    gate = asyncio.Semaphore(0)
    engine = FakeText(*OK, gate=gate)
    desk = make(engine)
    async with desk.answer(request(request_id="1")) as first, desk.answer(request(request_id="2")) as second:
        await until(lambda: desk.running == 1)
        assert (desk.waiting, second.waiting) == (1, True)
        error = await refused(desk, request())
        assert (error.code, error.reason, error.retry_after) == (ErrorCode.RESOURCE_EXHAUSTED, "queue_full", 1.0)
        for _ in range(6):
            gate.release()
        assert (await first.result()).text == (await second.result()).text == "Grüße."
    assert [asked.request_id for asked in engine.asked] == ["1", "2"]
    assert (desk.running, desk.waiting) == (0, 0)


async def test_leaving_abort_and_deadline_end_the_request_at_the_upstream(make: MakeDesk) -> None:
    engine = FakeText(*OK, gate=asyncio.Semaphore(0))
    desk = make(engine)
    async with desk.answer(request()):
        await until(lambda: len(engine.asked) == 1)
    assert engine.ended == 1
    async with desk.answer(request(request_id="x")) as answer:
        await until(lambda: len(engine.asked) == 2)
        assert desk.abort("x")
        with pytest.raises(OloError) as error:
            await answer.result()
    assert (error.value.reason, engine.ended, desk.abort("x")) == ("aborted", 2, False)
    assert (await refused(desk, request(timeout=0.01))).code is ErrorCode.DEADLINE_EXCEEDED
    assert engine.ended == 3


@pytest.mark.parametrize("begun", [False, True])
async def test_a_desk_that_closes_ends_what_runs(make: MakeDesk, begun: bool) -> None:
    engine = FakeText(*OK, gate=asyncio.Semaphore(0))
    desk = make(engine)
    async with desk.answer(request()) as answer:
        if begun:
            await until(lambda: bool(engine.asked))
        await desk.close()
        with pytest.raises(OloError) as error:
            await answer.result()
    assert error.value.reason == "worker_stopping"
    assert (await refused(desk, request())).reason == "worker_stopping"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"options": Options(max_tokens=0)}, "sampling.max_tokens"),
        ({"options": Options(temperature=float("nan"))}, "sampling.temperature"),
        ({"options": Options(temperature=2.5)}, "sampling.temperature"),
        ({"options": Options(top_p=0.0)}, "sampling.top_p"),
        ({"options": Options(frequency_penalty=3.0)}, "sampling.frequency_penalty"),
        ({"options": Options(top_k=4)}, "sampling.top_k"),
        ({"options": Options(seed=1)}, "sampling.seed"),
        ({"options": Options(logprobs=True)}, "sampling.logprobs"),
        ({"options": Options(logprobs=True, top_logprobs=21)}, "sampling.top_logprobs"),
        ({"options": Options(top_logprobs=1)}, "sampling.top_logprobs"),
        ({"options": Options(logit_bias=((1, 101.0),))}, "sampling.logit_bias"),
        ({"options": Options(logit_bias=((1, 1.0),))}, "sampling.logit_bias"),
        ({"options": Options(stop=("x",) * 17)}, "sampling.stop"),
        ({"options": Options(stop=("ok", ""))}, "sampling.stop[1]"),
        ({"options": Options(stop=("x" * 257,))}, "sampling.stop[0]"),
        ({"json_object": True}, "response_format"),
        ({"schema": {}}, "response_format"),
        ({"tools": (Tool("f", "", {}),) * 129}, "tools"),
        ({"tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"tools": (Tool("f", "", {}),), "tool_choice": ToolChoice("required", "g")}, "tool_choice.name"),
    ],
)
async def test_what_the_engine_would_not_obey_is_refused_by_name(
    make: MakeDesk, fields: dict[str, Any], field: str
) -> None:
    engine = FakeText(*OK)
    error = await refused(make(engine), request(**fields))
    assert (error.code, error.field, engine.asked) == (ErrorCode.INVALID_ARGUMENT, field, [])


async def test_a_prompt_that_cannot_fit_is_never_sent(make: MakeDesk) -> None:
    engine = FakeText(*OK)
    error = await refused(make(engine), request("x" * 1600))
    assert (error.reason, engine.asked) == ("context_too_long", [])
    assert (await refused(make(engine), TextRequest("r", ()))).reason == "messages_missing"


@given(text=st.text(max_size=200))
def test_the_least_is_never_more_than_the_estimate(text: str) -> None:
    turns = [Turn("user", text)]
    assert least_tokens(turns, []) <= estimate_prompt(turns, [])


@given(data=st.data(), text=st.text(alphabet=st.sampled_from("a🙂é😀\n"), max_size=30))
def test_characters_are_whole_however_they_are_cut(data: st.DataObject, text: str) -> None:
    units = text.encode("utf-16-le")
    halves = [units[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2)]
    joiner, given_out = SurrogateJoiner(), []
    while halves:
        size = data.draw(st.integers(1, len(halves)))
        given_out.append(joiner.feed("".join(halves[:size])))
        halves = halves[size:]
    given_out.append(joiner.flush())
    assert "".join(given_out) == text
    assert all(piece.encode() is not None for piece in given_out)


def test_half_a_character_shows_as_one_that_is_not_known() -> None:
    joiner = SurrogateJoiner()
    assert (joiner.feed("a\udc00b\ud800"), joiner.feed("c"), joiner.feed("\ud83d")) == ("a\ufffdb", "\ufffdc", "")
    assert joiner.flush() == "\ufffd"


LINES = st.text(alphabet="ab: é", max_size=8)


@given(
    events=st.lists(st.tuples(st.sampled_from(["", "ping", "x"]), st.lists(LINES, min_size=1, max_size=3)), max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    data=st.data(),
)
def test_events_are_the_same_however_the_bytes_are_cut(
    events: list[tuple[str, list[str]]], end: str, data: st.DataObject
) -> None:
    wire = ""
    for name, lines in events:
        named = [f"event: {name}"] if name else []
        wire += end.join([": comment", *named, *(f"data: {line}" for line in lines), "", ""])
    rest, parser, found = wire.encode(), SseParser(), []
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += parser.feed(rest[:size])
        rest = rest[size:]
    assert found == [Event(name, "\n".join(lines)) for name, lines in events]
