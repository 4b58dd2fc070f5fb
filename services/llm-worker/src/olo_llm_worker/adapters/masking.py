"""Holds an answer to a schema while the engine generates it.

CTranslate2 decides on each token itself, and cannot be told beforehand which ones are allowed. So its choice is looked
at: one that the schema allows stands, and costs next to nothing. In place of another one comes the likeliest token that
is allowed, and whatever the schema then forces; the engine, which has gone another way, has to read these anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from olo_llm_worker.adapters.grammar import Guide
from olo_llm_worker.adapters.hearer import Hearer
from olo_llm_worker.generation.engine import AGAIN, END


class Masking:
    """Follows the one row of a batch.

    Args:
        guide: Stands behind what the engine reads in, but for `forced`.
        forced: Tokens at the end of what the engine reads in that the hearer has not heard of.
        limit: Tokens after which the row ends at the latest, `forced` among them.
        hearer: Hears of the tokens that stand.
        cached: Whether the static prompt was there; asked at the first step.
    """

    def __init__(self, guide: Guide, forced: list[int], limit: int, hearer: Hearer, cached: Callable[[], bool]) -> None:
        self._guide = guide
        self._forced = forced
        self._room = limit
        self._hearer = hearer
        self._cached = cached
        self._began = False
        self._gone = False

    def step(self, result: Any) -> bool:
        """Takes a step of the engine; True ends the row there."""
        if not self._began:
            self._began = True
            self._hearer.began(cached=self._cached())
            if self._tell(self._forced):
                return True
        token_id = result.token_id
        if self._guide.follow(token_id):
            return self._tell([END if self._guide.stops(token_id) else token_id])
        chosen = self._guide.choose(np.array(result.logits)[0])
        if chosen == END:
            return self._tell([END])
        return self._tell([chosen, *self._guide.forced()]) or self._tell([AGAIN])

    def finish(self) -> None:
        """The engine has returned, or was not needed: a row that has not ended must be read again."""
        if not self._began:
            self._hearer.began(cached=False)
            self._tell(self._forced)
        self._tell([AGAIN])

    def _tell(self, token_ids: list[int]) -> bool:
        """Hands tokens on, and the end where nothing can follow; True once the row is gone."""
        for token_id in token_ids:
            if self._gone:
                break
            self._room -= 1
            self._gone = self._hearer.token(0, token_id, 0.0) or token_id in (END, AGAIN) or self._room <= 0
        if not self._gone and self._guide.ended:
            self._hearer.token(0, END, 0.0)
            self._gone = True
        return self._gone
