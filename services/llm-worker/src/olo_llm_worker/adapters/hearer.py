"""Who hears of a batch in the engine's process."""

from __future__ import annotations

from typing import Protocol


class Hearer(Protocol):
    """Hears of a batch token by token, in a thread of the engine."""

    def began(self, *, cached: bool) -> None:
        """Called before the first token: whether the static prompt was there already."""

    def token(self, row: int, token_id: int, logprob: float) -> bool:
        """Called for each generated token, and with `END` where the model ends a row; True ends the row.

        `AGAIN` says that the row has not ended, but gives no more tokens in this batch.
        """
