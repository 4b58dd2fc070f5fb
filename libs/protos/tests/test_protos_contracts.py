"""Names and encodings of the contracts."""

from __future__ import annotations

import re

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st

import olo_events
from olo.common.v1 import common_pb2
from olo.embedding.v1 import embedding_service_pb2
from olo.gateway.v1 import gateway_service_pb2, run_pb2
from olo.inference.v1 import inference_service_pb2
from olo.registry.v1 import registry_service_pb2
from olo.retrieval.v1 import retrieval_service_pb2
from olo.router.v1 import router_service_pb2
from olo_contracts import identifiers, subjects, vectors

FILES = [
    common_pb2,
    embedding_service_pb2,
    gateway_service_pb2,
    run_pb2,
    inference_service_pb2,
    registry_service_pb2,
    retrieval_service_pb2,
    router_service_pb2,
]
SUBJECT = re.compile(r"olo\.(registry|llm-worker)\.v1\.[a-z]+\.[a-z]+(\.[A-Za-z0-9_-]+)?")
EVENTS = [getattr(olo_events, name) for name in olo_events.__all__ if not name.endswith("Type")]


@pytest.mark.parametrize("event_type", EVENTS)
def test_every_event_has_a_subject(event_type: type[subjects.Event]) -> None:
    assert SUBJECT.fullmatch(subjects.subject_of(event_type()))
    assert subjects.pattern_of(event_type).startswith("olo.")


@given(st.text())
def test_no_id_widens_a_subject(identifier: str) -> None:
    subject = subjects.subject_of(olo_events.InstanceAnnounced(instance_id=identifier))
    assert SUBJECT.fullmatch(subject)
    assert subjects.stream_subject(identifier).count(".") == 3


@given(
    st.integers(1, 5).flatmap(
        lambda d: st.lists(st.lists(st.floats(width=32, allow_nan=False), min_size=d, max_size=d))
    )
)
def test_vectors_come_back(rows: list[list[float]]) -> None:
    assert vectors.unpack(vectors.pack(rows)) == rows


def test_vectors_that_do_not_fit_are_refused() -> None:
    packed = vectors.pack([[1.0, 2.0]])
    packed.count = 3
    with pytest.raises(ValueError, match="do not fit"):
        vectors.unpack(packed)


@pytest.mark.parametrize("value", ["", "../etc", "a..b", "a b", "ü", "a" * 129, "a\n", "-a"])
def test_bad_model_ids(value: str) -> None:
    assert not identifiers.is_valid(identifiers.MODEL_ID, value)


@pytest.mark.parametrize("value", ["olo-demo", "Qwen/Qwen3-0.6B", "llama3:latest", "a"])
def test_good_model_ids(value: str) -> None:
    assert identifiers.is_valid(identifiers.MODEL_ID, value)


@pytest.mark.parametrize("module", FILES, ids=lambda m: m.DESCRIPTOR.name)
def test_no_message_has_repeated_floats(module: object) -> None:
    floats = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)
    for message in module.DESCRIPTOR.message_types_by_name.values():  # type: ignore[attr-defined]
        for field in message.fields:
            assert not (field.is_repeated and field.type in floats), f"{message.name}.{field.name}"
