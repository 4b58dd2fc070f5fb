"""Both protocols against a server on a real socket: what is sent, and what comes back."""

from __future__ import annotations

from typing import Any

import upstream_stub as stubs
from upstream_engines import CHAT, KEY, MESSAGES, failed, heard, upstream

from olo_llm_worker.upstream.adapters.anthropic import AnthropicEngine
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

Reply, chunk, openai_events, anthropic_events = stubs.Reply, stubs.chunk, stubs.openai_events, stubs.anthropic_events

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
        top_logprobs=2,
        logit_bias=((9, 1.5), (11, -100.0)),
    )
    schema = {"type": "object"}
    assert await heard(engine, TextRequest("r", (Turn("user", "Hi", name="ann"),), options, schema=schema))
    sent = stub.asked[0].body
    for name in ("temperature", "top_p", "top_k", "repetition_penalty", "seed", "min_tokens", "presence_penalty"):
        assert sent[name] == getattr(options, name)
    assert (sent["max_completion_tokens"], sent["stop"], sent["logprobs"]) == (5, ["\n"], True)
    assert (sent["top_logprobs"], sent["logit_bias"]) == (2, {"9": 1.5, "11": -100.0})
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
    top = [{"token": "Hi", "logprob": -0.25}, {"token": "Yo", "logprob": -2, "top_logprobs": [{}]}, {"token": "no"}]
    told = {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": [*top, 7]}
    one["choices"][0]["logprobs"] = {"content": [told, {"token": "?", "logprob": "x"}]}
    stub.replies[CHAT] = Reply(openai_events(one, "[DONE]"))
    expected = Logprob("Hi", -0.25, (Logprob("Hi", -0.25), Logprob("Yo", -2.0)))
    assert (await heard(openai))[0] == Delta("Hi", (expected,))


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
