"""How large an answer is in a history, beside its own bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.converter import DefaultPayloadConverter
from temporalio.exceptions import ApplicationError, TerminatedError

from olo.gateway.v1.run_pb2 import ChatResponse, Citation
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_STOP, ChatMessage
from olo_common.payload_room import bytes_beyond, ended_as_too_large

CONVERTER = DefaultPayloadConverter()
TEXT = st.text(max_size=60)


@st.composite
def answers(draw: st.DrawFn) -> ChatResponse:
    """Answers as long as they come, of any characters, with any number of the small parts that JSON makes large."""
    citations = [
        Citation(index=number, document_id=draw(TEXT), text=draw(TEXT), cited=draw(st.booleans()))
        for number in range(draw(st.integers(0, 3)))
    ]
    answer = ChatResponse(
        run_id=draw(TEXT),
        message=ChatMessage(content=draw(TEXT) * draw(st.integers(0, 50))),
        citations=citations,
        finish_reason=FINISH_REASON_STOP,
    )
    for _ in range(draw(st.integers(0, 5))):
        token = answer.logprobs.add(text=draw(st.text(max_size=3)), logprob=draw(st.floats(-30, 0)))
        for _ in range(draw(st.integers(0, 20))):
            token.top.add(text=draw(st.text(max_size=3)), logprob=draw(st.floats(-30, 0)))
    return answer


@given(answers(), st.integers(4096, 16384))
def test_what_is_not_beyond_the_limit_fits(answer: ChatResponse, most: int) -> None:
    (payload,) = CONVERTER.to_payloads([answer])
    told = bytes_beyond(most, answer, CONVERTER)
    assert told == 0 or told > most
    assert told > 0 or payload.ByteSize() <= most


@pytest.mark.parametrize(
    ("failure", "too_large"),
    [
        (TerminatedError("BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit."), True),
        (TerminatedError("GrpcMessageTooLarge"), True),
        (TerminatedError("no longer needed"), False),
        (ApplicationError("it exceeds size limit"), False),
        (None, False),
    ],
)
def test_what_a_server_says_of_what_is_too_large(failure: BaseException | None, too_large: bool) -> None:
    assert ended_as_too_large(failure) is too_large
