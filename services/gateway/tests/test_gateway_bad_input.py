"""The table of bad input in OpenAI's dialect: each row has its status and code, and reaches no worker.

What an engine alone can know (the length of a prompt, whether a schema can be checked) is in the integration tests;
rows about keys and tenants come with authentication.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.errors import ErrorCode, RemoteError
from olo_gateway.http.body import MAX_BODY_BYTES, BodyLimit

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}
JSON = {"content-type": "application/json"}


@dataclass
class Row:
    """One bad input, and what is answered."""

    number: int
    status: int
    code: str
    body: dict[str, Any] | bytes = field(default_factory=dict)
    """Fields beside the messages, or the whole body."""
    param: str | None = None
    path: str = CHAT
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "x", **fields}]}


def schema(value: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}}


def nested(depth: int) -> Any:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"properties": {"a": value}}
    return value


ROWS = [
    Row(1, 400, "body_empty", b"", "body"),
    Row(2, 400, "json_invalid", b"{", "body"),
    Row(2, 400, "json_invalid", b"hello", "body"),
    Row(3, 400, "json_invalid", b"[" * 10_000 + b"]" * 10_000, "body"),
    Row(4, 400, "json_duplicate_key", b'{"model": "a", "model": "b"}', "body"),
    Row(4, 400, "json_duplicate_key", b'{"messages": [{"role": "user", "role": "system"}]}', "body"),
    Row(5, 413, "body_too_large", b'"' + b"x" * MAX_BODY_BYTES + b'"'),
    Row(5, 400, "field_invalid", message(content="x" * (256 * 1024 + 1)), "messages"),
    Row(8, 415, "encoding_unsupported", b"\x1f\x8b", headers={"content-encoding": "gzip"}),
    Row(9, 415, "media_type_unsupported", b"{}", "Content-Type", headers={"content-type": "text/plain"}),
    Row(9, 415, "media_type_unsupported", b"{}", "Content-Type", headers={"content-type": ";" * 4000}),
    Row(10, 400, "json_invalid", b'{"model": "\xff"}', "body"),
    Row(10, 400, "json_invalid", b'{"model": "\\ud800"}', "body"),
    Row(12, 400, "messages_missing", {"messages": []}, "messages"),
    Row(12, 400, "messages_missing", b"{}", "messages"),
    Row(12, 400, "field_invalid", {"messages": None}, "messages"),
    Row(12, 400, "messages_missing", {"input": []}, "input", RESPONSES),
    Row(13, 400, "field_invalid", message(role="root"), "messages[0].role"),
    Row(
        13,
        400,
        "field_invalid",
        {"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "x"}]},
        "messages[1].role",
    ),
    *(Row(16, 400, "field_invalid", {"max_tokens": value}, "max_tokens") for value in (0, -1, 10**9, 1.5, "10", True)),
    Row(16, 400, "json_invalid", b'{"max_tokens": NaN}', "body"),
    *(Row(17, 400, "field_invalid", {"temperature": value}, "temperature") for value in (-1, 1e308, "hot")),
    Row(17, 400, "json_invalid", b'{"temperature": Infinity}', "body"),
    *(Row(18, 400, "field_invalid", {"top_p": value}, "top_p") for value in (0, 2)),
    *(Row(18, 400, "field_invalid", {"top_k": value}, "top_k") for value in (-5, 10**12)),
    Row(19, 400, "n_out_of_range", {"n": 1_000_000}, "n"),
    Row(19, 400, "unsupported_parameter", {"prompt": "x", "best_of": 10**6}, "best_of", "/v1/completions"),
    Row(20, 400, "field_invalid", {"stop": ["x"] * 10_000}, "stop"),
    Row(20, 400, "field_invalid", {"stop": ""}, "stop[0]"),
    Row(20, 400, "field_invalid", {"stop": "x" * 1_000_000}, "stop[0]"),
    Row(21, 400, "field_invalid", {"logit_bias": {str(n): 1 for n in range(100_000)}}, "logit_bias"),
    *(
        Row(21, 400, "field_invalid", {"logit_bias": bias}, "logit_bias")
        for bias in ({"a": 1}, {"-1": 1}, {"9" * 5000: 1}, {"\u0661": 1}, {"1": 1e308})
    ),
    Row(21, 400, "field_invalid", {"model": "m", "logit_bias": {"1": 1}, "allow_fallback": True}, "allow_fallback"),
    Row(21, 400, "model_missing", {"model": "auto", "logit_bias": {"1": 1}}, "model"),
    *(Row(21, 400, "field_invalid", {"logprobs": True, "top_logprobs": n}, "top_logprobs") for n in (-1, 21)),
    Row(21, 400, "field_invalid", {"top_logprobs": 3}, "top_logprobs"),
    Row(22, 400, "schema_invalid", schema({"type": "thing"}), "response_format.json_schema.schema"),
    Row(22, 400, "schema_invalid", schema({"enum": ["x" * 40_000]}), "response_format.json_schema.schema"),
    Row(22, 400, "schema_invalid", schema(nested(400)), "response_format.json_schema.schema"),
    *(
        Row(26, 400, "field_invalid", {"model": name}, "model")
        for name in ("../../etc/passwd", "a\x00b", "m" * 10_240, "gpt-\u0430", "%2e%2e/x", "a/../b")
    ),
    Row(35, 400, "field_invalid", {"timeout": 0}, "timeout"),
    Row(35, 400, "field_invalid", {"timeout": -1}, "timeout"),
    Row(35, 400, "field_invalid", {"timeout": 315_360_000}, "timeout"),
    Row(35, 400, "field_invalid", {}, "X-Request-Timeout", headers={"X-Request-Timeout": "-1"}),
    Row(36, 400, "field_invalid", {}, "Idempotency-Key", headers={"Idempotency-Key": "k" * 10_240}),
    Row(37, 404, "run_not_found", b"", "run_id", f"{CHAT}/chatcmpl-run-guessed", "GET"),
    Row(37, 404, "response_not_found", b"", "response_id", f"{RESPONSES}/resp_run-guessed", "GET"),
    Row(37, 404, "response_not_found", b"", "response_id", f"{RESPONSES}/resp_run-guessed/cancel"),
    Row(37, 404, "response_not_found", b"", "response_id", f"{RESPONSES}/resp_run-guessed", "DELETE"),
    Row(39, 400, "field_invalid", {"stream": True}, "Last-Event-ID", headers={"Last-Event-ID": "9-00000000"}),
    Row(56, 404, "path_not_found", b"", path="/v1/images/generations"),
    Row(56, 404, "path_not_found", b"", path="/v1/audio/speech"),
    Row(56, 404, "path_not_found", b"", path="//v1/models", method="GET"),
    Row(56, 405, "method_not_allowed", b"", method="PUT"),
    Row(56, 405, "method_not_allowed", b"", method="OPTIONS"),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{place}-row{row.number}" for place, row in enumerate(ROWS)])
async def test_a_row_of_the_table(edge_http: httpx.AsyncClient, scripted: Any, row: Row) -> None:
    base: dict[str, Any] = {CHAT: HELLO, RESPONSES: {"input": "x"}}.get(row.path, {})
    content = row.body if isinstance(row.body, bytes) else json.dumps(base | row.body).encode()
    # Bodies that a test writes as bytes may hold what no client library would send.
    answer = await edge_http.request(row.method, row.path, content=content, headers=JSON | row.headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (row.status, row.code, row.param), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"]
    assert scripted.runs.started == []


@pytest.mark.parametrize(
    ("number", "fields"),
    [
        (11, message(content="a\x00b\x1b[31m")),
        (17, {"temperature": None}),
        (27, {"api_base": "http://evil.example", "base_url": "x", "unknown": {"a": [1]}}),
        (55, message(content="\u202e\u200b" + "\u0301" * 1000)),
    ],
)
async def test_what_is_strange_and_harmless_is_taken(
    edge_http: httpx.AsyncClient, scripted: Any, number: int, fields: dict[str, Any]
) -> None:
    answer = await edge_http.post(CHAT, json=HELLO | fields)
    assert answer.status_code == 200
    (started,) = scripted.runs.started
    assert "evil" not in str(started)


@pytest.mark.parametrize(
    ("number", "error", "status"),
    [
        (
            14,
            RemoteError(ErrorCode.INVALID_ARGUMENT, "context_too_long", "9 tokens; the limit is 5", field="messages"),
            400,
        ),
        (23, RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "there is no such model", field="model"), 404),
        (24, RemoteError(ErrorCode.UNAVAILABLE, "model_unavailable", "it is away", retry_after=1.4), 503),
        (25, RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "none is there", retry_after=1.4), 503),
        (34, RemoteError(ErrorCode.RESOURCE_EXHAUSTED, "queue_full", "the queue is full", retry_after=1.4), 429),
        (35, RemoteError(ErrorCode.DEADLINE_EXCEEDED, "deadline_exceeded", "the run's time is over"), 504),
    ],
)
@pytest.mark.parametrize("path", [CHAT, RESPONSES, "/v1/completions"])
async def test_what_a_run_ends_with_has_the_same_shape_everywhere(
    edge_http: httpx.AsyncClient, scripted: Any, number: int, error: RemoteError, status: int, path: str
) -> None:
    async def failing(run_id: str, request: ChatRequest) -> ChatResponse:
        raise error

    scripted.answer = failing
    bodies = {CHAT: HELLO, RESPONSES: {"input": "x"}}
    answer = await edge_http.post(path, json=bodies.get(path, {"prompt": "x"}))
    told = answer.json()["error"]
    assert (answer.status_code, told["code"], told["message"]) == (status, error.reason, error.message)
    assert answer.headers.get("retry-after") == ("2" if error.retry_after else None)


async def test_row_5_a_body_without_a_length_is_cut_off_too(edge_http: httpx.AsyncClient, scripted: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    answer = await edge_http.post(RESPONSES, content=endless(), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_row_6_a_body_that_never_ends_is_given_up() -> None:
    async def reading(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(_: Any) -> None:
        raise AssertionError

    limited = BodyLimit(reading, lambda error, path: Response(status_code=error.status_code), {}, seconds=0.01)
    with pytest.raises(HTTPException) as caught:
        await limited({"type": "http", "path": "/", "headers": []}, never, send)
    assert caught.value.status_code == HTTPStatus.REQUEST_TIMEOUT


async def test_row_7_a_header_that_is_too_long_ends_the_connection(scripted_address: str, scripted: Any) -> None:
    host, _, port = scripted_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
    await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 4")
    assert await reader.read() is not None
    writer.close()
    assert scripted.runs.started == []


async def test_row_36_one_key_for_two_requests_is_a_conflict(edge_http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await edge_http.post(RESPONSES, json={"input": "x"}, headers=headers)
    again = await edge_http.post(RESPONSES, json={"input": "x"}, headers=headers)
    other = await edge_http.post(RESPONSES, json={"input": "y"}, headers=headers)
    assert first.json()["id"] == again.json()["id"] == "resp_run-k"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "request_id_conflict")
