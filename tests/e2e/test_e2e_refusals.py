"""What is wrong is refused clearly, at the edge or where it is known, and nothing hangs."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HELLO = [{"role": "user", "content": "hello"}]

ROWS: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("unknown model", {"model": "nobody", "messages": HELLO}, 404, "model_not_found", "model"),
    ("no messages", {"messages": []}, 400, "messages_missing", "messages"),
    ("wrong type", {"messages": "hello"}, 400, "field_invalid", "messages"),
    ("temperature", {"messages": HELLO, "temperature": -1}, 400, "field_invalid", "temperature"),
    ("max_tokens", {"messages": HELLO, "max_tokens": 0}, 400, "field_invalid", "max_tokens"),
    ("over-long", {"messages": [{"role": "user", "content": "tide " * 9000}]}, 400, "context_too_long", "messages"),
    ("collection", {"messages": HELLO, "rag": {"collection": "nowhere"}}, 404, "collection_not_found", None),
    ("top_k", {"messages": HELLO, "rag": {"collection": "demo", "top_k": 1000}}, 400, "field_invalid", None),
]


@pytest.mark.parametrize(("name", "body", "status", "code", "param"), ROWS, ids=[row[0] for row in ROWS])
def test_bad_requests(stack: Stack, name: str, body: dict[str, Any], status: int, code: str, param: str | None) -> None:
    reply = httpx2.post(f"{stack.url}/v1/chat/completions", json=body, timeout=30)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert error["code"] == code
    assert error["message"]
    if param is not None:
        assert error["param"] == param
    if code == "context_too_long":
        assert "2048" in error["message"]


def test_a_body_that_is_no_json(stack: Stack) -> None:
    reply = httpx2.post(
        f"{stack.url}/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}, timeout=10
    )
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "json_invalid"


def test_a_document_that_is_empty(stack: Stack, tmp_path: Any) -> None:
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "good.md").write_text("# Good\n\nThis one has a sentence.\n")
    with pytest.raises(AssertionError, match="empty"):
        stack.olo("ingest", str(tmp_path), "--collection", "half")
    assert "good" in stack.olo("documents", "list", "--collection", "half")


def test_the_documentation_works_offline(stack: Stack) -> None:
    page = httpx2.get(f"{stack.url}/docs", timeout=10)
    assert page.status_code == 200
    assert "https://" not in page.text
    schema = httpx2.get(f"{stack.url}/openapi.json", timeout=10).json()
    assert "/v1/chat/completions" in schema["paths"]


def test_health(stack: Stack) -> None:
    assert httpx2.get(f"{stack.url}/healthz", timeout=10).status_code == 200
