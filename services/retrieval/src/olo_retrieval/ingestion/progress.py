"""How far a version has come, from what its row says."""

from __future__ import annotations

from typing import Final

from olo_retrieval.types import DocumentState, IngestProgress, IngestStep

_PARSED, _CUT, _WRITTEN, _ALL = 5.0, 10.0, 98.0, 100.0
"""Percent of the way behind each step; embedding takes nearly all of the time."""

_BEFORE_EMBEDDING: Final = {True: (IngestStep.PARSE, 0.0), False: (IngestStep.CHUNK, _PARSED)}


def progress_of(
    state: DocumentState, *, unread: bool, done: int | None, total: int | None, seconds: float | None
) -> IngestProgress:
    """The progress of the version that is shown.

    Args:
        state: Of the document.
        unread: Whether its file is still to be parsed.
        done: Chunks written; None before the text is cut.
        total: Chunks there are; None before the text is cut.
        seconds: Since the first chunk was begun; None before that.
    """
    if state is DocumentState.READY:
        return IngestProgress(IngestStep.DONE, _ALL)
    if done is None or total is None:
        return IngestProgress(*_BEFORE_EMBEDDING[unread])
    if done >= total:
        return IngestProgress(IngestStep.SWAP, _WRITTEN, 0.0)
    pace = seconds / done if done and seconds is not None else None
    eta = pace * (total - done) if pace is not None and state is DocumentState.INDEXING else None
    return IngestProgress(IngestStep.EMBED, _CUT + (_WRITTEN - _CUT) * done / total, eta)
