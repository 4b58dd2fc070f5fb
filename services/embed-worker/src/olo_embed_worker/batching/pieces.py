"""Cuts a batch into pieces that are computed together, so that little time is spent on padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

RUN_TOKENS: Final = 18
"""What one more run costs beside its tokens, in tokens: measured on MiniLM, where a run reads all weights once."""


def cut(lengths: Sequence[int]) -> list[int]:
    """Where to cut ascending lengths: the ends of the pieces, each padded to its longest, that cost least together.

    A piece costs its number of texts times its longest, and `RUN_TOKENS`. Takes time with the square of the distinct
    lengths.
    """
    ends = [i + 1 for i in range(len(lengths)) if i + 1 == len(lengths) or lengths[i] != lengths[i + 1]]
    # best[e]: the least cost of the texts before end e, and the end before the last piece.
    best: dict[int, tuple[int, int]] = {0: (0, 0)}
    for end in ends:
        longest = lengths[end - 1]
        best[end] = min((cost + (end - start) * longest + RUN_TOKENS, start) for start, (cost, _) in best.items())
    cuts, end = [], len(lengths)
    while end:
        cuts.append(end)
        end = best[end][1]
    return cuts[::-1]
