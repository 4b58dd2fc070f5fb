"""Streams that break and go on elsewhere, against a gateway that keeps its side of the contract."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest, ChatStreamResponse, RunStarted, TextDelta, TextReset
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_client.errors import InvalidRequestError, OloError, UnavailableError
from olo_client.streams import StreamPlace

ASKED = ChatStreamRequest(request=ChatRequest(request_id="r"))
GONE = InvalidRequestError("OUT_OF_RANGE", "offset_invalid", "there is no such place")


def delta(text: str, before: str = "") -> ChatStreamResponse:
    checksum = zlib.crc32((before + text).encode())
    return ChatStreamResponse(delta=TextDelta(text=text, offset=len(before.encode()), checksum=checksum))


def answering(request: ChatStreamRequest, answer: str) -> Iterator[ChatStreamResponse]:
    """What a gateway sends whose answer is this one, in pieces of two characters, the answer as it is now."""
    yield ChatStreamResponse(started=RunStarted(run_id="r"))
    whole = answer.encode()
    at = request.resume_offset
    if at > len(whole):
        raise GONE
    if request.HasField("resume_checksum") and zlib.crc32(whole[:at]) != request.resume_checksum:
        yield ChatStreamResponse(reset=TextReset(reason="next_model"))
        at = 0
    before = whole[:at].decode()
    rest = whole[at:].decode()
    for place in range(0, len(rest), 2):
        yield delta(rest[place : place + 2], before + rest[:place])
    yield ChatStreamResponse(completed=ChatResponse(message=ChatMessage(content=answer)))


class Shown:
    """What a user has before them."""

    def __init__(self) -> None:
        self.text = ""
        self.kinds: list[str] = []

    def take(self, events: Iterator[ChatStreamResponse]) -> None:
        for event in events:
            kind = event.WhichOneof("event") or ""
            self.kinds.append(kind)
            if kind == "delta":
                assert event.delta.offset == len(self.text.encode())
                self.text += event.delta.text
            elif kind == "reset":
                self.text = ""


def test_a_stream_that_breaks_is_asked_for_the_rest() -> None:
    place, shown = StreamPlace(ASKED), Shown()
    assert place.request == ASKED
    for event in list(answering(place.request, "Grüß Gott"))[:3]:
        shown.take(place.feed(event))
    again = place.request
    assert (again.run_id, again.HasField("request"), again.resume_offset) == ("r", False, 6)
    for event in answering(again, "Grüß Gott"):
        shown.take(place.feed(event))
    assert shown.text == "Grüß Gott"
    assert shown.kinds == ["started", *["delta"] * 5, "completed"]


def test_a_run_is_followed_from_where_its_caller_is_and_goes_on_from_there() -> None:
    place = StreamPlace(ChatStreamRequest(run_id="r", resume_offset=5))
    started, first, *_ = answering(place.request, "one two three")
    for event in (started, first):
        assert list(place.feed(event)) == [event]
    assert (place.request.run_id, place.request.resume_offset) == ("r", 7)
    assert place.request.resume_checksum == zlib.crc32(b"one two")


def test_a_run_that_is_durable_is_followed_even_before_its_first_character() -> None:
    place = StreamPlace(ASKED)
    list(place.feed(ChatStreamResponse(started=RunStarted(run_id="r"))))
    assert (place.request.run_id, place.request.HasField("resume_offset")) == ("r", True)
    assert not place.request.HasField("resume_checksum")


def test_a_place_that_is_gone_is_given_up_and_what_was_shown_is_taken_back() -> None:
    place, shown = StreamPlace(ASKED), Shown()
    for event in list(answering(place.request, "a long answer"))[:-1]:
        shown.take(place.feed(event))
    assert place.survives(GONE)
    for event in answering(place.request, "short"):
        shown.take(place.feed(event))
    assert shown.text == "short"
    assert not StreamPlace(ASKED).survives(GONE)


def test_reading_too_slowly_is_survived_and_other_failures_are_not() -> None:
    assert StreamPlace(ASKED).survives(OloError("CANCELLED", "client_too_slow", "it was not read"))
    assert not StreamPlace(ASKED).survives(UnavailableError("UNAVAILABLE", "no_model_available", "none"))


@given(st.data())
def test_whatever_breaks_and_changes_the_reader_ends_with_the_answer(data: st.DataObject) -> None:
    place, shown = StreamPlace(ASKED), Shown()
    text = st.text(alphabet="abé€😀", max_size=12)
    answer = ""
    for _ in range(data.draw(st.integers(0, 4))):
        # Now and then another attempt has begun the answer anew.
        answer = data.draw(text) if data.draw(st.booleans()) else answer + data.draw(text)
        try:
            for event in answering(place.request, answer):
                if event.HasField("completed") or data.draw(st.integers(0, 4)) == 0:
                    break
                shown.take(place.feed(event))
        except OloError as error:
            assert place.survives(error)
    while not place.completed:
        try:
            for event in answering(place.request, answer):
                shown.take(place.feed(event))
        except OloError as error:
            assert place.survives(error)
    assert shown.text == answer
    assert shown.kinds.count("started") == 1
