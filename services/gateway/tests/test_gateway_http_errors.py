"""What the dialect refuses, and how it says so, against the application itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.errors import ErrorCode, RemoteError
from olo_common.health import Health
from olo_gateway.adapters.in_memory import (
    InMemoryCatalogue,
    InMemoryEmbedding,
    InMemoryRouting,
    InMemoryRuns,
    InMemoryTokenizing,
    InMemoryTokenStreams,
)
from olo_gateway.calls.chats import Chats
from olo_gateway.http.app import http_app
from olo_gateway.http.body import MAX_BODY_BYTES
from olo_gateway.http.streaming import StreamPace
from olo_gateway.runs.admission.admission import Admission
from olo_gateway.runs.admission.limit import Bounds
from olo_gateway.runs.validation import RunLimits

PATH = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def raised() -> list[Exception]:
    """What the next run fails with."""
    return []


@pytest.fixture
async def http(raised: list[Exception]) -> AsyncIterator[httpx.AsyncClient]:
    async def answering(run_id: str, request: ChatRequest) -> ChatResponse:
        if raised:
            raise raised.pop()
        return ChatResponse(run_id=run_id)

    runs = InMemoryRuns(answering)
    chats = Chats(runs, InMemoryTokenStreams(), Admission(Bounds(4, 4, 4.0)), RunLimits(30.0, 60.0))
    app = http_app(
        chats,
        InMemoryCatalogue([]),
        InMemoryRouting(),
        Health(),
        StreamPace(30.0, 5.0),
        runs=runs,
        embedding=InMemoryEmbedding(),
        tokenizing=InMemoryTokenizing(),
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("code", list(ErrorCode), ids=lambda code: code.name)
async def test_every_row_of_the_table(http: httpx.AsyncClient, raised: list[Exception], code: ErrorCode) -> None:
    raised.append(RemoteError(code, "some_reason", "some text", field="sampling.top_p", retry_after=0.2))
    answer = await http.post(PATH, json=HELLO)
    assert answer.status_code == code.value.http
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "error": {"message": "some text", "type": code.value.openai_type, "param": "top_p", "code": "some_reason"}
    }


UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"functions": [{}]}, "functions"),
    ({"function_call": {"name": "f"}}, "function_call"),
    ({"modalities": ["audio"]}, "modalities"),
    ({"audio": {}}, "audio"),
    ({"prediction": {}}, "prediction"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0].type",
    ),
]


@pytest.mark.parametrize(("fields", "param"), UNSUPPORTED, ids=[param for _, param in UNSUPPORTED])
async def test_what_would_change_the_meaning_is_refused_by_name(
    http: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    answer = await http.post(PATH, json=HELLO | fields)
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, "unsupported_parameter")


HARMLESS: list[dict[str, Any]] = [
    {"n": 1, "tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "logprobs": False},
    {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "modalities": ["text"]},
    {"model": None, "temperature": None, "max_tokens": None, "stop": None, "seed": None, "stream": None},
    {"metadata": {"a": "b"}, "store": True, "anything": [1, {"x": None}]},
    {"stop": ["a", "b"], "seed": 0, "temperature": 1, "top_p": 1.0, "top_k": 3, "repetition_penalty": 1.1},
]


@pytest.mark.parametrize("fields", HARMLESS, ids=range(len(HARMLESS)))
async def test_what_means_nothing_else_is_taken(http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    assert (await http.post(PATH, json=HELLO | fields)).status_code == 200


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": []}, "messages", "messages_missing"),
    ({"messages": None}, "messages", "field_invalid"),
    ({"messages": "hello"}, "messages", "field_invalid"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "field_invalid"),
    ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "field_invalid"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "field_invalid"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "field_invalid"),
    ({"model": "../../etc/passwd"}, "model", "field_invalid"),
    ({"model": 3}, "model", "field_invalid"),
    ({"max_tokens": 0}, "max_tokens", "field_invalid"),
    ({"max_tokens": "10"}, "max_tokens", "field_invalid"),
    ({"max_tokens": True}, "max_tokens", "field_invalid"),
    ({"max_tokens": 1.5}, "max_tokens", "field_invalid"),
    ({"max_tokens": 10**30}, "max_tokens", "field_invalid"),
    ({"temperature": 3}, "temperature", "field_invalid"),
    ({"temperature": "hot"}, "temperature", "field_invalid"),
    ({"top_p": 0}, "top_p", "field_invalid"),
    ({"top_k": 0}, "top_k", "field_invalid"),
    ({"seed": -1}, "seed", "field_invalid"),
    ({"stop": [""]}, "stop[0]", "field_invalid"),
    ({"stop": ["x"] * 17}, "stop", "field_invalid"),
    ({"timeout": 0}, "timeout", "field_invalid"),
    ({"timeout": 61}, "timeout", "field_invalid"),
    ({"rag": {"collection": "Not Allowed"}}, "rag.collection", "field_invalid"),
    ({"rag": {"collection": "demo", "top_k": 51}}, "rag.top_k", "field_invalid"),
    ({"rag": {}}, "rag.collection", "field_invalid"),
    ({"rag": "demo"}, "rag", "field_invalid"),
]


@pytest.mark.parametrize(("fields", "param", "code"), WRONG, ids=[f"{n}-{w[1]}" for n, w in enumerate(WRONG)])
async def test_a_wrong_field_is_named(http: httpx.AsyncClient, fields: dict[str, Any], param: str, code: str) -> None:
    answer = await http.post(PATH, content=json.dumps(HELLO | fields), headers={"content-type": "application/json"})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code), error
    assert error["type"] == "invalid_request_error"


BODIES: list[tuple[bytes, str, int, str]] = [
    (b"", "application/json", 400, "body_empty"),
    (b"{", "application/json", 400, "json_invalid"),
    (b'{"temperature": NaN}', "application/json", 400, "json_invalid"),
    (b'{"a": "\xff"}', "application/json", 400, "json_invalid"),
    (b'{"a": "\\ud800"}', "application/json", 400, "json_invalid"),
    (b"[" * 10_000 + b"]" * 10_000, "application/json", 400, "json_invalid"),
    (b"[]", "application/json", 400, "field_invalid"),
    (b"{}", "application/json", 400, "messages_missing"),
    (b"{}", "text/plain", 415, "media_type_unsupported"),
    (b'"' + b"x" * MAX_BODY_BYTES + b'"', "application/json", 413, "body_too_large"),
]


@pytest.mark.parametrize(("content", "media_type", "status", "code"), BODIES, ids=[str(n) for n in range(len(BODIES))])
async def test_a_wrong_body_is_refused(
    http: httpx.AsyncClient, content: bytes, media_type: str, status: int, code: str
) -> None:
    answer = await http.post(PATH, content=content, headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_body_without_a_length_is_limited_too(http: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    answer = await http.post(PATH, content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_unknown_paths_and_methods_have_the_same_shape(http: httpx.AsyncClient) -> None:
    missing, wrong = await http.get("/v1/none"), await http.get(PATH)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "path_not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


async def test_one_key_for_two_requests_is_a_conflict(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await http.post(PATH, json=HELLO, headers=headers)
    again = await http.post(PATH, json=HELLO, headers=headers)
    other = await http.post(PATH, json=HELLO | {"seed": 1}, headers=headers)
    assert first.headers["x-olo-run-id"] == again.headers["x-olo-run-id"] == "run-k"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "request_id_conflict")
    wrong = await http.post(PATH, json=HELLO, headers={"Idempotency-Key": "a b"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "field_invalid")


async def test_a_strange_request_id_is_replaced(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/models", headers={"x-request-id": "a b"})
    assert answer.headers["x-request-id"] != "a b"


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"X-Request-Priority": "urgent"}, "X-Request-Priority"),
        ({"X-Request-Timeout": "0"}, "X-Request-Timeout"),
        ({"X-Request-Timeout": "nan"}, "X-Request-Timeout"),
    ],
)
async def test_a_wrong_header_is_named(http: httpx.AsyncClient, headers: dict[str, str], field: str) -> None:
    error = (await http.post(PATH, json=HELLO, headers=headers)).json()["error"]
    assert (error["param"], error["code"]) == (field, "field_invalid")
