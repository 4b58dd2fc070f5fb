"""The answer as it comes into being: tokens in, certain text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from olo_llm_worker.generation.detokenizer import Detokenizer
from olo_llm_worker.generation.stop_scanner import StopScanner


class Transcript:
    """Gives the text of the answer, which a stop string ends; what comes after it is no part of the answer."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._detokenizer = Detokenizer(decode)
        self._scanner = StopScanner(stops)
        self._stepwise = bool(stops)
        self.token_ids: list[int] = []

    @property
    def tokens(self) -> int:
        """Tokens of the answer so far."""
        return len(self.token_ids)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._scanner.stopped

    def feed(self, *token_ids: int) -> str:
        """Takes the next tokens, up to the one that completes a stop string; returns the text that is now certain."""
        if not self._stepwise:
            self.token_ids += token_ids
            return self._detokenizer.feed(*token_ids)
        text = ""
        for token_id in token_ids:
            if self.stopped:
                break
            self.token_ids.append(token_id)
            text += self._scanner.feed(self._detokenizer.feed(token_id))
        return text

    def finish(self) -> str:
        """The rest of the text, once there are no more tokens."""
        rest = self._scanner.feed(self._detokenizer.flush())
        return rest if self.stopped else rest + self._scanner.flush()
