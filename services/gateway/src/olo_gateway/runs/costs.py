"""What a request may cost, as far as that can be told before a model has seen it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from olo_gateway.runs.order import ChatOrder

CHARACTERS_PER_TOKEN: Final = 4
USUAL_ANSWER_TOKENS: Final = 128


def expected_tokens(order: ChatOrder) -> int:
    """Tokens that a run may cost."""
    said = tokens_in([turn.content for turn in order.turns])
    return said + order.n * (order.sampling.max_tokens or USUAL_ANSWER_TOKENS)


def tokens_in(texts: Sequence[str]) -> int:
    """About how many tokens texts have; who counts them exactly holds a model."""
    return math.ceil(sum(map(len, texts)) / CHARACTERS_PER_TOKEN)
