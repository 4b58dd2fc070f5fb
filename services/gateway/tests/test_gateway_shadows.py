"""How alike two answers are, and what a run notes of its shadow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.run_pb2 import (
    RAG_MODE_OPTIONAL,
    Attempt,
    ChatRequest,
    ChatResponse,
    Citation,
    RagOptions,
    Selection,
)
from olo.inference.v1.inference_service_pb2 import ROLE_USER, ChatMessage
from olo.router.v1.router_service_pb2 import SelectModelsResponse, Shadow
from olo_gateway.convert.mirroring import mirrored
from olo_gateway.convert.routing import keep
from olo_gateway.http.answers import details_of
from olo_gateway.runs.comparison import similarity
from olo_gateway.runs.identity import run_id_of, shadow_id_of


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_within_0_and_1_and_1_for_the_same(one: str, other: str) -> None:
    assert similarity(one, one) == 1
    assert similarity(one, other) == similarity(other, one)
    assert 0 <= similarity(one, other) <= 1


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("The Nile rises.", "the  nile\nrises.", 1, 1),
        ("The Nile rises in Burundi.", "The Nile rises in Rwanda.", 0.6, 0.9),
        ("The Nile rises in Burundi.", "Why?", 0, 0.1),
        ("4", "5", 0, 0),
        ("", "5", 0, 0),
        ("", "", 1, 1),
        ("\u5c3c\u7f57\u6cb3\u5411\u5317\u6d41", "\u5c3c\u7f57\u6cb3\u5411\u5357\u6d41", 0.3, 0.8),
    ],
)
def test_similarity_is_what_a_reader_would_expect(one: str, other: str, least: float, most: float) -> None:
    assert least <= similarity(one, other) <= most


def test_similarity_is_linear_so_that_long_texts_hold_no_workflow_up() -> None:
    assert similarity("ab" * 200_000, "ba" * 200_000) > 0.99


@given(st.text("abc-", max_size=140))
def test_the_id_of_a_shadow_is_short_enough_for_a_generation(request_id: str) -> None:
    run_id = run_id_of(request_id)
    assert len(shadow_id_of(run_id)) <= 128
    assert shadow_id_of(run_id) != run_id


def test_the_run_keeps_the_shadow_of_the_last_decision() -> None:
    selection = Selection()
    keep(selection, SelectModelsResponse(shadow=Shadow(model_id="two", skipped="it has no free slot")))
    assert selection.shadow.skipped == "it has no free slot"
    keep(selection, SelectModelsResponse())
    assert not selection.HasField("shadow")


def test_a_shadow_is_given_the_passages_that_the_answer_had() -> None:
    shadow = Shadow(model_id="two")
    request = ChatRequest(messages=[ChatMessage(role=ROLE_USER, content="Where?")], rag=RagOptions(collection="c"))
    response = ChatResponse(selection=Selection(shadow=shadow), attempts=[Attempt(model_id="one")])
    response.citations.extend([Citation(index=1, text="first"), Citation(index=2, text="second", left_out=True)])
    assert mirrored(request, response, shadow).messages[-1].content == "[1] first\nQuestion: Where?"
    request.rag.mode = RAG_MODE_OPTIONAL
    response.ClearField("citations")
    assert list(mirrored(request, response, shadow).messages) == list(request.messages)


@pytest.mark.parametrize(("skipped", "expected"), [("", "two"), ("it has no free slot", None)])
def test_http_callers_are_told_where_the_request_goes_too(skipped: str, expected: str | None) -> None:
    response = ChatResponse(selection=Selection(shadow=Shadow(model_id="two", skipped=skipped)))
    assert details_of(response).selection.mirrored_to == expected
    assert details_of(ChatResponse()).selection.mirrored_to is None
