"""Progress goes one way and promises no time that it cannot know."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from olo_retrieval.ingestion.progress import progress_of
from olo_retrieval.types import DocumentState, IngestProgress, IngestStep


@given(st.integers(1, 500), st.floats(0, 10_000))
def test_percent_grows_with_every_chunk(total: int, seconds: float) -> None:
    started = [
        progress_of(DocumentState.INDEXING, unread=unread, done=None, total=None, seconds=None)
        for unread in (True, False)
    ]
    embedding = [
        progress_of(DocumentState.INDEXING, unread=False, done=done, total=total, seconds=seconds)
        for done in range(total + 1)
    ]
    ready = progress_of(DocumentState.READY, unread=False, done=total, total=total, seconds=seconds)
    percents = [progress.percent for progress in (*started, *embedding, ready)]
    assert percents == sorted(set(percents))
    assert (percents[0], percents[-1]) == (0.0, 100.0)


def test_eta_is_that_of_the_pace_so_far() -> None:
    assert progress_of(DocumentState.INDEXING, unread=False, done=10, total=40, seconds=5.0).eta_seconds == 15.0
    assert progress_of(DocumentState.INDEXING, unread=False, done=0, total=40, seconds=5.0).eta_seconds is None
    assert progress_of(DocumentState.FAILED, unread=False, done=10, total=40, seconds=5.0).eta_seconds is None


def test_a_document_without_chunks_is_ready_for_the_swap() -> None:
    found = progress_of(DocumentState.INDEXING, unread=False, done=0, total=0, seconds=0.0)
    assert found == IngestProgress(IngestStep.SWAP, 98.0, 0.0)
