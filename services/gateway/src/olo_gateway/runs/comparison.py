"""How alike two answers are."""

from __future__ import annotations

from collections import Counter


def similarity(one: str, other: str) -> float:
    """The Sorensen-Dice coefficient over the trigrams of characters, each counted as often as it occurs: 0 to 1.

    Letter case and runs of white space do not count. It takes time linear in the texts, unlike an edit distance, and
    needs no words, so that it holds for scripts that do not part them.
    """
    ours, theirs = _trigrams(one), _trigrams(other)
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else 1.0


def _trigrams(text: str) -> Counter[str]:
    words = " ".join(text.casefold().split())
    # Padded, so that a text of one character has trigrams too, and its ends count.
    padded = f"  {words} " if words else ""
    return Counter(padded[place : place + 3] for place in range(len(padded) - 2))
