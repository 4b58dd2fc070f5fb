"""Computes a batch, piece by piece. Runs in a thread of the lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from olo_embed_worker.batching.pieces import cut
from olo_embed_worker.batching.tickets import Entry
from olo_embed_worker.errors import EngineFailed
from olo_embed_worker.types import InputKind, Rows, Tokenized

Embed = Callable[[Sequence[Tokenized], InputKind], Rows]
Outcome = tuple[Entry, Rows | Exception]


def outcomes(embed: Embed, batch: Sequence[Entry]) -> list[Outcome]:
    """A row, or the reason that there is none, for each text of a batch of ascending lengths.

    Texts whose request ended meanwhile are left out.
    """
    done: list[Outcome] = []
    start = 0
    for end in cut([entry.length for entry in batch]):
        piece = [entry for entry in batch[start:end] if not entry.ticket.ended]
        start = end
        if piece:
            done += _attempt(embed, piece)
    return done


def _attempt(embed: Embed, piece: Sequence[Entry]) -> list[Outcome]:
    """One run. Where it fails, its halves are tried, so that one bad text fails one caller."""
    try:
        rows = embed([entry.text for entry in piece], piece[0].ticket.kind)
    except Exception as error:
        if len(piece) == 1:
            return [(piece[0], error)]
        half = len(piece) // 2
        return _attempt(embed, piece[:half]) + _attempt(embed, piece[half:])
    return [(entry, _checked(row)) for entry, row in zip(piece, rows, strict=True)]


def _checked(row: Rows) -> Rows | Exception:
    return row if np.isfinite(row).all() else EngineFailed("the model gave a vector that is not finite")
