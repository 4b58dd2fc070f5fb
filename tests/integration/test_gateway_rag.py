"""Answers from passages: what is searched, what is put before a model, what is told, on real Temporal and NATS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import openai
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.worker import Worker
from tests.integration.gateway_world import World, key
from tests.integration.rag_world import TEXTS, RagWorld, Reader

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import RagOptions, RagSearch, Run
from olo.inference.v1.inference_service_pb2 import (
    ROLE_ASSISTANT,
    ROLE_USER,
    ChatMessage,
)
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo_common.errors import OloError
from olo_common.grpc_client import call
from olo_common.settings import PayloadSettings
from olo_contracts.queues import llm_queue
from olo_gateway.workflows import retrieving, rewriting

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
async def running_world(nats_url: str, temporal_address: str) -> AsyncIterator[RagWorld]:
    world = RagWorld(PayloadSettings(store=""))
    async with world.stack:
        await world.build(nats_url, temporal_address)
        world.reader = Reader()
        for model_id in ("reader", "broken"):
            worker = Worker(world.client, task_queue=llm_queue(model_id), activities=[world.reader.generate])
            await world.stack.enter_async_context(worker)
        yield world


@pytest.fixture
def world(running_world: RagWorld, monkeypatch: pytest.MonkeyPatch) -> RagWorld:
    # On a machine with much else to do, what is there must not look as if it were away.
    monkeypatch.setattr(retrieving, "OPTIONAL_PATIENCE", timedelta(seconds=30))
    for limit in ("REWRITING_TIME", "SELECT_PATIENCE", "FREE_SLOT_TIMEOUT"):
        monkeypatch.setattr(rewriting, limit, timedelta(seconds=30))
    library, routing, reader = running_world.retrieval, running_world.router, running_world.reader
    library.finds, library.around, library.down = {}, {}, False
    library.asked.clear()
    reader.given.clear()
    reader.most_passages = 99
    routing.limits = {}
    return running_world


async def shown(world: World, run_id: str) -> Run:
    request = gateway.GetRunRequest(run_id=run_id)
    return (await call(world.gateway.GetRun, request, peer="gateway", timeout=5)).run  # type: ignore[no-any-return]


def rag(**options: Any) -> RagOptions:
    return RagOptions(collection="demo", **options)


async def test_the_answer_says_where_its_marks_stand_and_whether_they_hold(world: RagWorld) -> None:
    search = RagSearch(retriever="sparse", min_score=0.25, rerank=True)
    search.filter.comparison.CopyFrom(retrieval.FilterComparison(key="topic", operator=1, values=["river"]))
    answer = await world.chat("Where?", model="reader", rag=rag(top_k=2, search=search))
    text, told = answer.message.content, answer.grounding
    assert told.state == run_pb2.GROUNDING_STATE_GROUNDED
    assert [text[mark.start_offset : mark.end_offset] for mark in told.marks] == ["[1]", "[2]", "[9]"]
    assert [(mark.index, mark.supported) for mark in told.marks] == [(1, True), (2, False), (9, False)]
    assert [citation.cited for citation in answer.citations] == [True, True]
    first = answer.citations[0]
    assert (first.start_offset, first.end_offset, first.page, list(first.heading_path)) == (3, 9, 2, ["Rivers"])
    (asked,) = world.retrieval.asked
    assert (asked.retriever, asked.min_score, asked.rerank, asked.query) == ("sparse", 0.25, True, "Where?")
    assert asked.filter == search.filter
    assert (told.retriever, list(told.queries)) == ("sparse", ["Where?"])


async def test_a_question_is_asked_in_other_ways_and_the_rankings_are_fused(world: RagWorld) -> None:
    world.retrieval.finds = {
        "Where?": ["length", "mouth"],
        "What is the spring of the Nile?": ["source", "mouth"],
        "Where does the Nile begin?": ["source"],
    }
    options = rag(top_k=2, query_rewriting="QUERY_REWRITING_MULTI_QUERY")
    answer = await world.chat("Where?", model="reader", rag=options)
    assert (
        [asked.query for asked in world.retrieval.asked]
        == list(answer.grounding.queries)
        == [
            "Where?",
            "What is the spring of the Nile?",
            "Where does the Nile begin?",
        ]
    )
    assert [citation.chunk_id for citation in answer.citations] == ["source", "mouth"]
    assert [citation.index for citation in answer.citations] == [1, 2]
    assert (answer.grounding.rewriting_usage.prompt_tokens, answer.grounding.rewriting_failure) == (5, "")
    assert world.reader.given[0].request_id != world.reader.given[1].request_id == answer.run_id
    assert [attempt.model_id for attempt in answer.attempts] == ["reader"]
    steps = await world.steps(answer.run_id)
    assert steps == ["select", "generate", "retrieve", "retrieve", "retrieve", "select", "generate"]
    await world.record("rag_rewritten", answer.run_id)


async def test_a_conversation_becomes_one_question(world: RagWorld) -> None:
    messages = [
        ChatMessage(role=ROLE_USER, content="Do you know the Nile?"),
        ChatMessage(role=ROLE_ASSISTANT, content="Yes."),
    ]
    request = run_pb2.ChatRequest(
        messages=[*messages, ChatMessage(role=ROLE_USER, content="And its end?")],
        model="reader",
        rag=rag(query_rewriting="QUERY_REWRITING_CONDENSE"),
    )
    answer = await call(world.gateway.Chat, request, peer="gateway", timeout=30)
    assert list(answer.grounding.queries) == ["Where does the Nile end?"]
    assert world.reader.given[-1].messages[-1].content.endswith("Question: And its end?")


async def test_where_no_model_can_rewrite_the_question_itself_is_searched_for(world: RagWorld) -> None:
    options = rag(query_rewriting="QUERY_REWRITING_MULTI_QUERY")
    answer = await world.chat("Cannot?", model="reader", rag=options)
    assert (list(answer.grounding.queries), answer.grounding.rewriting_failure) == (["Cannot?"], "internal")
    assert answer.grounding.marks[0].supported
    await world.record("rag_not_rewritten", answer.run_id)


async def test_what_can_do_without_passages_is_answered_and_says_so(
    world: RagWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieving, "OPTIONAL_PATIENCE", timedelta(seconds=0.3))
    world.retrieval.down = True
    answer = await world.chat("Where?", model="reader", rag=rag(mode="RAG_MODE_OPTIONAL"))
    assert answer.message.content == "Nobody told me: Where?"
    assert [message.content for message in world.reader.given[-1].messages] == ["Where?"]
    assert answer.grounding.state == run_pb2.GROUNDING_STATE_UNAVAILABLE
    assert answer.grounding.failure_reason in ("model_unavailable", "dependency_unavailable")
    assert (await shown(world, answer.run_id)).response.grounding == answer.grounding
    await world.record("rag_optional", answer.run_id)


async def test_a_missing_collection_is_an_error_only_where_passages_are_required(world: RagWorld) -> None:
    answer = await world.chat("Where?", model="reader", rag=RagOptions(collection="other", mode="RAG_MODE_OPTIONAL"))
    assert (answer.grounding.state, answer.grounding.failure_reason) == (
        run_pb2.GROUNDING_STATE_UNAVAILABLE,
        "collection_not_found",
    )
    with pytest.raises(OloError) as missing:
        await world.chat("Where?", model="reader", rag=RagOptions(collection="other"))
    assert missing.value.reason == "collection_not_found"


async def test_a_wrong_search_is_an_error_also_where_passages_are_optional(world: RagWorld) -> None:
    options = rag(mode="RAG_MODE_OPTIONAL", search=RagSearch(retriever="wrong"))
    with pytest.raises(OloError) as wrong:
        await world.chat("Where?", model="reader", rag=options)
    assert (wrong.value.reason, wrong.value.field) == ("field_invalid", "retriever")


async def test_required_passages_that_cannot_be_searched_fail_the_run_with_the_reason(world: RagWorld) -> None:
    world.retrieval.down = True
    with pytest.raises(OloError) as caught:
        await world.chat("Where?", model="reader", rag=rag(), timeout=Duration(seconds=1))
    assert caught.value.reason in ("model_unavailable", "dependency_unavailable", "deadline_exceeded")


async def test_a_fallback_with_a_smaller_context_gets_fewer_passages(world: RagWorld) -> None:
    world.router.limits = {"broken": 4000, "reader": 100}
    answer = await world.chat("Where?", model="broken-then-reader", allow_fallback=True, rag=rag())
    large, small = (given.messages[-1].content.splitlines() for given in world.reader.given)
    assert (len(large), answer.attempts[0].model_id, answer.attempts[1].model_id) == (4, "broken", "reader")
    assert 2 <= len(small) < 4
    left_out = [citation.left_out for citation in answer.citations]
    assert left_out == [number >= len(small) for number in (1, 2, 3)]
    assert answer.grounding.passages_left_out == sum(left_out)


async def test_a_model_that_finds_the_prompt_too_long_is_given_fewer_passages(world: RagWorld) -> None:
    world.reader.most_passages = 2
    answer = await world.chat("Where?", model="reader", rag=rag())
    assert [attempt.failure_reason for attempt in answer.attempts] == ["context_too_long", ""]
    first, _, last = (citation.left_out for citation in answer.citations)
    assert last and not first
    assert answer.selection.chosen_index == 1
    assert world.reader.given[-1].candidate == 2
    await world.record("rag_refit", answer.run_id)


async def test_the_text_around_a_passage_is_put_before_the_model_where_there_is_room(world: RagWorld) -> None:
    around = f"Rivers are long. {TEXTS['source']} {TEXTS['mouth']} It was dry in 1999."
    world.retrieval.around = {"source": around, "mouth": around}
    answer = await world.chat("Where?", model="reader", rag=rag())
    lines = world.reader.given[-1].messages[-1].content.splitlines()
    assert lines[:3] == [f"[1] {around}", f"[2] {TEXTS['mouth']}", f"[3] {TEXTS['length']}"]
    first, second, _ = answer.citations
    assert (first.text, first.start_offset, first.end_offset) == (TEXTS["source"], 3, 9)
    assert (first.context_text, second.context_text) == (around, "")
    assert answer.grounding.marks[0].supported, "it is held against what the model has seen"
    await world.record("rag_around", answer.run_id)
    replayed = await call(
        world.gateway.ReplayRun, gateway.ReplayRunRequest(run_id=answer.run_id), peer="gateway", timeout=30
    )
    assert replayed.replay.citations == answer.citations
    assert world.reader.given[-1].messages == world.reader.given[0].messages
    world.reader.given.clear()
    world.router.limits = {"reader": 100}
    answer = await world.chat("Where?", model="reader", rag=rag())
    assert answer.citations[0].context_text == ""
    assert world.reader.given[-1].messages[-1].content.startswith(f"[1] {TEXTS['source']}\n")


async def test_a_model_that_takes_no_passage_is_not_asked_for_ever(world: RagWorld) -> None:
    world.reader.most_passages = 0
    with pytest.raises(OloError) as caught:
        await world.chat("Where?", model="reader", rag=rag(), request_id=(request_id := key()))
    assert caught.value.reason == "context_too_long"
    told = (await shown(world, f"run-{request_id}")).details
    assert told.grounding.passages_left_out == 2
    assert [attempt.failure_reason for attempt in told.attempts] == ["context_too_long"] * 2


async def test_a_replay_of_a_run_that_had_found_nothing_is_told_to_answer_from_passages_too(world: RagWorld) -> None:
    world.retrieval.finds = {"Where?": []}
    answer = await world.chat("Where?", model="reader", rag=rag())
    assert answer.grounding.state == run_pb2.GROUNDING_STATE_NOTHING_FOUND
    request = gateway.ReplayRunRequest(run_id=answer.run_id)
    replayed = await call(world.gateway.ReplayRun, request, peer="gateway", timeout=30)
    first, second = world.reader.given
    assert list(first.messages) == list(second.messages)
    assert first.messages[0].content.startswith("Answer the question from the passages")
    assert replayed.replay.grounding.state == run_pb2.GROUNDING_STATE_NOTHING_FOUND
    assert len(world.retrieval.asked) == 1
    await world.record("replayed_nothing", replayed.replay.run_id)


async def test_a_replay_has_the_passages_of_then_with_their_places(world: RagWorld) -> None:
    answer = await world.chat("Where?", model="reader", rag=rag())
    request = gateway.ReplayRunRequest(run_id=answer.run_id)
    replayed = await call(world.gateway.ReplayRun, request, peer="gateway", timeout=30)
    assert replayed.replay.citations == answer.citations
    assert replayed.replay.grounding.marks == answer.grounding.marks


async def test_nothing_found_is_an_ordinary_chat_where_passages_are_optional(world: RagWorld) -> None:
    world.retrieval.finds = {"Where?": []}
    answer = await world.chat("Where?", model="reader", rag=rag(mode="RAG_MODE_OPTIONAL"))
    assert answer.message.content == "Nobody told me: Where?"
    assert answer.grounding.state == run_pb2.GROUNDING_STATE_NOTHING_FOUND


async def test_the_openai_client_gets_annotations_at_once_and_at_the_end_of_a_stream(world: RagWorld) -> None:
    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{world.http_port}/v1", api_key="none", max_retries=0)
    asked: dict[str, Any] = {
        "collection": "demo",
        "mode": "optional",
        "retriever": "dense",
        "filter": {"type": "and", "filters": [{"type": "eq", "key": "topic", "value": "river"}]},
        "mmr_lambda": 0.5,
        "query_rewriting": "none",
    }
    async with client:
        messages: list[Any] = [{"role": "user", "content": "Where?"}]
        answer = await client.chat.completions.create(model="reader", messages=messages, extra_body={"rag": asked})
        said = answer.choices[0].message
        (annotation,) = said.annotations or []
        place = annotation.url_citation
        assert (said.content or "")[place.start_index : place.end_index] == "[1]"
        assert (annotation.type, place.url, place.title) == ("url_citation", "nile.md", "Nile")
        extra: Any = answer.model_extra
        assert extra["olo"]["grounding"]["state"] == "grounded"
        assert [mark["supported"] for mark in extra["olo"]["grounding"]["marks"]] == [True, False, False]
        assert extra["olo"]["citations"][0]["page"] == 2
        stream = await client.chat.completions.create(
            model="reader", messages=messages, stream=True, extra_body={"rag": asked}
        )
        last: Any = [chunk async for chunk in stream if chunk.choices][-1]
        assert last.choices[0].delta.annotations[0]["url_citation"]["start_index"] == place.start_index
        assert last.olo["grounding"]["passages_used"] == 3
        with pytest.raises(openai.BadRequestError) as caught:
            wrong = {**asked, "filter": {"type": "like", "key": "a", "value": "b"}}
            await client.chat.completions.create(model="reader", messages=messages, extra_body={"rag": wrong})
        assert (caught.value.code, caught.value.param) == ("filter_invalid", "rag.filter.type")
    searched = world.retrieval.asked[0]
    assert (searched.retriever, searched.mmr_lambda) == ("dense", 0.5)
    (part,) = searched.filter.all.filters
    assert (part.comparison.key, list(part.comparison.values)) == ("topic", ["river"])
