"""How long a parked run lets pass before it asks again whether a model is there."""

from __future__ import annotations

from typing import Final

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
MOST_PAUSES: Final = 4000
"""Of one wait, about: each is six events, of which a history may have 51,200. In waits of days, pauses are longer."""
_SHARE: Final = 0.1
"""Each pause is this part of the time waited so far: nobody waits much longer than needed, and the number of questions
grows with the logarithm of the wait, until the longest pause is reached."""

SOON: Final = (0.25, 0.5, 1.0)
"""Pauses after a hint: the router hears of a new instance a moment after it was announced."""


class Patience:
    """The pauses of one parked run. Seconds throughout."""

    def __init__(self) -> None:
        self._soon: list[float] = []

    def hurry(self) -> None:
        """A hint has come: the next questions follow soon."""
        self._soon = list(SOON)

    def pause(self, waited: float, left: float) -> float:
        """The next pause, after a wait of `waited`, where `left` is what may still be waited."""
        longest = max(LONGEST_PAUSE, (waited + left) / MOST_PAUSES)
        usual = min(max(FIRST_PAUSE, waited * _SHARE), longest)
        return min(self._soon.pop(0) if self._soon else usual, left)
