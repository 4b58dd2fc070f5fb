"""How many passages fit the context of a model, and the room for its answer.

Tokens are estimated here and not counted by the worker: to ask it would cost every run another step in its history
and another round trip, while nearly every prompt fits. The estimate errs to the safe side for the vocabularies of
today: for stretches of 600 characters of this project's prose, Markdown and code it was 1.01 to 1.57 times what the
WordPiece tokenizer of all-MiniLM-L6-v2 (30,000 tokens) counts. For a vocabulary as small as that of the demo models
(4,096) it is too low, 0.78 times in the middle. The worker counts exactly before it begins, and refuses a prompt that
does not fit; what it has counted then corrects the estimate for the next try.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

USUAL_ANSWER: Final = 256
"""Tokens that are kept for the answer where the caller names no number."""
_OF_A_TURN: Final = 8
"""Tokens that a chat template puts around a turn."""

# A run of Latin letters, one of digits, white space, a sign, anything else.
_PARTS: Final = re.compile(r"([A-Za-z]+)|([0-9]+)|(\s+)|([\x21-\x7e])|([^\x00-\x7f]+)|.", re.DOTALL)


def estimate_tokens(text: str) -> int:
    """Tokens of a text: letters by four, each digit and sign and line break one, of all else each byte."""
    count = 0
    for part in _PARTS.finditer(text):
        match part.lastindex:
            case 1:
                count += -(-(part.end() - part.start()) // 4)
            case 3:
                count += part[0].count("\n")
            case 5:
                count += len(part[0].encode(errors="replace"))
            case _:
                count += part.end() - part.start()
    return count


def estimate_turns(texts: Sequence[str]) -> int:
    """Tokens of the turns of a conversation."""
    return sum(estimate_tokens(text) + _OF_A_TURN for text in texts)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the context of a model leaves for passages.

    Attributes:
        limit: Tokens of the context, answer included; 0: nobody knows.
        answer: The most tokens that the answer may have; 0: nobody has said. At most half of the context is kept for
            it.
        scale: Tokens that the model counts for one that is estimated.
    """

    limit: int
    answer: int = 0
    scale: float = 1.0

    def passages(self, others: int, costs: Sequence[int]) -> int:
        """How many of the best ranked passages fit.

        Args:
            others: Tokens of all but the passages, estimated.
            costs: Tokens of each passage, the best ranked first.
        """
        if not self.limit:
            return len(costs)
        room = self.limit - min(self.answer or USUAL_ANSWER, self.limit // 2)
        return sum(total * self.scale <= room for total in accumulate(costs, initial=others)) - (
            others * self.scale <= room
        )

    def counted(self, estimated: int, counted: int, limit: int) -> Budget:
        """The budget once the model has counted a prompt.

        Args:
            estimated: What was estimated for it.
            counted: What the model has counted; 0: it has not said.
            limit: The limit that it has named; 0: none.
        """
        scale = max(self.scale, counted / estimated) if counted and estimated else self.scale
        return Budget(limit or self.limit, self.answer, scale)
