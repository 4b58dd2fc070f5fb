"""A question goes in, a grounded answer comes out, in every dialect that works today."""

from __future__ import annotations

import itertools
import json
import re

import httpx
import pytest
from openai import OpenAI

from olo.gateway.v1.run_pb2 import GroundingState
from olo_client import Olo
from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FACTS = [
    ("When did the harbour tram of Saltmere begin to run?", "tram.md", "began to run in 1908"),
    ("Where does the drinking water of Saltmere come from?", "waterworks.md", "three springs on Gull Hill"),
    ("When was the comet Brandmark first seen?", "observatory.md", "on 3 February 1902"),
]
REFUSAL = "The passages do not say."
RAG = {"collection": "demo", "top_k": 4}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"\[\d+\]", " ", text.lower()))


def made_of(answer: str, passages: list[str]) -> bool:
    """Whether the answer refuses, or nearly all of its word pairs stand in the passages."""
    if answer.strip().startswith(REFUSAL):
        return True
    given = [words(passage) for passage in passages]
    pairs = {pair for passage in given for pair in itertools.pairwise(passage)}
    said = words(answer)
    asked = list(itertools.pairwise(said))
    return bool(asked) and sum(pair in pairs for pair in asked) >= 0.8 * len(asked)


@pytest.fixture(scope="module")
def openai_client(stack: Stack) -> OpenAI:
    return OpenAI(base_url=f"{stack.url}/v1", api_key="unused", max_retries=0)


@pytest.mark.parametrize(("question", "source", "fact"), FACTS)
def test_the_passage_with_the_fact_comes_first(stack: Stack, question: str, source: str, fact: str) -> None:
    with Olo(stack.target) as olo:
        answer = olo.chat(question, collection="demo", top_k=4)
    first = answer.citations[0]
    assert first.source.endswith(source)
    assert fact in first.text
    assert [citation.index for citation in answer.citations] == [1, 2, 3, 4]
    assert made_of(answer.message.content, [citation.text for citation in answer.citations])
    assert fact in answer.message.content
    assert answer.message.content.rstrip().endswith("[1]")
    assert [citation.index for citation in answer.citations if citation.cited] == [1]
    assert answer.model == "olo-demo"
    assert answer.selection.candidates[answer.selection.chosen_index].explanation
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0


