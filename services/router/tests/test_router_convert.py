"""Requests as they come in over the wire: bounded, or refused with the name of the field."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from olo.common.v1.common_pb2 import HARDWARE_TYPE_GPU
from olo.router.v1 import router_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_router.convert import MAX_CANDIDATES, wish_of
from olo_router.selection.constraints import NONE


def test_what_is_left_out_has_its_default() -> None:
    wish = wish_of(pb.SelectModelsRequest())
    request = wish.request
    assert (request.max_candidates, request.completion_tokens, request.deadline) == (3, 128, None)
    assert request.constraints is NONE
    assert wish.prompt is None
    # Who gives no id is drawn for anew each time.
    assert request.request_id != wish_of(pb.SelectModelsRequest()).request.request_id


def test_empty_constraints_are_none() -> None:
    assert wish_of(pb.SelectModelsRequest(constraints=pb.Constraints())).request.constraints is NONE


def test_constraints_are_read() -> None:
    message = pb.Constraints(
        min_quality=0.0, max_latency=Duration(seconds=1, nanos=500_000_000), hardware_type=HARDWARE_TYPE_GPU
    )
    read = wish_of(pb.SelectModelsRequest(constraints=message)).request.constraints
    assert (read.min_quality, read.max_seconds, read.max_cost, read.hardware) == (0.0, 1.5, None, "gpu")


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("profile", pb.SelectModelsRequest(profile="x" * 65)),
        ("request_id", pb.SelectModelsRequest(request_id="x" * 257)),
        ("conversation_id", pb.SelectModelsRequest(conversation_id="x" * 257)),
        ("prompt_tokens", pb.SelectModelsRequest(prompt_tokens=2**31)),
        ("model_type", pb.SelectModelsRequest(model_type=99)),  # type: ignore[arg-type]
        ("constraints.hardware_type", pb.SelectModelsRequest(constraints=pb.Constraints(hardware_type=9))),  # type: ignore[arg-type]
        ("constraints.min_quality", pb.SelectModelsRequest(constraints=pb.Constraints(min_quality=-1))),
        ("constraints.max_latency", pb.SelectModelsRequest(constraints=pb.Constraints(max_latency=Duration()))),
        ("constraints.labels", pb.SelectModelsRequest(constraints=pb.Constraints(labels={"a": "b" * 200}))),
    ],
)
def test_what_is_out_of_range_is_named(field: str, request_: pb.SelectModelsRequest) -> None:
    with pytest.raises(InvalidField) as caught:
        wish_of(request_)
    assert caught.value.field == field


@given(st.binary(max_size=200))
def test_any_message_is_read_or_refused(junk: bytes) -> None:
    try:
        message = pb.SelectModelsRequest.FromString(junk)
    except Exception:
        return
    try:
        wish = wish_of(message)
    except InvalidField:
        return
    assert 1 <= wish.request.max_candidates <= MAX_CANDIDATES
