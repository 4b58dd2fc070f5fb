from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from olo_gateway.streaming.assembler import NEXT_ATTEMPT, NEXT_MODEL, REPAIRED, StreamAssembler
from olo_gateway.streaming.events import Chunk, Delta, Reset, StreamEvent

TEXT = st.text(alphabet="ab é€😀", max_size=12)
PIECE = st.text(alphabet="ab é€😀", min_size=1, max_size=4)


def chunks_of(pieces: list[str], candidate: int = 1, attempt: int = 1) -> list[Chunk]:
    offset, chunks = 0, []
    for piece in pieces:
        chunks.append(Chunk(candidate, attempt, offset, piece))
        offset += len(piece.encode())
    return chunks


def read(events: list[StreamEvent]) -> str:
    """What a caller holds who follows the rules; checks the offsets on the way."""
    held = ""
    for event in events:
        if isinstance(event, Reset):
            held = ""
        else:
            assert event.offset == len(held.encode())
            assert event.text
            held += event.text
    return held


def fed(assembler: StreamAssembler, chunks: list[Chunk]) -> list[StreamEvent]:
    return [event for chunk in chunks for event in assembler.add(chunk)]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Chunk], str]:
    """A run of several attempts, whose chunks are dropped, doubled and reordered, and its answer."""
    heard: list[Chunk] = []
    pieces: list[str] = []
    attempts = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4, unique=True))
    for candidate, attempt in sorted(attempts):
        kept = pieces[: draw(st.integers(0, len(pieces)))]
        pieces = [*kept, *draw(st.lists(PIECE, max_size=6))]
        heard += chunks_of(pieces, candidate, attempt)
    if heard:
        positions = draw(st.lists(st.integers(0, len(heard) - 1), max_size=2 * len(heard)))
        heard = [heard[position] for position in positions] if draw(st.booleans()) else heard
    return heard, "".join(pieces)


@given(runs())
def test_what_was_sent_since_the_last_reset_is_the_answer(run: tuple[list[Chunk], str]) -> None:
    heard, answer = run
    assembler = StreamAssembler()
    events = fed(assembler, heard)
    events += assembler.finish(answer)
    assert read(events) == answer


@given(runs(), TEXT)
def test_the_answer_wins_over_whatever_was_heard(run: tuple[list[Chunk], str], answer: str) -> None:
    assembler = StreamAssembler()
    events = fed(assembler, run[0])
    assert read(events + assembler.finish(answer)) == answer


@given(st.lists(PIECE, max_size=8))
def test_an_undisturbed_stream_passes_chunk_by_chunk(pieces: list[str]) -> None:
    assembler = StreamAssembler()
    events = fed(assembler, chunks_of(pieces))
    assert [event.text for event in events if isinstance(event, Delta)] == pieces
    assert assembler.finish("".join(pieces)) == []


@given(st.lists(PIECE, max_size=8).flatmap(lambda p: st.permutations(chunks_of(p))))
def test_order_does_not_matter_within_an_attempt(chunks: list[Chunk]) -> None:
    assembler = StreamAssembler()
    events = fed(assembler, list(chunks))
    whole = "".join(chunk.text for chunk in sorted(chunks, key=lambda chunk: chunk.offset))
    assert read(events) == whole
    assert not any(isinstance(event, Reset) for event in events)


def test_a_resumed_attempt_repeats_silently_and_goes_on() -> None:
    assembler = StreamAssembler()
    fed(assembler, chunks_of(["The ", "Nile"]))
    assert fed(assembler, chunks_of(["The Ni", "le flows", " north"], attempt=2)) == [
        Delta(" flows", 8),
        Delta(" north", 14),
    ]


def test_a_gap_holds_back_what_follows_it() -> None:
    assembler = StreamAssembler()
    first, lost, last = chunks_of(["a", "b", "c"])
    assert fed(assembler, [first, last]) == [Delta("a", 0)]
    assert fed(assembler, [lost]) == [Delta("b", 1), Delta("c", 2)]


def test_a_late_chunk_of_an_older_attempt_is_dropped() -> None:
    assembler = StreamAssembler()
    fed(assembler, chunks_of(["new"], candidate=2))
    assert fed(assembler, chunks_of(["old", "er"], candidate=1, attempt=2)) == []


def test_a_different_text_resets_and_says_why() -> None:
    assembler = StreamAssembler()
    fed(assembler, chunks_of(["The Nile"]))
    assert fed(assembler, chunks_of(["The ", "Amazon"], attempt=2)) == [Reset(NEXT_ATTEMPT), Delta("The Amazon", 0)]
    assert fed(assembler, chunks_of(["Rhine"], candidate=2)) == [Reset(NEXT_MODEL), Delta("Rhine", 0)]
    assert assembler.finish("Rhône") == [Reset(REPAIRED), Delta("Rhône", 0)]


def test_a_shorter_answer_resets() -> None:
    assembler = StreamAssembler()
    fed(assembler, chunks_of(["abc"]))
    assert assembler.finish("ab") == [Reset(REPAIRED), Delta("ab", 0)]
    assert StreamAssembler().finish("") == []
