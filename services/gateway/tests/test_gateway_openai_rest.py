"""Completions, embeddings, ranks and tokens over HTTP, with answers that the test writes."""

from __future__ import annotations

import base64
import struct
from typing import Any

import httpx
import openai
import pytest

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1 import inference_service_pb2 as inference
from olo_gateway.streaming.events import Chunk


async def two(run_id: str, request: ChatRequest) -> ChatResponse:
    """Answers with what was said, twice, with log probabilities."""
    said = request.messages[-1].content
    likely = [inference.TokenLogprob(text=text, logprob=logprob) for text, logprob in (("?", -0.1), ("?", -0.2))]
    logprobs = [inference.TokenLogprob(text=letter, logprob=-1.0, top=likely) for letter in said]
    alternatives = [inference.Alternative(text=said[::-1], finish_reason=inference.FINISH_REASON_LENGTH)]
    return ChatResponse(
        run_id=run_id,
        model="org/model",
        message=inference.ChatMessage(role=inference.ROLE_ASSISTANT, content=said),
        finish_reason=inference.FINISH_REASON_STOP,
        logprobs=logprobs,
        alternatives=alternatives if request.n > 1 else [],
    )


async def test_each_prompt_has_its_answers(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    scripted.answer = two
    answer = await openai_client.completions.create(
        model="m",
        prompt=["ab", "cd"],
        n=2,
        logprobs=1,
        stop=["x"],
        max_tokens=3,
        extra_headers={"Idempotency-Key": "k"},
    )
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, "ab"), (1, "ba"), (2, "cd"), (3, "dc")]
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "length"] * 2
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert (logprobs.tokens, logprobs.text_offset) == (["a", "b"], [0, 1])
    assert logprobs.top_logprobs == [{"?": -0.1, "a": -1.0}, {"?": -0.1, "b": -1.0}]
    assert scripted.runs.started[0][1].sampling.top_logprobs == 1
    assert {run_id for run_id, _ in scripted.runs.started} == {"run-k.0", "run-k.1"}
    request = scripted.runs.started[0][1]
    assert (request.n, request.sampling.max_tokens, list(request.sampling.stop)) == (2, 3, ["x"])


