from __future__ import annotations

import math
from dataclasses import replace

import pytest

from olo_common.errors import ErrorCode, InvalidField, StartupError
from olo_common.settings import load_settings
from olo_gateway.runs.order import ChatOrder, Rag, Role, Sampling, Turn
from olo_gateway.runs.validation import INLINE_CONTENT_BYTES, RunLimits, accepted
from olo_gateway.settings import GatewaySettings

LIMITS = RunLimits(default=120.0, maximum=600.0)
QUESTION = Turn(Role.USER, "Where is the Nile?")
ORDER = ChatOrder(turns=(QUESTION,))


def sampled(**options: object) -> ChatOrder:
    return replace(ORDER, sampling=Sampling(**options))  # type: ignore[arg-type]


REFUSED = [
    (replace(ORDER, turns=()), "messages"),
    (replace(ORDER, turns=(Turn(Role.USER, " \n"),)), "messages[0].content"),
    (replace(ORDER, turns=(QUESTION, Turn(Role.SYSTEM, "late"))), "messages[1].role"),
    (replace(ORDER, wait_for_model=0.0), "wait_for_model"),
    (replace(ORDER, wait_for_model=float("nan")), "wait_for_model"),
    (replace(ORDER, wait_for_model=1e9), "wait_for_model"),
    (replace(ORDER, turns=(Turn(Role.USER, "x" * (INLINE_CONTENT_BYTES + 1)),)), "messages"),
    (replace(ORDER, turns=(Turn(Role.USER, "\ud800"),)), "messages[0].content"),
    (replace(ORDER, turns=(QUESTION,) * 1025), "messages"),
    (replace(ORDER, model="../etc"), "model"),
    (replace(ORDER, model="a" * 10_000), "model"),
    (replace(ORDER, request_id="a b"), "request_id"),
    (replace(ORDER, request_id="a" * 129), "request_id"),
    (replace(ORDER, timeout=0.0), "timeout"),
    (replace(ORDER, timeout=-1.0), "timeout"),
    (replace(ORDER, timeout=math.nan), "timeout"),
    (replace(ORDER, timeout=math.inf), "timeout"),
    (replace(ORDER, timeout=601.0), "timeout"),
    (replace(ORDER, rag=Rag("Demo")), "rag.collection"),
    (replace(ORDER, rag=Rag("demo", 51)), "rag.top_k"),
    (replace(ORDER, rag=Rag("demo"), turns=(Turn(Role.SYSTEM, "x"),)), "messages"),
    (sampled(max_tokens=0), "sampling.max_tokens"),
    (sampled(max_tokens=10**9), "sampling.max_tokens"),
    (sampled(temperature=-0.1), "sampling.temperature"),
    (sampled(temperature=math.nan), "sampling.temperature"),
    (sampled(temperature=1e308), "sampling.temperature"),
    (sampled(top_p=0.0), "sampling.top_p"),
    (sampled(top_p=math.nan), "sampling.top_p"),
    (sampled(top_k=0), "sampling.top_k"),
    (sampled(repetition_penalty=math.nan), "sampling.repetition_penalty"),
    (sampled(stop=("a",) * 17), "sampling.stop"),
    (sampled(stop=("a", "")), "sampling.stop[1]"),
]


@pytest.mark.parametrize(("order", "field"), REFUSED, ids=[f"{n}-{field}" for n, (_, field) in enumerate(REFUSED)])
def test_a_wrong_field_is_named(order: ChatOrder, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        accepted(order, LIMITS)
    assert caught.value.field == field
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert "\ud800" not in caught.value.message


def test_defaults_are_filled_in() -> None:
    order = accepted(replace(ORDER, model="auto", rag=Rag("demo")), LIMITS)
    assert (order.model, order.timeout, order.rag) == ("", 120.0, Rag("demo", 4))


def test_what_is_in_range_is_kept() -> None:
    order = replace(
        ORDER,
        turns=(Turn(Role.SYSTEM, "Be brief."), QUESTION, Turn(Role.ASSISTANT, ""), QUESTION),
        model="org/model-1:8b",
        timeout=600.0,
        request_id="a" * 128,
        sampling=Sampling(max_tokens=1, temperature=0.0, top_p=1.0, top_k=1, repetition_penalty=1.0, stop=("x",)),
    )
    assert accepted(order, LIMITS) == order


def test_the_transport_shortens_the_time_and_never_lengthens_it() -> None:
    assert replace(ORDER, timeout=5.0).within(3.0).timeout == 3.0
    assert replace(ORDER, timeout=5.0).within(30.0).timeout == 5.0
    assert ORDER.within(3.0).timeout == 3.0
    assert ORDER.within(None).timeout is None
    expired = ORDER.within(-1.0).timeout
    assert expired is not None
    assert expired > 0


def test_who_waits_for_a_model_has_the_usual_time_beside() -> None:
    assert accepted(replace(ORDER, wait_for_model=5.0), RunLimits(30.0, 60.0)).timeout == 35.0
    assert accepted(replace(ORDER, wait_for_model=50.0), RunLimits(30.0, 60.0)).timeout == 60.0
    assert accepted(replace(ORDER, wait_for_model=50.0, timeout=3.0), RunLimits(30.0, 60.0)).timeout == 3.0


def test_a_gateway_with_a_store_may_take_more_text() -> None:
    large = replace(ORDER, turns=(Turn(Role.USER, "x" * (INLINE_CONTENT_BYTES + 1)),))
    assert accepted(large, RunLimits(30.0, 60.0, content_bytes=2 * INLINE_CONTENT_BYTES)).turns == large.turns
    with pytest.raises(StartupError, match="OLO_PAYLOAD_STORE"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLO_GATEWAY_MAX_CONTENT_BYTES", str(2 * INLINE_CONTENT_BYTES))
        load_settings(GatewaySettings)
