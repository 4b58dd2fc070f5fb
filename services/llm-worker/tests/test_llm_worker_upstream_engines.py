"""Both protocols against a server on a real socket: what is sent, what comes back, and every way to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio
import upstream_stub as stubs

from olo_common.errors import ErrorCode, OloError
from olo_llm_worker.upstream.adapters.anthropic import AnthropicEngine
from olo_llm_worker.upstream.adapters.http import Upstream
from olo_llm_worker.upstream.adapters.openai import OpenAIEngine
from olo_llm_worker.upstream.relay.types import (
    Call,
    Delta,
    Finish,
    Finished,
    Logprob,
    Options,
    TextRequest,
    Tool,
    ToolChoice,
    Turn,
    Usage,
)
from olo_testing.ports import free_port

Reply, chunk, openai_events, anthropic_events = stubs.Reply, stubs.chunk, stubs.openai_events, stubs.anthropic_events

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEY = "sk-not-to-be-shown"
HELLO = TextRequest("r", (Turn("system", "Be brief."), Turn("user", "Hi")), Options(max_tokens=20))
WEATHER = Tool("weather", "Of a place", {"type": "object", "properties": {"place": {"type": "string"}}})
TOOLED = TextRequest(
    "r",
    (
        Turn("user", "And in Oslo?"),
        Turn("assistant", "", calls=(Call("c1", "weather", '{"place": "Rome"}'),)),
        Turn("tool", "Sunny", call_id="c1"),
    ),
    Options(max_tokens=20),
    tools=(WEATHER,),
    tool_choice=ToolChoice("required", "weather"),
)


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Any]:
    async with stubs.stub_server() as running:
        yield running


def upstream(url: str, *, idle: float = 5.0, **headers: str) -> Upstream:
    return Upstream(url, headers, idle_seconds=idle, context_limit=1000)


@pytest_asyncio.fixture
async def openai(stub: Any) -> AsyncIterator[OpenAIEngine]:
    there = upstream(f"{stub.url}/v1", authorization=f"Bearer {KEY}")
    engine = OpenAIEngine(there, model="m", context_limit=1000)
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def anthropic(stub: Any) -> AsyncIterator[AnthropicEngine]:
    engine = AnthropicEngine(upstream(stub.url, **{"x-api-key": KEY}), model="m", context_limit=1000)
    yield engine
    await engine.close()


async def heard(engine: Any, request: TextRequest = HELLO) -> list[Any]:
    return [event async for event in engine.generate(request)]


async def failed(engine: Any, request: TextRequest = HELLO) -> OloError:
    with pytest.raises(OloError) as error:
        await heard(engine, request)
    assert KEY not in str(error.value)
    return error.value


# What is sent, and what comes back


async def test_openai_streams_text_and_usage(stub: Any, openai: OpenAIEngine) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    chunks = [chunk(role="assistant", content=""), chunk("Hel"), chunk("lo."), chunk(finish="stop"), chunk(usage=usage)]
    stub.replies[CHAT] = Reply([b": keep-alive\n\n", *openai_events(*chunks, "[DONE]")])
    assert await heard(openai) == [Delta("Hel"), Delta("lo."), Finished(Finish.STOP, Usage(12, 3))]
    (asked,) = stub.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 20,
    }


async def test_openai_takes_every_option_it_has(stub: Any) -> None:
    engine = OpenAIEngine(
        upstream(f"{stub.url}/v1"),
        model="m",
        context_limit=9,
        extensions=True,
        max_tokens_field="max_completion_tokens",
    )
    stub.replies[CHAT] = Reply(openai_events(chunk("x", finish="length")))
    options = Options(
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        repetition_penalty=1.1,
        seed=7,
        stop=("\n",),
        min_tokens=1,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        logprobs=True,
    )
    schema = {"type": "object"}
    assert await heard(engine, TextRequest("r", (Turn("user", "Hi", name="ann"),), options, schema=schema))
    sent = stub.asked[0].body
    for name in ("temperature", "top_p", "top_k", "repetition_penalty", "seed", "min_tokens", "presence_penalty"):
        assert sent[name] == getattr(options, name)
    assert (sent["max_completion_tokens"], sent["stop"], sent["logprobs"]) == (5, ["\n"], True)
    assert "max_tokens" not in sent
    assert sent["messages"] == [{"role": "user", "content": "Hi", "name": "ann"}]
    assert sent["response_format"]["json_schema"]["schema"] == schema
    await engine.close()


async def test_openai_calls_tools(stub: Any, openai: OpenAIEngine) -> None:
    def call(index: int, arguments: str, **named: Any) -> dict[str, Any]:
        name = {"name": named.pop("name")} if "name" in named else {}
        return {"index": index, "function": name | {"arguments": arguments}} | named

    stub.replies[CHAT] = Reply(
        openai_events(
            chunk(tool_calls=[call(0, "", id="a", type="function", name="weather")]),
            chunk(tool_calls=[call(0, '{"place":')]),
            chunk(tool_calls=[call(0, ' "Oslo"}'), call(1, "", id="b", type="function", name="weather")]),
            chunk(finish="tool_calls"),
            "[DONE]",
        )
    )
    calls = (Call("a", "weather", '{"place": "Oslo"}'), Call("b", "weather", "{}"))
    assert await heard(openai, TOOLED) == [Finished(Finish.TOOL_CALLS, None, calls)]
    sent = stub.asked[0].body
    assert sent["messages"][1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Rome"}'}}
    ]
    assert sent["messages"][2] == {"role": "tool", "content": "Sunny", "tool_call_id": "c1"}
    assert sent["tools"][0]["function"]["parameters"] == WEATHER.parameters
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_openai_gives_log_probabilities(stub: Any, openai: OpenAIEngine) -> None:
    one = chunk("Hi", finish="stop")
    one["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105]}]}
    stub.replies[CHAT] = Reply(openai_events(one, "[DONE]"))
    assert (await heard(openai))[0] == Delta("Hi", (Logprob("Hi", -0.25),))


async def test_anthropic_streams_text_and_usage(stub: Any, anthropic: AnthropicEngine) -> None:
    events = [stubs.message_start(), {"type": "ping"}, *stubs.text_block("Hel", "lo."), *stubs.message_end()]
    stub.replies[MESSAGES] = Reply(anthropic_events(*events))
    assert await heard(anthropic) == [Delta("Hel"), Delta("lo."), Finished(Finish.STOP, Usage(25, 15))]
    (asked,) = stub.asked
    assert asked.headers["x-api-key"] == KEY
    assert asked.body == {
        "model": "m",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 20,
        "stream": True,
    }


async def test_anthropic_calls_tools(stub: Any, anthropic: AnthropicEngine) -> None:
    begin = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
    parts = [{"type": "input_json_delta", "partial_json": part} for part in ("", '{"place": "Os', 'lo"}')]
    stub.replies[MESSAGES] = Reply(
        anthropic_events(
            stubs.message_start(),
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
            *stubs.text_block("Let me see.", index=1),
            {"type": "content_block_start", "index": 2, "content_block": begin},
            *({"type": "content_block_delta", "index": 2, "delta": part} for part in parts),
            {"type": "content_block_stop", "index": 2},
            *stubs.message_end("tool_use"),
        )
    )
    calls = (Call("t1", "weather", '{"place": "Oslo"}'),)
    assert await heard(anthropic, TOOLED) == [
        Delta("Let me see."),
        Finished(Finish.TOOL_CALLS, Usage(25, 15), calls),
    ]
    sent = stub.asked[0].body
    assert sent["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"place": "Rome"}}
    ]
    assert sent["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "c1", "content": "Sunny"}]
    assert sent["tools"][0]["input_schema"] == WEATHER.parameters
    assert sent["tool_choice"] == {"type": "tool", "name": "weather"}


async def test_a_call_that_the_limit_cuts_is_left_out(stub: Any, openai: OpenAIEngine) -> None:
    begun = [{"index": 0, "id": "a", "function": {"name": "weather", "arguments": '{"pl'}}]
    stub.replies[CHAT] = Reply(openai_events(chunk("Well", tool_calls=begun), chunk(finish="length"), "[DONE]"))
    assert (await heard(openai))[-1] == Finished(Finish.LENGTH, None)
    stub.replies[CHAT] = Reply(openai_events(chunk("Well", tool_calls=begun), chunk(finish="tool_calls"), "[DONE]"))
    assert (await failed(openai)).reason == "upstream_broken"


# Failures


def said(status: int, error: Any, **headers: str) -> Any:
    return Reply([json.dumps(error).encode()], status=status, headers={"content-type": "application/json"} | headers)


def openai_error(message: str = "secret words", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None} | fields}


@pytest.mark.parametrize(
    ("status", "error", "code", "reason"),
    [
        (401, openai_error(code="invalid_api_key"), ErrorCode.FAILED_PRECONDITION, "upstream_denied"),
        (403, openai_error(), ErrorCode.FAILED_PRECONDITION, "upstream_denied"),
        (429, openai_error(code="insufficient_quota"), ErrorCode.FAILED_PRECONDITION, "upstream_denied"),
        (404, openai_error(code="model_not_found"), ErrorCode.FAILED_PRECONDITION, "upstream_model_missing"),
        (400, openai_error(), ErrorCode.INVALID_ARGUMENT, "upstream_rejected"),
        (422, ["not", "an", "error"], ErrorCode.INVALID_ARGUMENT, "upstream_rejected"),
        (500, "oops", ErrorCode.UNAVAILABLE, "upstream_unavailable"),
        (503, openai_error(), ErrorCode.UNAVAILABLE, "upstream_unavailable"),
        (529, openai_error(type="overloaded_error"), ErrorCode.UNAVAILABLE, "upstream_unavailable"),
        (302, {}, ErrorCode.UNAVAILABLE, "upstream_broken"),
    ],
)
async def test_statuses_become_errors_that_tell_nothing_of_the_upstream(
    stub: Any, openai: OpenAIEngine, status: int, error: Any, code: ErrorCode, reason: str
) -> None:
    stub.replies[CHAT] = said(status, error, location=f"{stub.url}/elsewhere")
    found = await failed(openai)
    assert (found.code, found.reason) == (code, reason)
    assert "secret" not in str(found)
    assert [asked.path for asked in stub.asked] == [CHAT]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("999999", 3600.0), ("-1", 0.0), ("soon", 1.0), ("nan", 1.0)],
)
async def test_too_many_requests_keep_their_delay(stub: Any, openai: OpenAIEngine, header: str, seconds: float) -> None:
    stub.replies[CHAT] = said(429, openai_error(), **{"retry-after": header})
    found = await failed(openai)
    assert (found.code, found.retry_after) == (ErrorCode.RESOURCE_EXHAUSTED, seconds)


async def test_a_date_to_retry_after_is_understood(stub: Any, openai: OpenAIEngine) -> None:
    stub.replies[CHAT] = said(429, openai_error(), **{"retry-after": "Fri, 21 Nov 2999 10:00:00 GMT"})
    assert (await failed(openai)).retry_after == 3600.0


@pytest.mark.parametrize(
    ("error", "tokens", "limit"),
    [
        (
            openai_error(
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 130,001 "
                "tokens.",
                code="context_length_exceeded",
            ),
            "130001",
            "128000",
        ),
        (
            {"object": "error", "message": "This model's maximum context length is 4096 tokens.", "code": 400},
            "11",
            "1000",
        ),
        (openai_error("too large", type="exceed_context_size_error", n_prompt_tokens=99, n_ctx=64), "99", "64"),
        (
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "message": "prompt is too long: 208310 tokens > 200000"},
            },
            "208310",
            "200000",
        ),
    ],
)
async def test_a_prompt_that_is_too_long_is_told_as_one(
    stub: Any, openai: OpenAIEngine, error: Any, tokens: str, limit: str
) -> None:
    stub.replies[CHAT] = said(400, error)
    found = await failed(openai)
    assert (found.code, found.reason, found.field) == (ErrorCode.INVALID_ARGUMENT, "context_too_long", "messages")
    assert found.metadata == {"prompt_tokens": tokens, "context_limit": limit}


BROKEN = "upstream_broken"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (openai_events(chunk("Hel")), BROKEN),
        (openai_events(chunk("Hel"), "[DONE]"), BROKEN),
        (openai_events(chunk("Hel"), "{not json"), BROKEN),
        (openai_events(chunk("Hel"), "[]"), BROKEN),
        ([*openai_events(chunk("Hel")), b"data: \xff\n\n"], BROKEN),
        ([*openai_events(chunk("Hel")), b"data: " + b"x" * 5_000_000], BROKEN),
        (openai_events(chunk("Hel"), openai_error(type="server_error")), "upstream_unavailable"),
        (openai_events(chunk("Hel"), {"error": {"code": 502, "message": "provider"}}), "upstream_unavailable"),
        (openai_events(chunk("Hel"), {"error": "plain words"}), "upstream_unavailable"),
        (openai_events(chunk("Hel"), openai_error(type="rate_limit_error")), "upstream_busy"),
        (openai_events(chunk("Hel"), chunk(finish="content_filter"), "[DONE]"), "upstream_withheld"),
    ],
)
async def test_a_stream_that_goes_wrong_ends_in_a_typed_error(
    stub: Any, openai: OpenAIEngine, parts: Sequence[bytes], reason: str
) -> None:
    stub.replies[CHAT] = Reply(parts)
    events: list[Any] = []
    with pytest.raises(OloError) as error:
        async for event in openai.generate(HELLO):
            events.append(event)
    assert events == [Delta("Hel")]
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([stubs.message_start(), *stubs.text_block("Hel")], BROKEN),
        ([stubs.message_start(), *stubs.message_end("pause_turn")], BROKEN),
        ([stubs.message_start(), *stubs.message_end("refusal")], "upstream_withheld"),
        ([{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}], "upstream_unavailable"),
        ([{"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}], "upstream_busy"),
        ([{"type": "error", "error": {"type": "authentication_error", "message": "x"}}], "upstream_denied"),
    ],
)
async def test_an_anthropic_stream_that_goes_wrong_too(
    stub: Any, anthropic: AnthropicEngine, events: Sequence[dict[str, Any]], reason: str
) -> None:
    stub.replies[MESSAGES] = Reply(anthropic_events(*events))
    assert (await failed(anthropic)).reason == reason


async def test_a_hang_up_in_mid_stream_is_told(stub: Any, openai: OpenAIEngine) -> None:
    stub.replies[CHAT] = Reply(openai_events(chunk("Hel"), chunk("lo")), cut=True)
    found = await failed(openai)
    assert (found.code, found.reason) == (ErrorCode.UNAVAILABLE, BROKEN)


async def test_an_answer_that_does_not_stream_is_refused(stub: Any, openai: OpenAIEngine) -> None:
    stub.replies[CHAT] = Reply([b"<html>"], headers={"content-type": "text/html"})
    assert (await failed(openai)).reason == BROKEN


async def test_silence_and_absence_are_unavailability(stub: Any) -> None:
    slow = OpenAIEngine(upstream(f"{stub.url}/v1", idle=0.05), model="m", context_limit=9)
    stub.replies[CHAT] = Reply(openai_events(chunk("Hel"), chunk("lo")), hold=asyncio.Event())
    assert (await failed(slow)).reason == "upstream_unavailable"
    nobody = OpenAIEngine(upstream(f"http://127.0.0.1:{free_port()}/v1"), model="m", context_limit=9)
    assert (await failed(nobody)).reason == "upstream_unavailable"
    with pytest.raises(OloError, match="cannot be reached"):
        await nobody.check()
    await slow.close()
    await nobody.close()


async def test_closing_the_generator_closes_the_request(stub: Any, openai: OpenAIEngine) -> None:
    stub.replies[CHAT] = Reply(openai_events(chunk("Hel"), chunk("lo")), hold=asyncio.Event())
    async with aclosing(openai.generate(HELLO)) as events:
        assert await anext(events) == Delta("Hel")
    async with asyncio.timeout(10):
        await stub.left.wait()


async def test_a_check_asks_for_the_models(stub: Any, openai: OpenAIEngine, anthropic: AnthropicEngine) -> None:
    await openai.check()
    await anthropic.check()
    assert [asked.path for asked in stub.asked] == ["/v1/models", "/v1/models"]
    stub.replies["/v1/models"] = said(404, {})
    await openai.check()
    stub.replies["/v1/models"] = said(401, openai_error())
    with pytest.raises(OloError) as error:
        await openai.check()
    assert error.value.reason == "upstream_denied"
