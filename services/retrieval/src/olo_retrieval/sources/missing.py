"""Which documents have disappeared from a source, and whether that is believed. Pure."""

from __future__ import annotations

MOST_MISSING = 0.5


def believed(missing: int, known: int, *, accepted: bool) -> bool:
    """Whether documents that a listing does not name are deleted.

    A folder that is not mounted lists nothing, and a wrong glob little: more than half of the documents goes only when
    somebody has said so.

    Args:
        missing: Documents that are there, but are not listed.
        known: Documents that earlier listings have named and that are there.
        accepted: Whether somebody has said so.
    """
    return accepted or missing <= known * MOST_MISSING
