"""Draws without dice: the same words give the same number on every router."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence


def uniform(*words: str) -> float:
    """A number above 0 and below 1 that looks as if it were drawn anew for each sequence of words."""
    digest = hashlib.blake2b("\x1f".join(words).encode(errors="replace"), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**56


def weighted_order(targets: Sequence[tuple[str, int]], *words: str) -> list[str]:
    """The targets in the order of a draw: each is first as often as its weight says.

    The draw of a target depends on its own name and weight alone (weighted rendezvous hashing), so that moving weight
    from one to another moves only requests between these two.
    """
    return [
        name
        for _, name in sorted(
            (-math.log(uniform(*words, name)) / max(weight, 1), name) for name, weight in targets if weight > 0
        )
    ]
