"""What the worker and its engine process say to each other comes out as it went in, or is refused."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_llm_worker.adapters import engine_process
from olo_llm_worker.adapters.engine_process import Line, Work
from olo_llm_worker.adapters.frames import (
    Began,
    Check,
    Checked,
    Done,
    Frame,
    Load,
    Ping,
    Pong,
    Ready,
    Refused,
    Start,
    Stop,
    Tokens,
    WireError,
)
from olo_llm_worker.adapters.wire import Decoder, encode
from olo_llm_worker.generation.engine import END, Batch, Top
from olo_llm_worker.generation.types import Decoding

NUMBERS = st.integers(0, 2**63)
IDS = st.lists(st.integers(0, 2**31 - 1), max_size=6)
DECODINGS = st.builds(
    Decoding,
    st.floats(0, 2),
    st.floats(0, 1),
    st.none() | st.integers(1, 10**6),
    st.floats(0.1, 10),
    st.integers(0, 10**6),
    st.booleans(),
    st.text(),
    st.integers(0, 20),
    IDS.map(tuple),
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    prompts = draw(st.lists(IDS.map(tuple), min_size=1, max_size=5))
    limits = tuple(draw(st.integers(1, 10**6)) for _ in prompts)
    return Batch(tuple(prompts), draw(DECODINGS), limits, tuple(draw(IDS)), draw(st.integers(0, 9)))


@st.composite
def told(draw: st.DrawFn) -> Tokens:
    tokens = draw(st.lists(st.tuples(st.integers(0, 15), st.integers(-2, 10**6), st.floats(-100, 0)), max_size=8))
    rows, ids = array("i", [token[0] for token in tokens]), array("i", [token[1] for token in tokens])
    logprobs = array("d", [token[2] for token in tokens] if draw(st.booleans()) else [])
    width = draw(st.integers(0, 3))
    tops = draw(st.lists(st.tuples(st.integers(-1, 10**6), st.floats(-100, 0)), min_size=width, max_size=width))
    top_ids, top_logprobs = array("i", [token for token, _ in tops]), array("d", [logprob for _, logprob in tops])
    return Tokens(draw(NUMBERS), rows, ids, logprobs, width, top_ids * len(rows), top_logprobs * len(rows))


FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Load, st.text(), st.text(), st.text(), IDS, st.text(), st.text(), st.integers(1, 9), st.integers(0, 9)),
    st.builds(Ready, st.text(), st.text(), st.integers(0, 2**40), st.text()),
    st.builds(Refused, st.text(), st.booleans()),
    st.builds(Start, NUMBERS, batches()),
    st.builds(Stop, NUMBERS, st.integers(0, 2**31)),
    st.builds(Began, NUMBERS, st.booleans()),
    told(),
    st.builds(Done, NUMBERS, st.text()),
    st.builds(Check, NUMBERS, st.text(), IDS),
    st.builds(Checked, NUMBERS, st.text(), st.text(), st.text()),
    st.builds(Ping),
    st.builds(Pong),
)


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 40), max_size=20))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[Frame], sizes: list[int]) -> None:
    data, decoder, found = b"".join(map(encode, frames)), Decoder(), list[Frame]()
    for size in [*sizes, len(data)]:
        found += decoder.feed(data[:size])
        data = data[size:]
    assert found == frames


@given(st.binary(min_size=5, max_size=80))
def test_anything_else_is_refused_or_waited_for(data: bytes) -> None:
    try:
        for frame in Decoder().feed(data):
            assert isinstance(frame, Frame)
    except WireError:
        pass


@given(FRAMES.filter(lambda frame: len(encode(frame)) > 5), st.data())
def test_a_frame_that_is_cut_short_is_no_other(frame: Frame, data: st.DataObject) -> None:
    whole = encode(replace(frame, problem="") if isinstance(frame, Done) else frame)
    body = whole[5 : data.draw(st.integers(5, len(whole) - 1))]
    with pytest.raises(WireError):
        list(Decoder().feed(whole[:1] + len(body).to_bytes(4, "little") + body))


class Heard(Line):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.tokens: list[tuple[int, int]] = []
        self.tops: list[Top] = []

    def say(self, frame: Frame) -> None:
        assert isinstance(frame, Tokens)
        self.tokens += zip(frame.rows, frame.ids, strict=True)
        self.tops += frame.tops()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6), st.booleans()), min_size=1, max_size=6))
def test_tokens_are_told_in_order_and_each_step_as_soon_as_it_is_over(rows: Sequence[tuple[int, int, bool]]) -> None:
    """Rows begin at a step of their own, as those with longer prompts do, and end at their limit or by the model."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine_process, "_TELL_SECONDS", 0.0)
        line = Heard()
        batch = Batch(((1,),) * len(rows), Decoding(), tuple(length for _, length, _ in rows))
        work, given_, uniform = Work(Start(1, batch), line), [], len({begin for begin, _, _ in rows}) == 1
        for step in range(12):
            for number, (begin, length, by_model) in enumerate(rows):
                if begin <= step < begin + length:
                    token = END if by_model and step == begin + length - 1 else 1000 * number + step
                    given_.append((number, token))
                    assert not work.token(number, token, 0.0)
            if uniform:
                assert line.tokens == given_, "a whole step does not wait"
            assert line.tokens == given_[: len(line.tokens)]
        work.tell()
        assert line.tokens == given_


def test_a_row_that_is_stopped_tells_nothing_more() -> None:
    line: Any = Heard()
    work = Work(Start(1, Batch(((1,), (1,)), Decoding(), (9, 9))), line)
    for row in (0, 1):
        assert not work.token(row, 7, 0.0)
    work.stop(0)
    assert work.token(0, 8, 0.0)
    assert not work.token(1, 8, 0.0)
    work.tell()
    assert line.tokens == [(0, 7), (1, 7), (1, 8)]


@given(st.lists(st.lists(st.tuples(st.integers(0, 99), st.floats(-9, 0)), max_size=3), min_size=1, max_size=5))
def test_the_likeliest_tokens_of_each_place_are_told_with_its_token(places: list[list[tuple[int, float]]]) -> None:
    line = Heard()
    decoding = Decoding(logprobs=True, top_logprobs=3)
    work = Work(Start(1, Batch(((1,),), decoding, (len(places) + 1,))), line)
    for place, top in enumerate(places):
        assert not work.token(0, place, -1.0, tuple(top))
    work.token(0, END, 0.0)
    work.tell()
    assert line.tokens == [*((0, place) for place in range(len(places))), (0, END)]
    assert line.tops == [*map(tuple, places), ()]
