"""A stream for callers that cannot be told to drop text: an answer that starts again goes on where they stand.

A dialect without a word for a reset only ever adds text. What a new attempt repeats of the text that was sent is
swallowed. An attempt that says something else cannot be told there: the stream fails, and says so.
"""

from __future__ import annotations

from olo_gateway.errors import AnswerRestarted
from olo_gateway.streaming.events import Delta, Reset, StreamEvent


class AppendOnly:
    """What one caller has been sent of one answer."""

    def __init__(self) -> None:
        self._sent = bytearray()
        self._known = 0
        """How much of the answer, as it is now, is known; less than was sent after a reset."""

    def take(self, event: StreamEvent) -> str:
        """The text that is to be sent for an event; often empty after a reset.

        Raises:
            AnswerRestarted: The answer has become another one than what was sent.
        """
        match event:
            case Reset():
                self._known = 0
                return ""
            case Delta(text):
                said = text.encode()
                repeated = bytes(self._sent[self._known : self._known + len(said)])
                if not said.startswith(repeated):
                    raise AnswerRestarted
                self._known += len(said)
                new = said[len(repeated) :]
                self._sent += new
                return new.decode(errors="strict")

    def end(self) -> None:
        """The answer is complete.

        Raises:
            AnswerRestarted: It ends before the end of what was sent.
        """
        if self._known < len(self._sent):
            raise AnswerRestarted
