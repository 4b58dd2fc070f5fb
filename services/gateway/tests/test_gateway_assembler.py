"""Answers out of chunks that are late, doubled, missing or superseded, read at any pace and from any place on."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.errors import OffsetInvalid
from olo_gateway.streaming.assembler import NEXT_ATTEMPT, NEXT_MODEL, REPAIRED, Assembler
from olo_gateway.streaming.events import Chunk, Delta, Reset, ResumePoint, StreamEvent
from olo_gateway.streaming.reader import REPLACED, Reader

TEXT = st.text(alphabet="ab é€😀", max_size=12)
PIECE = st.text(alphabet="ab é€😀", min_size=1, max_size=4)


def chunks_of(pieces: list[str], candidate: int = 1, attempt: int = 1) -> list[Chunk]:
    offset, chunks = 0, []
    for piece in pieces:
        chunks.append(Chunk(candidate, attempt, offset, piece))
        offset += len(piece.encode())
    return chunks


def delta(text: str, before: str = "") -> Delta:
    return Delta(text, len(before.encode()), zlib.crc32((before + text).encode()))


def point(text: str) -> ResumePoint:
    return ResumePoint(len(text.encode()), zlib.crc32(text.encode()))


class Caller:
    """Follows the rules; checks the offsets on the way."""

    def __init__(self) -> None:
        self.held = ""
        self.resets = 0

    def take(self, events: list[StreamEvent]) -> None:
        for event in events:
            if isinstance(event, Reset):
                self.held, self.resets = "", self.resets + 1
            else:
                assert event.text
                assert event.offset == len(self.held.encode())
                self.held += event.text
                assert event.checksum == zlib.crc32(self.held.encode())

    @property
    def point(self) -> ResumePoint:
        return point(self.held)


def fed(assembler: Assembler, chunks: list[Chunk], reader: Reader | None = None) -> list[StreamEvent]:
    """What a reader gets that takes after each chunk."""
    reader, events = reader or Reader(assembler), []
    for chunk in chunks:
        assembler.add(chunk)
        events += reader.take()
    return events


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Chunk], str, bool]:
    """A run of several attempts: all of its chunks in order, its answer, and whether the first attempt was not the only
    one: the others may have said nothing."""
    said: list[Chunk] = []
    pieces: list[str] = []
    attempts = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4, unique=True))
    for candidate, attempt in sorted(attempts):
        kept = pieces[: draw(st.integers(0, len(pieces)))]
        pieces = [*kept, *draw(st.lists(PIECE, max_size=6))]
        said += chunks_of(pieces, candidate, attempt)
    return said, "".join(pieces), attempts != [(1, 1)]


def disturbed(draw: st.DrawFn, said: list[Chunk]) -> list[Chunk]:
    """The chunks as one listener hears them: in order, or dropped, doubled and reordered."""
    if not said or draw(st.booleans()):
        return said
    positions = draw(st.lists(st.integers(0, len(said) - 1), max_size=2 * len(said)))
    return [said[position] for position in positions]


@given(runs(), st.data())
def test_whoever_reads_at_whatever_pace_ends_with_the_answer(
    run: tuple[list[Chunk], str, bool], data: st.DataObject
) -> None:
    said, answer, _ = run
    assembler, caller = Assembler(), Caller()
    reader = Reader(assembler)
    for chunk in disturbed(data.draw, said):
        assembler.add(chunk)
        if data.draw(st.booleans()):
            caller.take(reader.take())
    assembler.finish(answer)
    caller.take(reader.take())
    assert caller.held == answer
    assert reader.take() == []


@given(runs(), st.data())
def test_whoever_resumes_wherever_ends_with_the_answer(run: tuple[list[Chunk], str, bool], data: st.DataObject) -> None:
    """A caller that goes from instance to instance, each of which has heard, or been told, something of its own."""
    said, answer, several_attempts = run
    caller, now = Caller(), 0
    for _ in range(data.draw(st.integers(1, 4))):
        assembler = Assembler()
        for chunk in disturbed(data.draw, said[:now]):
            assembler.add(chunk)
        reader = Reader(assembler, caller.point)
        then = data.draw(st.integers(now, len(said)))
        caller.take(reader.take())
        for chunk in disturbed(data.draw, said[now:then]):
            assembler.add(chunk)
            caller.take(reader.take())
        now = then
    assembler = Assembler()
    for chunk in disturbed(data.draw, said[:now]):
        assembler.add(chunk)
    reader = Reader(assembler, caller.point)
    caller.take(reader.take())
    assembler.finish(answer, several_attempts=several_attempts)
    caller.take(reader.take())
    assert caller.held == answer


@given(st.lists(PIECE, max_size=8), st.data())
def test_resuming_an_undisturbed_answer_never_resets(pieces: list[str], data: st.DataObject) -> None:
    said, caller = chunks_of(pieces), Caller()
    seen = 0
    while seen < len(said):
        assembler = Assembler()
        for chunk in said[:seen]:
            assembler.add(chunk)
        reader = Reader(assembler, caller.point)
        seen = data.draw(st.integers(seen + 1, len(said)))
        for chunk in said[:seen]:
            assembler.add(chunk)
        caller.take(reader.take())
    assert (caller.held, caller.resets) == ("".join(pieces), 0)


@given(runs(), TEXT)
def test_the_answer_wins_over_whatever_was_heard(run: tuple[list[Chunk], str, bool], answer: str) -> None:
    assembler, caller = Assembler(), Caller()
    reader = Reader(assembler)
    caller.take(fed(assembler, run[0], reader))
    assembler.finish(answer)
    caller.take(reader.take())
    assert caller.held == answer


@given(st.lists(PIECE, max_size=8))
def test_an_undisturbed_stream_passes_chunk_by_chunk(pieces: list[str]) -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    events = fed(assembler, chunks_of(pieces), reader)
    assert [event.text for event in events if isinstance(event, Delta)] == pieces
    assembler.finish("".join(pieces))
    assert reader.take() == []


@given(st.lists(PIECE, max_size=8).flatmap(lambda p: st.permutations(chunks_of(p))))
def test_order_does_not_matter_within_an_attempt(chunks: list[Chunk]) -> None:
    assembler, caller = Assembler(), Caller()
    caller.take(fed(assembler, list(chunks)))
    assert caller.held == "".join(chunk.text for chunk in sorted(chunks, key=lambda chunk: chunk.offset))
    assert caller.resets == 0
    assert assembler.gap is None


def test_a_resumed_attempt_repeats_silently_and_goes_on() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    fed(assembler, chunks_of(["The ", "Nile"]), reader)
    assert fed(assembler, chunks_of(["The Ni", "le flows", " north"], attempt=2), reader) == [
        delta(" flows", "The Nile"),
        delta(" north", "The Nile flows"),
    ]


def test_a_gap_holds_back_what_follows_it_and_is_known() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    first, lost, last = chunks_of(["a", "b", "c"])
    assert fed(assembler, [first, last], reader) == [delta("a")]
    assert assembler.gap == ((1, 1), 1)
    assert fed(assembler, [lost], reader) == [delta("bc", "a")]
    assert assembler.gap is None


def test_a_late_chunk_of_an_older_attempt_is_dropped() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    fed(assembler, chunks_of(["new"], candidate=2), reader)
    assert fed(assembler, chunks_of(["old", "er"], candidate=1, attempt=2), reader) == []


def test_a_different_text_resets_and_says_why() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    fed(assembler, chunks_of(["The Nile"]), reader)
    amazon, rhine = chunks_of(["The ", "Amazon"], attempt=2), chunks_of(["Rhine"], candidate=2)
    assert fed(assembler, amazon, reader) == [Reset(NEXT_ATTEMPT), delta("The Amazon")]
    assert fed(assembler, rhine, reader) == [Reset(NEXT_MODEL), delta("Rhine")]
    assembler.finish("Rhône")
    assert reader.take() == [Reset(REPAIRED), delta("Rhône")]


def test_a_reader_that_slept_gets_one_reset_and_one_delta() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    fed(assembler, chunks_of(["The Nile"]), reader)
    for attempt in (2, 3):
        for chunk in chunks_of([f"{attempt} ", "more"], attempt=attempt):
            assembler.add(chunk)
    assert reader.take() == [Reset(NEXT_ATTEMPT), delta("3 more")]


def test_resuming_needs_the_text_up_to_the_point() -> None:
    assembler = Assembler()
    reader = Reader(assembler, point("The Nile"))
    first, second, third = chunks_of(["The ", "Nile flows", " north"])
    assert fed(assembler, [first], reader) == []
    assert fed(assembler, [third], reader) == []
    assert fed(assembler, [second], reader) == [delta(" flows north", "The Nile")]


def test_what_was_shown_of_a_superseded_attempt_is_taken_back_at_once() -> None:
    assembler = Assembler()
    for chunk in [*chunks_of(["The Nile flows"]), *chunks_of(["A "], candidate=2)]:
        assembler.add(chunk)
    assert Reader(assembler, point("The Nile")).take() == [Reset(NEXT_MODEL), delta("A ")]


def test_what_was_shown_and_is_not_known_here_is_taken_back() -> None:
    assembler = Assembler()
    assembler.finish("A river in Africa", several_attempts=True)
    assert Reader(assembler, point("The Nile")).take() == [Reset(REPLACED), delta("A river in Africa")]


def test_without_a_checksum_the_caller_is_believed() -> None:
    assembler = Assembler()
    assembler.finish("A river")
    assert Reader(assembler, ResumePoint(2)).take() == [delta("river", "A ")]


@pytest.mark.parametrize("wrong", [ResumePoint(99), ResumePoint(1), point("The Nile, which"), ResumePoint(2**63)])
def test_a_place_that_the_answer_does_not_have_is_refused(wrong: ResumePoint) -> None:
    assembler = Assembler()
    assembler.finish("é")
    with pytest.raises(OffsetInvalid) as caught:
        Reader(assembler, wrong).take()
    assert caught.value.field == "resume_offset"


def test_a_shorter_answer_resets() -> None:
    assembler = Assembler()
    reader = Reader(assembler)
    fed(assembler, chunks_of(["abc"]), reader)
    assembler.finish("ab")
    assert reader.take() == [Reset(REPAIRED), delta("ab")]
    empty = Assembler()
    empty.finish("")
    assert Reader(empty).take() == []
