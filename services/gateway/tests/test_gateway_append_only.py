"""Streams of dialects that only add text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.errors import AnswerRestarted
from olo_gateway.streaming.append_only import AppendOnly
from olo_gateway.streaming.events import Delta, Reset

TEXT = st.text(alphabet="aé😀", max_size=6)


@given(attempts=st.lists(st.lists(TEXT, max_size=4), min_size=1, max_size=4))
def test_what_was_sent_is_the_answer_or_there_is_an_error(attempts: list[list[str]]) -> None:
    """Each attempt but the first begins with a reset; the last one is the answer."""
    sent, stream, failed = "", AppendOnly(), False
    try:
        for number, pieces in enumerate(attempts):
            if number:
                assert stream.take(Reset("next_attempt")) == ""
            for piece in pieces:
                sent += stream.take(Delta(piece, 0, 0))
        stream.end()
    except AnswerRestarted:
        failed = True
    longest, consistent = "", True
    for attempt in ("".join(pieces) for pieces in attempts):
        consistent = consistent and (attempt.startswith(longest) or longest.startswith(attempt))
        longest = max(longest, attempt, key=len)
    answer = "".join(attempts[-1])
    assert failed == (not consistent or answer != longest)
    if not failed:
        assert sent == answer
