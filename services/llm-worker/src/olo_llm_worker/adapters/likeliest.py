"""Tells the likeliest tokens at each place of an answer, out of the scores with which the engine chose.

The scores are those before temperature, top_p and top_k, and after penalties and bans.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from olo_llm_worker.adapters.hearer import Hearer
from olo_llm_worker.generation.engine import AGAIN, END, Top


def log_probabilities(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The natural logarithms of the probabilities that scores of all tokens mean; banned tokens have -inf."""
    # The engine bans with the lowest number there is.
    exact = np.where(scores > np.finfo(np.float32).min, scores, -np.inf).astype(np.float64)
    exact -= exact.max()
    exact -= np.log(np.exp(exact).sum())
    return exact


def likeliest(logprobs: npt.NDArray[np.float64], count: int) -> Top:
    """So many of the likeliest tokens, the likeliest first, of equals that with the lower id; none that is banned."""
    count = min(count, len(logprobs))
    # All that are as likely as the last one, so that equals do not fall out by chance.
    least = np.partition(logprobs, -count)[-count]
    found = np.flatnonzero((logprobs >= least) & (logprobs > -np.inf))
    order = np.argsort(-logprobs[found], kind="stable")[:count]
    return tuple((int(token_id), float(logprobs[token_id])) for token_id in found[order])


class Telling:
    """Follows the one row of a batch.

    Args:
        hearer: Hears of the tokens.
        stop_ids: Tokens that end an answer.
        count: How many of the likeliest are told.
        limit: Tokens after which the row ends at the latest.
        cached: Whether the static prompt was there; asked at the first step.
    """

    def __init__(
        self, hearer: Hearer, stop_ids: Collection[int], count: int, limit: int, cached: Callable[[], bool]
    ) -> None:
        self._hearer = hearer
        self._stop_ids = stop_ids
        self._count = count
        self._room = limit
        self._cached = cached
        self._began = False
        self._gone = False

    def step(self, result: Any) -> bool:
        """Takes a step of the engine; True ends the row there."""
        if not self._began:
            self._began = True
            self._hearer.began(cached=self._cached())
        token_id = result.token_id
        if token_id in self._stop_ids:
            self._gone = True
            self._hearer.token(0, END, 0.0)
            return True
        self._room -= 1
        logprobs = log_probabilities(np.array(result.logits)[0])
        top = likeliest(logprobs, self._count)
        self._gone = self._hearer.token(0, token_id, float(logprobs[token_id]), top) or self._room <= 0
        return self._gone

    def finish(self) -> None:
        """The engine has returned: a row that has not ended must be read again."""
        if not self._gone:
            self._hearer.token(0, AGAIN, 0.0)
