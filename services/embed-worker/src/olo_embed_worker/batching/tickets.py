"""A request that waits, and its texts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olo_embed_worker.types import InputKind, Rows, Tokenized


@dataclass(frozen=True)
class Embedded:
    """The answer to one request."""

    rows: Rows
    tokens: list[int]
    """Tokens of each text, uncut."""


class Ticket:
    """A request, and what it has got so far."""

    def __init__(self, texts: Sequence[Tokenized], kind: InputKind) -> None:
        self.texts = texts
        self.kind = kind
        self.arrived = time.monotonic()
        self.future: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self._rows: Rows | None = None
        self._missing = len(texts)

    @property
    def ended(self) -> bool:
        """Whether nobody waits for it any more. May be asked in any thread."""
        return self.future.done()

    def entries(self) -> list[Entry]:
        """Its texts, one by one."""
        return [Entry(self, index, len(text.ids)) for index, text in enumerate(self.texts)]

    def give(self, index: int, row: Rows) -> None:
        """Hands over the row of one text; the last one answers the request."""
        if self._rows is None:
            self._rows = np.empty((len(self.texts), row.shape[0]), np.float32)
        self._rows[index] = row
        self._missing -= 1
        if not self._missing and not self.future.done():
            self.future.set_result(Embedded(self._rows, [text.tokens for text in self.texts]))

    def fail(self, error: BaseException) -> None:
        """Ends the request with an error, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class Entry:
    """One text of a request."""

    ticket: Ticket
    index: int
    length: int
    """Tokens that the model reads."""

    @property
    def text(self) -> Tokenized:
        """The text."""
        return self.ticket.texts[self.index]
