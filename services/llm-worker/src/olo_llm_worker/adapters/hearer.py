"""Who hears of a batch in the engine's process."""

from __future__ import annotations

from typing import Protocol

from olo_llm_worker.generation.engine import Top


class Hearer(Protocol):
    """Hears of a batch token by token, in a thread of the engine."""

    def began(self, *, cached: bool) -> None:
        """Called before the first token: whether the static prompt was there already."""

    def token(self, row: int, token_id: int, logprob: float, top: Top = ()) -> bool:
        """Called for each generated token, and with `END` where the model ends a row; True ends the row.

        `top` has the likeliest tokens of its place, where the batch asks for them.
        `AGAIN` says that the row has not ended, but gives no more tokens in this batch.
        """
