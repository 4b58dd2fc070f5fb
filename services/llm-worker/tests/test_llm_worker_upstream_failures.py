"""Both protocols against a server on a real socket: every way to fail, as errors that tell nothing of the upstream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
import upstream_stub as stubs
from upstream_engines import CHAT, HELLO, MESSAGES, failed, upstream

from olo_common.errors import ErrorCode, OloError
from olo_llm_worker.upstream.adapters.anthropic import AnthropicEngine
from olo_llm_worker.upstream.adapters.openai import OpenAIEngine
from olo_llm_worker.upstream.relay.types import (
    Delta,
)
from olo_testing.ports import free_port

Reply, chunk, openai_events, anthropic_events = stubs.Reply, stubs.chunk, stubs.openai_events, stubs.anthropic_events


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
        ({"error": {"message": f"the context length is {'7' * 5000}, or {'7,' * 3000}", "code": 400}}, "11", "1000"),
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
