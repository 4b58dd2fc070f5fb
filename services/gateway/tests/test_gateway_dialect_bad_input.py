"""The table of bad input in Ollama's and Anthropic's dialects, and their description against the application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import schemathesis
from dialect_edge import DialectEdge
from hypothesis import given
from openapi_fuzz import PATIENCE, SHAPES

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_common.errors import ErrorCode, RemoteError
from olo_gateway.http.body import MAX_BODY_BYTES
from olo_testing.fuzzing import made_up

JSON = {"content-type": "application/json"}
OLLAMA, ANTHROPIC = "/api/chat", "/v1/messages"
HELLO: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def edge() -> DialectEdge:
    return DialectEdge()


@pytest.fixture
async def http(edge: DialectEdge) -> AsyncIterator[httpx.AsyncClient]:
    """The application itself, without a socket."""
    await edge.forget()
    transport = httpx.ASGITransport(edge.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def sentence(path: str, answer: httpx.Response) -> str:
    """The message of an error, which has the shape of its dialect."""
    body = answer.json()
    if path == OLLAMA:
        assert list(body) == ["error"]
        return str(body["error"])
    assert (set(body), body["type"], set(body["error"])) == ({"type", "error"}, "error", {"type", "message"})
    return str(body["error"]["message"])


ROWS: list[tuple[int, int, bytes | dict[str, Any], str]] = [
    (1, 400, b"", "body"),
    (2, 400, b"{", "body"),
    (2, 400, b"hello", "body"),
    (3, 400, b"[" * 10_000 + b"]" * 10_000, "body"),
    (4, 400, b'{"model": "a", "model": "b"}', "body"),
    (5, 413, b'"' + b"x" * MAX_BODY_BYTES + b'"', "the body may have"),
    (5, 400, {"messages": [{"role": "user", "content": "x" * (256 * 1024 + 1)}]}, "messages"),
    (10, 400, b'{"model": "\xff"}', "body"),
    (10, 400, b'{"model": "\\ud800"}', "body"),
    (13, 400, {"messages": [{"role": "root", "content": "x"}]}, "messages[0].role"),
    (16, 400, b'{"max_tokens": NaN}', "body"),
    *((26, 400, {"model": name}, "model") for name in ("../../etc/passwd", "a\x00b", "m" * 10_240, "gpt-\u0430")),
    (35, 400, {"wait_for_model": -1}, "wait_for_model"),
]


@pytest.mark.parametrize("path", [OLLAMA, ANTHROPIC])
@pytest.mark.parametrize(
    ("number", "status", "body", "begins"), ROWS, ids=[f"{n}-row{row[0]}" for n, row in enumerate(ROWS)]
)
async def test_a_row_of_the_table(
    http: httpx.AsyncClient, edge: DialectEdge, path: str, number: int, status: int, body: Any, begins: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(HELLO | body).encode()
    answer = await http.post(path, content=content, headers=JSON)
    assert answer.status_code == status, answer.text[:300]
    assert sentence(path, answer).startswith(begins)
    assert edge.runs.started == []


@pytest.mark.parametrize("path", [OLLAMA, ANTHROPIC])
@pytest.mark.parametrize(
    ("number", "headers", "status"),
    [
        (8, {"content-encoding": "gzip"}, 415),
        (9, {"content-type": "text/plain", "origin": "http://evil.example"}, 415),
        (35, {"X-Request-Timeout": "-1"}, 400),
        (36, {"Idempotency-Key": "k" * 10_240}, 400),
    ],
)
async def test_a_row_about_headers(
    http: httpx.AsyncClient, edge: DialectEdge, path: str, number: int, headers: dict[str, str], status: int
) -> None:
    answer = await http.post(path, content=json.dumps(HELLO), headers=JSON | headers)
    assert answer.status_code == status
    assert sentence(path, answer)
    assert edge.runs.started == []


async def test_programs_of_ollama_leave_the_media_type_out(http: httpx.AsyncClient) -> None:
    for headers in ({}, {"content-type": "application/x-www-form-urlencoded"}):
        answer = await http.post(OLLAMA, content=json.dumps({**HELLO, "stream": False}), headers=headers)
        assert answer.status_code == 200
        assert answer.json()["done"]


@pytest.mark.parametrize(
    ("number", "error", "status", "kind"),
    [
        (14, RemoteError(ErrorCode.INVALID_ARGUMENT, "context_too_long", "too long"), 400, "invalid_request_error"),
        (23, RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "no such model"), 404, "not_found_error"),
        (
            25,
            RemoteError(ErrorCode.UNAVAILABLE, "no_model_available", "none", retry_after=1.4),
            503,
            "overloaded_error",
        ),
        (34, RemoteError(ErrorCode.RESOURCE_EXHAUSTED, "queue_full", "full", retry_after=1.4), 429, "rate_limit_error"),
        (35, RemoteError(ErrorCode.DEADLINE_EXCEEDED, "deadline_exceeded", "over"), 504, "timeout_error"),
        (0, RemoteError(ErrorCode.INTERNAL, "internal", "internal error"), 500, "api_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_run_ends_with_has_the_status_of_every_dialect(
    edge: DialectEdge,
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: RemoteError,
    status: int,
    kind: str,
    stream: bool,
) -> None:
    async def failing(run_id: str, request: ChatRequest) -> ChatResponse:
        raise error

    monkeypatch.setattr(edge.runs, "_answering", failing)
    for path in (OLLAMA, ANTHROPIC):
        answer = await http.post(path, json={**HELLO, "stream": stream})
        assert (answer.status_code, sentence(path, answer)) == (status, error.message)
        assert answer.headers.get("retry-after") == ("2" if error.retry_after else None)
    assert answer.json()["error"]["type"] == kind


@pytest.mark.timeout(300)
def test_no_request_is_answered_with_a_crash_or_another_shape(edge: DialectEdge) -> None:
    ours = ("/api/", "/admin/", "/v1/messages")
    # No word that is made up by chance shall keep an answer waiting.
    edge.release.set()
    asked = set()
    for found in schemathesis.openapi.from_asgi("/openapi.json", edge.app).get_all_operations():
        operation = found.ok()
        if not operation.path.startswith(ours):
            continue
        asked.add(operation.label)

        @made_up(1)
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call_and_validate(checks=SHAPES, timeout=PATIENCE)
            # Calls that have no meaning here, and models that are away, are answers.
            assert answer.status_code in (501, 503, 504) or answer.status_code < 500

        ask()
    assert {"POST /api/chat", "POST /v1/messages", "GET /api/nodes", "GET /admin/health"} <= asked


def test_no_two_shapes_have_one_name(edge: DialectEdge) -> None:
    """Else the description calls both by the paths of their modules, and so do the types that are made from it."""
    assert not [name for name in edge.app.openapi()["components"]["schemas"] if "__" in name]