async def test_tokens_are_the_text_that_they_make(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    both = await openai_client.completions.create(model="bytes", prompt=[list(b"ab"), list(b"cd")], echo=True)
    assert [choice.text for choice in both.choices] == ["abHello", "cdHello"]
    one = await openai_client.completions.create(model="bytes", prompt=list(b"ef"))
    assert one.choices[0].text == "Hello"
    assert sorted(request.messages[0].content for _, request in scripted.runs.started) == ["ab", "cd", "ef"]


async def test_a_completion_is_streamed_with_its_prompt(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    async def talking(run_id: str, request: ChatRequest) -> ChatResponse:
        scripted.tokens.say(run_id, Chunk(1, 1, 0, "a"))
        return await two(run_id, request)

    scripted.answer = talking
    stream = await openai_client.completions.create(
        model="m", prompt="ab", n=2, echo=True, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts = {0: "", 1: ""}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == {0: "abab", 1: "abba"}
    assert chunks[-1].usage is not None


COMPLETIONS: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": []}, "prompt", "field_invalid"),
    ({"prompt": " "}, "prompt", "field_invalid"),
    ({"prompt": ["a", ""]}, "prompt[1]", "field_invalid"),
    ({"prompt": ["a"] * 17}, "prompt", "field_invalid"),
    ({"prompt": [1, 2]}, "model", "model_missing"),
    ({"prompt": [72, 300], "model": "bytes"}, "prompt", "field_invalid"),
    ({"prompt": [[72], [300]], "model": "bytes"}, "prompt[1]", "field_invalid"),
    ({"prompt": [[72], []], "model": "bytes"}, "prompt[1]", "field_invalid"),
    ({"prompt": [32, 32], "model": "bytes"}, "prompt", "field_invalid"),
    ({"suffix": "x"}, "suffix", "unsupported_parameter"),
    ({"best_of": 3}, "best_of", "unsupported_parameter"),
    ({"logprobs": 21}, "logprobs", "field_invalid"),
    ({"logprobs": -1}, "logprobs", "field_invalid"),
    ({"logprobs": 1, "echo": True}, "echo", "unsupported_parameter"),
    ({"prompt": ["a", "b"], "stream": True}, "stream", "unsupported_parameter"),
    ({"n": 100}, "n", "n_out_of_range"),
    ({"max_tokens": 0}, "max_tokens", "field_invalid"),
]


@pytest.mark.parametrize(("fields", "param", "code"), COMPLETIONS, ids=[str(n) for n in range(len(COMPLETIONS))])
async def test_what_a_completion_cannot_be_is_named(
    edge_http: httpx.AsyncClient, scripted: Any, fields: dict[str, Any], param: str, code: str
) -> None:
    answer = await edge_http.post("/v1/completions", json={"prompt": "x", **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert scripted.runs.started == []


async def test_vectors_as_numbers_as_base64_and_shortened(openai_client: openai.AsyncOpenAI, scripted: Any) -> None:
    usual = await openai_client.embeddings.create(model="auto", input="a")
    assert usual.data[0].embedding == [3.0, 4.0]
    assert (usual.model, usual.usage.total_tokens) == ("embedder", 1)
    plain = await openai_client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
    assert [item.index for item in plain.data] == [0, 1]
    raw = await openai_client.embeddings.with_raw_response.create(model="e", input="a", encoding_format="base64")
    told = raw.http_response.json()["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(told)) == (3.0, 4.0)
    short = await openai_client.embeddings.create(model="e", input="a", dimensions=1)
    assert short.data[0].embedding == [1.0]
    assert [request.model for request in scripted.embedding.asked] == ["", "e", "e", "e"]


EMBEDDINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"input": []}, "input", "field_invalid"),
    ({"input": ""}, "input", "field_invalid"),
    ({"input": ["a", ""]}, "input[1]", "field_invalid"),
    ({"input": ["a"] * 2049}, "input", "field_invalid"),
    ({"input": [[1, 2]]}, "input", "unsupported_parameter"),
    ({"dimensions": 3}, "dimensions", "field_invalid"),
    ({"dimensions": 0}, "dimensions", "field_invalid"),
    ({"encoding_format": "hex"}, "encoding_format", "field_invalid"),
    ({"model": "../x"}, "model", "field_invalid"),
]


@pytest.mark.parametrize(("fields", "param", "code"), EMBEDDINGS, ids=[str(n) for n in range(len(EMBEDDINGS))])
async def test_what_cannot_be_embedded_is_named(
    edge_http: httpx.AsyncClient, fields: dict[str, Any], param: str, code: str
) -> None:
    answer = await edge_http.post("/v1/embeddings", json={"input": "x", **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)


async def test_documents_are_ranked(edge_http: httpx.AsyncClient) -> None:
    asked = {"query": "q", "documents": ["a", {"text": "long"}, "bb"], "top_n": 2}
    bare = (await edge_http.post("/v1/rerank", json=asked)).json()
    assert [(one["index"], one["document"]) for one in bare["results"]] == [(1, None), (2, None)]
    full = (await edge_http.post("/v1/rerank", json={**asked, "return_documents": True})).json()
    assert full["results"][0]["document"] == {"text": "long"}
    for wrong, param in (
        ({"documents": []}, "documents"),
        ({"documents": [""]}, "documents[0]"),
        ({"query": ""}, "query"),
    ):
        error = (await edge_http.post("/v1/rerank", json={**asked, **wrong})).json()["error"]
        assert (error["param"], error["code"]) == (param, "field_invalid")


async def test_tokens_of_texts_and_conversations(edge_http: httpx.AsyncClient) -> None:
    found = (await edge_http.post("/v1/tokenize", json={"prompt": "Nile"})).json()
    assert found == {"model": "bytes", "count": 4, "max_model_len": 512, "tokens": list(b"Nile")}
    messages = [{"role": "user", "content": "Nile"}]
    assert (await edge_http.post("/v1/tokenize", json={"messages": messages})).json()["count"] == 4
    back = await edge_http.post("/v1/detokenize", json={"tokens": found["tokens"]})
    assert back.json() == {"model": "bytes", "prompt": "Nile"}
    for wrong in ({}, {"prompt": "x", "messages": messages}):
        answer = await edge_http.post("/v1/tokenize", json=wrong)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")
    assert (await edge_http.post("/v1/detokenize", json={"tokens": [-1]})).json()["error"]["param"] == "tokens[0]"
