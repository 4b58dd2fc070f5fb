"""The repair of broken streams."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse, RunStarted, TextDelta, TextReset
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_client.streams import StreamRepair


def started() -> ChatStreamResponse:
    return ChatStreamResponse(started=RunStarted(run_id="r"))


def delta(text: str, offset: int) -> ChatStreamResponse:
    return ChatStreamResponse(delta=TextDelta(text=text, offset=offset))


def reset() -> ChatStreamResponse:
    return ChatStreamResponse(reset=TextReset(reason="model_unavailable"))


def completed(text: str) -> ChatStreamResponse:
    return ChatStreamResponse(completed=ChatResponse(message=ChatMessage(content=text)))


def replay(events: list[ChatStreamResponse]) -> tuple[str, list[str]]:
    """What a reader of the repaired stream has in the end, and the kinds of the events that it saw."""
    repair, text, kinds = StreamRepair(), "", []
    for event in events:
        for passed in repair.feed(event):
            kind = passed.WhichOneof("event")
            kinds.append(kind)
            if kind == "delta":
                assert passed.delta.offset == len(text.encode())
                text += passed.delta.text
            elif kind == "reset":
                text = ""
    return text, kinds


def test_a_whole_stream_passes_unchanged() -> None:
    text, kinds = replay([started(), delta("Grüß ", 0), delta("Gott", 7), completed("Grüß Gott")])
    assert text == "Grüß Gott"
    assert kinds == ["started", "delta", "delta", "completed"]


def test_a_stream_that_is_opened_again_repeats_nothing() -> None:
    again = [started(), delta("one ", 0), delta("two ", 4), started(), delta("one two th", 0), delta("ree", 10)]
    text, kinds = replay([*again, completed("one two three")])
    assert text == "one two three"
    assert kinds == ["started", "delta", "delta", "delta", "delta", "completed"]


def test_a_gap_is_closed_by_the_finished_answer() -> None:
    text, kinds = replay([delta("one ", 0), delta("three", 8), completed("one two three")])
    assert text == "one two three"
    assert kinds == ["delta", "delta", "completed"]


def test_another_answer_begins_with_a_reset() -> None:
    text, kinds = replay([delta("one ", 0), delta("uno ", 0), completed("uno due")])
    assert text == "uno due"
    assert kinds == ["delta", "reset", "delta", "delta", "completed"]


@given(st.data())
def test_whatever_is_lost_or_repeated_the_reader_ends_with_the_answer(data: st.DataObject) -> None:
    events = []
    for _ in range(data.draw(st.integers(0, 3))):
        answer = data.draw(st.text(max_size=12))
        cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=4))), len(answer)]
        pieces = [delta(answer[a:b], len(answer[:a].encode())) for a, b in itertools.pairwise(cuts) if a < b]
        events += [piece for piece in pieces if data.draw(st.booleans())]
        if data.draw(st.booleans()):
            events.append(reset())
    final = data.draw(st.text(max_size=12))
    text, kinds = replay([*events, completed(final)])
    assert text == final
    assert kinds[-1] == "completed"
