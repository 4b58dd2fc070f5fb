"""The whole stack, through the clients of Ollama and Anthropic, and what operators see of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama
import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "When did the harbour tram of Saltmere begin to run?"
RAG = {"collection": "demo", "top_k": 4}
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]


def test_ollama_lists_shows_and_answers(stack: Stack) -> None:
    client = ollama.Client(host=stack.url)
    assert "olo-demo:latest" in [model.model for model in client.list().models]
    shown = client.show("olo-demo")
    assert shown.details is not None
    assert shown.details.family
    assert shown.modelinfo is not None
    assert shown.modelinfo[f"{shown.details.family}.context_length"] > 0
    options = {"temperature": 0, "num_predict": 24}
    whole = client.chat("olo-demo:latest", messages=ASKED, options=options)
    parts = list(client.chat("olo-demo", messages=ASKED, options=options, stream=True))
    assert whole.message.content
    assert "".join(part.message.content or "" for part in parts) == whole.message.content
    assert whole.eval_count == parts[-1].eval_count > 0
    assert (whole.total_duration or 0) >= (whole.eval_duration or 0) > 0
    assert client.generate("olo-demo", QUESTION, options=options).response == whole.message.content
    assert client.generate("olo-demo").done_reason == "load"
    with pytest.raises(ollama.ResponseError) as missing:
        client.chat("none", messages=ASKED)
    assert missing.value.status_code == 404


def test_ollama_embeds(stack: Stack) -> None:
    client = ollama.Client(host=stack.url)
    name = next(model.model for model in client.list().models if client.show(model.model).capabilities == ["embedding"])
    answer = client.embed(name, ["harbour", "tram"])
    length = client.show(name).modelinfo["general.embedding_length"]  # type: ignore[index]
    assert [len(vector) for vector in answer.embeddings] == [length, length]


def test_anthropic_answers_from_passages_and_counts(stack: Stack) -> None:
    client = anthropic.Anthropic(base_url=stack.url, api_key="unused", max_retries=0)
    asked: Any = {"model": "auto", "max_tokens": 64, "messages": ASKED, "extra_body": {"rag": RAG, "temperature": 0}}
    message = client.messages.create(**asked)
    assert message.content[0].type == "text"
    assert "began to run in 1908" in message.content[0].text
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].to_dict() == message.content[0].to_dict()
    assert streamed.usage == message.usage
    counted = client.messages.count_tokens(model="olo-demo", messages=ASKED)
    plain = client.messages.create(model="olo-demo", max_tokens=1, messages=ASKED)
    used = plain.usage.input_tokens + (plain.usage.cache_read_input_tokens or 0)
    assert counted.input_tokens == used, "counted is what an answer is charged for"


@pytest.mark.parametrize("page", ["README.md", "docs/guides/ollama.md", "docs/guides/anthropic.md"])
def test_what_a_page_shows_works(stack: Stack, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = (ROOT / page).read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", shown, re.DOTALL)
    exec(example.replace("http://127.0.0.1:8080", stack.url), {})
    assert capsys.readouterr().out.strip()


def test_operators_see_what_lives(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        status = http.get("/api/cluster/status").json()
        assert (status["status"], status["parts"]["router"], status["nodes"]) == ("ok", True, 1)
        (node,) = http.get("/api/nodes").json()["nodes"]
        assert "olo-demo" in node["models"]
        there = http.get(f"/api/nodes/{node['name']}/models").json()["models"]
        assert {model["model_id"] for model in there} == set(node["models"])
        instance = next(model for model in there if model["model_id"] == "olo-demo")["instances"][0]
        assert instance["silence"] is not None
        queues = {each["model_id"]: each for each in http.get("/api/queue/status").json()["queues"]}
        assert queues["olo-demo"]["pollers"] >= 1
        assert http.get("/admin/health").status_code == 200
        assert "process_resident_memory_bytes" in http.get("/admin/metrics/prometheus").text
