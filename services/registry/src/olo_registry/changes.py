"""Who wants to know of changes. A slow listener costs one id per model, never a queue: it reads the newest state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Listener:
    """Collects the ids of models that have changed since it looked last."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False

    def mark(self, model_ids: Iterable[str]) -> None:
        """Says that these have changed."""
        self._changed.update(model_ids)
        self._wake.set()

    def close(self) -> None:
        """Says that nothing more will come."""
        self._closed = True
        self._wake.set()

    async def next(self) -> list[str] | None:
        """Waits for changes; None at the end."""
        await self._wake.wait()
        if self._closed:
            return None
        self._wake.clear()
        changed, self._changed = sorted(self._changed), set()
        return changed


class Changes:
    """Counts the changes of one life of the registry, and tells the listeners.

    Args:
        epoch: Names this life: versions of different lives do not compare.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = 1
        self._listeners: set[Listener] = set()
        self._closed = False

    def mark(self, model_ids: Iterable[str]) -> None:
        """Says that these models have changed."""
        changed = list(model_ids)
        if not changed:
            return
        self.version += 1
        for listener in self._listeners:
            listener.mark(changed)

    @contextmanager
    def listener(self) -> Iterator[Listener]:
        """A listener from now on."""
        listener = Listener()
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Ends every listener, so that their streams end and the server can stop."""
        self._closed = True
        for listener in self._listeners:
            listener.close()
