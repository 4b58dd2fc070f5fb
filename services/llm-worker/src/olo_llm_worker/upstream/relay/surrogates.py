"""JSON may cut a character in two, in the middle of an escaped pair; text never may."""

from __future__ import annotations


class SurrogateJoiner:
    """Gives text in which every character is whole; the first half of a pair waits for the second."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Takes the next piece; halves that find no partner show as U+FFFD."""
        text = self._held + text
        self._held = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _whole(text[: len(text) - len(self._held)])

    def flush(self) -> str:
        """What is held back at the end."""
        held, self._held = self._held, ""
        return _whole(held)


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
