"""What requests say of passages, from every dialect to the retrieval service."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatRequest, RagOptions, RagSearch
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo_common.errors import InvalidField
from olo_gateway.convert.rag import rag_message, rag_of, search_request
from olo_gateway.convert.runs import order_of, request_of
from olo_gateway.http import rag as dialect
from olo_gateway.http.rag_schemas import RagOptions as HttpRagOptions
from olo_gateway.runs.identity import fingerprint
from olo_gateway.runs.order import ChatOrder, Role, Turn
from olo_gateway.runs.rag import Comparison, Group, Operator, Rag, RagMode, Rewriting
from olo_gateway.runs.validation import RunLimits, accepted

ORDER = ChatOrder(turns=(Turn(Role.USER, "Where?"),), rag=Rag("demo"))
LIMITS = RunLimits(30.0, 60.0)

COMPARISONS = st.builds(
    Comparison, st.text(max_size=4), st.sampled_from(Operator), st.lists(st.text(max_size=4), max_size=3).map(tuple)
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda parts: st.builds(Group, st.booleans(), st.lists(parts, min_size=1, max_size=3).map(tuple)),
    max_leaves=6,
)
RAGS = st.builds(
    Rag,
    collection=st.just("demo"),
    top_k=st.integers(1, 50),
    retriever=st.sampled_from(["", "dense", "mine"]),
    filter=st.none() | FILTERS,
    min_score=st.none() | st.floats(-1, 1),
    mmr_lambda=st.none() | st.floats(0, 1),
    rerank=st.booleans(),
    mode=st.sampled_from(RagMode),
    rewriting=st.sampled_from(Rewriting),
)


@given(RAGS)
def test_options_pass_the_wire_unchanged(rag: Rag) -> None:
    assert rag_of(rag_message(rag)) == rag
    asked = search_request(rag_message(rag), "Where?", "t")
    assert (asked.collection, asked.top_k, asked.query, asked.tenant) == ("demo", rag.top_k, "Where?", "t")
    assert (asked.retriever, asked.rerank) == (rag.retriever, rag.rerank)
    assert (asked.HasField("min_score"), asked.HasField("mmr_lambda"), asked.HasField("filter")) == (
        rag.min_score is not None,
        rag.mmr_lambda is not None,
        rag.filter is not None,
    )


@given(RAGS, RAGS)
def test_other_options_are_another_request(one: Rag, other: Rag) -> None:
    same = fingerprint(replace(ORDER, rag=one)) == fingerprint(replace(ORDER, rag=other))
    assert same == (one == other)


def test_a_caller_cannot_bring_passages_of_its_own() -> None:
    request = ChatRequest(rag=RagOptions(collection="demo", recorded=True), messages=[{"role": 2, "content": "x"}])
    request.recorded_passages.add(index=1, text="made up")
    order = order_of(request)
    assert (order.rag, order.passages) == (Rag("demo"), ())
    again = request_of(order, stream=False, tenant="t", max_attempts=6)
    assert not again.recorded_passages
    assert not again.rag.recorded


@pytest.mark.parametrize(
    ("field", "rag"),
    [
        ("rag.retriever", Rag("demo", retriever="a b")),
        ("rag.min_score", Rag("demo", min_score=math.nan)),
        ("rag.min_score", Rag("demo", min_score=1.5)),
        ("rag.mmr_lambda", Rag("demo", mmr_lambda=-0.1)),
        ("rag.mmr_lambda", Rag("demo", mmr_lambda=math.inf)),
        ("rag.mmr_lambda", Rag("demo", mmr_lambda=0.5, rerank=True)),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_run_begins(field: str, rag: Rag) -> None:
    with pytest.raises(InvalidField) as caught:
        accepted(replace(ORDER, rag=rag), LIMITS)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("rag.mode", RagOptions(mode=77)),
        ("rag.query_rewriting", RagOptions(query_rewriting=77)),
        ("rag.search.filter", RagOptions(search=RagSearch(filter=retrieval.Filter()))),
        (
            "rag.search.filter.any[0].comparison.operator",
            RagOptions(
                search=RagSearch(
                    filter=retrieval.Filter(
                        any=retrieval.FilterGroup(
                            filters=[retrieval.Filter(comparison=retrieval.FilterComparison(key="a"))]
                        )
                    )
                )
            ),
        ),
    ],
)
def test_numbers_that_nobody_knows_are_named(field: str, message: RagOptions) -> None:
    with pytest.raises(InvalidField) as caught:
        rag_of(message)
    assert caught.value.field == field


def told(**options: Any) -> Rag:
    return dialect.rag_of(HttpRagOptions(collection="demo", **options))


def test_filters_of_the_openai_shape() -> None:
    asked = {
        "type": "or",
        "filters": [
            {"type": "eq", "key": "topic", "value": "museum"},
            {"type": "ne", "key": "open", "value": True},
            {"type": "in", "key": "year", "value": [2025, 2026]},
            {"type": "and", "filters": [{"type": "gte", "key": "price", "value": 1.5}]},
        ],
    }
    assert told(filter=asked, mode="optional", query_rewriting="hyde") == Rag(
        "demo",
        4,
        mode=RagMode.OPTIONAL,
        rewriting=Rewriting.HYDE,
        filter=Group(
            False,
            (
                Comparison("topic", Operator.IN, ("museum",)),
                Comparison("open", Operator.NOT_IN, ("true",)),
                Comparison("year", Operator.IN, ("2025", "2026")),
                Group(True, (Comparison("price", Operator.GREATER_OR_EQUAL, ("1.5",)),)),
            ),
        ),
    )
    assert told() == Rag("demo", 4)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": "b"}
    for _ in range(levels - 1):
        inner = {"type": "and", "filters": [inner]}
    return inner


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("rag.filter.type", {}),
        ("rag.filter.type", {"type": ["eq"], "key": "a", "value": "b"}),
        ("rag.filter.type", {"must_not": [{"key": "tenant_id"}]}),
        ("rag.filter.key", {"type": "eq", "value": "b"}),
        ("rag.filter.value", {"type": "eq", "key": "a"}),
        ("rag.filter.value", {"type": "eq", "key": "a", "value": ["b"]}),
        ("rag.filter.value", {"type": "in", "key": "a", "value": "b"}),
        ("rag.filter.value", {"type": "in", "key": "a", "value": [{}]}),
        ("rag.filter.filters", {"type": "and", "filters": []}),
        ("rag.filter.filters[1]", {"type": "and", "filters": [nested(1), "x"]}),
        ("rag.filter.filters[0].filters[0].filters[0].filters[0]", nested(5)),
    ],
)
def test_a_wrong_filter_is_named(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidField) as caught:
        told(filter=asked)
    assert (caught.value.field, caught.value.reason) == (field, "filter_invalid")


def test_every_state_has_a_word_in_the_dialect() -> None:
    for number in run_pb2.GroundingState.values():
        response = run_pb2.ChatResponse(grounding=run_pb2.Grounding(state=number))
        if number:
            assert dialect.grounding_of(response) is not None
    assert dialect.grounding_of(run_pb2.ChatResponse()) is None
