"""Turns tokens into text piece by piece, never in the middle of a code point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

_REPLACEMENT: Final = "\ufffd"


class Detokenizer:
    """Gives text as soon as it is final. All pieces together are the text of all tokens.

    Tokens are decoded together with the piece before them, because some tokenizers write the first token of a text
    differently (without its leading space).

    Args:
        decode: The text of a sequence of tokens, in which incomplete code points show as U+FFFD.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._before: list[int] = []
        self._before_length = 0
        self._pending: list[int] = []

    def feed(self, *token_ids: int) -> str:
        """Takes the next tokens; returns the text that is now certain."""
        self._pending += token_ids
        text = self._text()
        return "" if text.endswith(_REPLACEMENT) else self._settle(text)

    def flush(self) -> str:
        """The rest: a code point that stayed incomplete shows as U+FFFD."""
        return self._settle(self._text()) if self._pending else ""

    def _text(self) -> str:
        return self._decode([*self._before, *self._pending])[self._before_length :]

    def _settle(self, text: str) -> str:
        if text:
            self._before, self._pending = self._pending, []
            self._before_length = len(self._decode(self._before))
        return text
