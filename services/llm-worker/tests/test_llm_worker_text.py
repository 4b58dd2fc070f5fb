"""Stop strings and detokenisation: what passes does not depend on how the text is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_llm_worker.generation.detokenizer import Detokenizer
from olo_llm_worker.generation.stop_scanner import StopScanner
from olo_llm_worker.generation.transcript import Transcript

LETTERS = st.text(alphabet="abc", max_size=30)
STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=4)


def scan(pieces: Sequence[str], stops: Sequence[str]) -> tuple[str, bool]:
    scanner = StopScanner(stops)
    passed = "".join([scanner.feed(piece) for piece in pieces])
    return passed if scanner.stopped else passed + scanner.flush(), scanner.stopped


def cut(text: str, sizes: Sequence[int]) -> list[str]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


def expected(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


@given(LETTERS, STOPS, st.lists(st.integers(0, 5), max_size=12))
def test_the_first_complete_stop_string_ends_the_text_however_it_is_cut(
    text: str, stops: list[str], sizes: list[int]
) -> None:
    assert scan(cut(text, sizes), stops) == expected(text, stops)


def test_text_is_held_back_only_while_it_may_become_a_stop_string() -> None:
    scanner = StopScanner(["END"])
    assert [scanner.feed(piece) for piece in ("abc", "E", "N", "x", "EN", "D", "later")] == [
        "abc",
        "",
        "",
        "ENx",
        "",
        "",
        "",
    ]
    assert scanner.stopped


def decode_bytes(token_ids: Sequence[int]) -> str:
    return bytes(token_ids).decode(errors="replace")


@given(st.text(max_size=20))
def test_valid_text_comes_out_whole_and_never_in_the_middle_of_a_code_point(text: str) -> None:
    detokenizer = Detokenizer(decode_bytes)
    pieces = [detokenizer.feed(byte) for byte in text.encode()]
    assert "".join([*pieces, detokenizer.flush()]) == text
    if "\ufffd" not in text:
        assert all("\ufffd" not in piece for piece in pieces)


@given(st.binary(max_size=20))
def test_broken_bytes_come_out_as_the_whole_would(data: bytes) -> None:
    detokenizer = Detokenizer(decode_bytes)
    pieces = [detokenizer.feed(byte) for byte in data]
    assert "".join([*pieces, detokenizer.flush()]) == decode_bytes(data)


@pytest.mark.parametrize("stop", ["é", "wör", "d w"])
def test_a_stop_string_across_tokens_and_code_points(stop: str) -> None:
    transcript = Transcript(decode_bytes, [stop])
    text = "Cold wörld é end"
    out, place = "", 0
    for byte in text.encode():
        transcript.feed([byte])
        piece, place = transcript.text(place)
        out += piece
        if transcript.stopped:
            break
    transcript.finish()
    assert out + transcript.text(place)[0] == transcript.text()[0] == text[: text.index(stop)]


@given(st.text(max_size=20), st.lists(st.integers(0, 8), max_size=8), st.booleans())
def test_text_is_the_same_whenever_it_is_asked_for(text: str, sizes: list[int], asked: bool) -> None:
    transcript, data, pieces, place = Transcript(decode_bytes, []), text.encode(), [], 0
    for size in [*sizes, len(data)]:
        transcript.feed(data[:size])
        data = data[size:]
        if asked:
            piece, place = transcript.text(place)
            pieces.append(piece)
    transcript.finish()
    assert "".join([*pieces, transcript.text(place)[0]]) == transcript.text()[0] == text
