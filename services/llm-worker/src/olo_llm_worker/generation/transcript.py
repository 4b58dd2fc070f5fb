"""The answer as it comes into being: tokens in, certain text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from olo_llm_worker.generation.detokenizer import Detokenizer
from olo_llm_worker.generation.stop_scanner import StopScanner


class Transcript:
    """Counts tokens and gives the text of the answer, which a stop string ends."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._detokenizer = Detokenizer(decode)
        self._scanner = StopScanner(stops)
        self.tokens = 0

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._scanner.stopped

    def feed(self, token_id: int) -> str:
        """Takes the next token; returns the text that is now certain."""
        self.tokens += 1
        return self._scanner.feed(self._detokenizer.feed(token_id))

    def finish(self) -> str:
        """The rest of the text, once there are no more tokens."""
        rest = self._scanner.feed(self._detokenizer.flush())
        return rest if self.stopped else rest + self._scanner.flush()