def test_what_no_passage_supports_is_refused(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        answer = olo.chat("What is the price of a helicopter?", collection="demo", top_k=4)
    assert answer.message.content.strip() == REFUSAL
    assert not any(citation.cited for citation in answer.citations)


@pytest.mark.parametrize("rewrite", ["multi_query", "hyde"])
def test_a_model_may_rewrite_the_question_first(stack: Stack, rewrite: str) -> None:
    question, source, fact = FACTS[0]
    said = json.loads(stack.olo("chat", question, "--collection", "demo", "--rewrite", rewrite, "--json"))
    grounding = said["grounding"]
    assert grounding["queries"][0] == question
    # On a busy machine the rewriting may come too late; then there is a reason, and the answer all the same.
    assert (len(grounding["queries"]) > 1) != bool(grounding["rewriting_failure"])
    assert said["citations"][0]["source"].endswith(source)
    assert fact in said["message"]["content"]
    assert [mark["supported"] for mark in grounding["marks"]] == [True]


def test_a_missing_collection_is_no_error_where_passages_are_optional(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        answer = olo.chat(FACTS[0][0], collection="nowhere", rag_mode="optional")
        run = olo.runs.get(answer.run_id)
    assert run.response.grounding.state == GroundingState.GROUNDING_STATE_UNAVAILABLE
    assert run.response.grounding.failure_reason
    assert not answer.citations


def test_more_passages_than_fit_are_left_out_by_rank(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        answer = olo.chat(FACTS[0][0], collection="demo", top_k=50)
    left_out = [citation.left_out for citation in answer.citations]
    assert left_out == sorted(left_out)
    assert sum(left_out) == answer.grounding.passages_left_out > 0
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens < 2048


def test_the_history_shows_retrieve_select_generate(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        answer = olo.chat(FACTS[0][0], collection="demo")
        run = olo.runs.get(answer.run_id)
    assert run.response.message.content == answer.message.content
    for step in (answer.timings.retrieve, answer.timings.select, answer.timings.generate, answer.timings.total):
        assert step.ToTimedelta().total_seconds() > 0
    assert [attempt.model_id for attempt in answer.attempts] == ["olo-demo"]


def test_the_openai_client_as_it_is(openai_client: OpenAI) -> None:
    question, source, fact = FACTS[1]
    completion = openai_client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": question}], extra_body={"rag": RAG}
    )
    extra = completion.model_dump()["olo"]
    assert completion.model == "olo-demo"
    assert completion.choices[0].finish_reason in ("stop", "length")
    assert extra["run_id"]
    assert extra["selection"]
    assert extra["citations"][0]["source"].endswith(source)
    assert fact in extra["citations"][0]["text"]
    assert made_of(completion.choices[0].message.content or "", [c["text"] for c in extra["citations"]])
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


def test_the_openai_client_streams_what_is_stored(stack: Stack, openai_client: OpenAI) -> None:
    chunks = list(
        openai_client.chat.completions.create(
            model="olo-demo",
            messages=[{"role": "user", "content": FACTS[0][0]}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"rag": RAG},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    last = next(chunk for chunk in reversed(chunks) if chunk.choices)
    run_id = last.model_dump()["olo"]["run_id"]
    assert last.choices[0].finish_reason in ("stop", "length")
    assert chunks[-1].usage is not None
    with Olo(stack.target) as olo:
        assert olo.runs.get(run_id).response.message.content == text


def test_the_other_model_when_it_is_named(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(
        model="olo-demo-mini", messages=[{"role": "user", "content": FACTS[0][0]}], extra_body={"rag": RAG}
    )
    assert completion.model == "olo-demo-mini"


def test_models_are_listed(openai_client: OpenAI) -> None:
    assert {model.id for model in openai_client.models.list()} >= {"olo-demo", "olo-demo-mini"}


def test_the_command_line_answers(stack: Stack) -> None:
    said = json.loads(stack.olo("chat", FACTS[0][0], "--collection", "demo", "--json"))
    assert said["citations"][0]["source"].endswith("tram.md")
    assert said["model"] == "olo-demo"


def test_one_request_id_is_one_run(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        first = olo.chat(FACTS[0][0], collection="demo", request_id="e2e-same")
        second = olo.chat(FACTS[0][0], collection="demo", request_id="e2e-same")
    assert first == second


def test_embeddings_through_the_edge(stack: Stack) -> None:
    with Olo(stack.target) as olo:
        embedded = olo.embed(["a harbour tram", "a tram at the harbour", "income tax"])
    near = sum(a * b for a, b in zip(embedded.vectors[0], embedded.vectors[1], strict=True))
    far = sum(a * b for a, b in zip(embedded.vectors[0], embedded.vectors[2], strict=True))
    assert near > 0.8 > far


def test_a_background_response_is_grounded_and_continued(openai_client: OpenAI) -> None:
    question, source, fact = FACTS[0]
    made = openai_client.responses.create(model="auto", input=question, background=True, extra_body={"rag": RAG})
    events = list(openai_client.responses.retrieve(made.id, stream=True))
    assert events[-1].type == "response.completed"
    found = openai_client.responses.retrieve(made.id)
    assert fact in found.output_text
    annotations = found.output[0].content[0].annotations  # type: ignore[union-attr]
    assert [note.filename.endswith(source) for note in annotations] == [True]  # type: ignore[union-attr]
    again = openai_client.responses.create(
        model="auto", input=question, previous_response_id=made.id, extra_body={"rag": RAG}
    )
    assert again.previous_response_id == made.id
    assert again.output_text


def test_vectors_and_tokens_come_from_the_models_that_are_there(openai_client: OpenAI, stack: Stack) -> None:
    made = openai_client.embeddings.create(model="auto", input=["tram", "harbour tram"], dimensions=64)
    assert [len(item.embedding) for item in made.data] == [64, 64]
    text = "The tram began to run in 1908. <|end|>"
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        told = http.post("/v1/tokenize", json={"prompt": text}).json()
        assert http.post("/v1/detokenize", json={"tokens": told["tokens"]}).json()["prompt"] == text
        assert told["count"] == len(told["tokens"]) < len(text)
