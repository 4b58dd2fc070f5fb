"""The answer as it comes into being: tokens in, certain text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from olo_llm_worker.generation.detokenizer import Detokenizer
from olo_llm_worker.generation.stop_scanner import StopScanner


class Transcript:
    """Gives the text of the answer, which a stop string ends; what comes after it is no part of the answer.

    Where there are stop strings each token is read at once, to find where the answer ends; else only when somebody
    asks for the text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        self._detokenizer = Detokenizer(decode)
        self._scanner = StopScanner(stops)
        self._stepwise = bool(stops)
        self._texts: list[str] = []
        self._read = 0
        self.token_ids: list[int] = []

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._scanner.stopped

    def feed(self, token_ids: Sequence[int]) -> None:
        """Takes the next tokens, up to the one that completes a stop string."""
        if not self._stepwise:
            self.token_ids += token_ids
            return
        for token_id in token_ids:
            if self.stopped:
                break
            self.token_ids.append(token_id)
            self._add(self._scanner.feed(self._detokenizer.feed(token_id)))
        self._read = len(self.token_ids)

    def finish(self) -> None:
        """There are no more tokens: what was held back is certain now."""
        self._catch_up()
        self._add(self._scanner.feed(self._detokenizer.flush()))
        if not self.stopped:
            self._add(self._scanner.flush())

    def text(self, start: int = 0) -> tuple[str, int]:
        """The certain text since a place, and the place after it."""
        self._catch_up()
        return "".join(self._texts[start:]), len(self._texts)

    def _catch_up(self) -> None:
        if self._read < len(self.token_ids):
            self._add(self._detokenizer.feed(*self.token_ids[self._read :]))
            self._read = len(self.token_ids)

    def _add(self, text: str) -> None:
        if text:
            self._texts.append(text)
