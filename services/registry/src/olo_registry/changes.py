"""Who wants to know of changes. A slow listener costs one id per change, never a queue: it reads the newest state."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_MAX_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Changed:
    """What has changed: ids of models, names of aliases."""

    models: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)


class Listener:
    """Collects what has changed since it looked last."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._aliases: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False

    def mark(self, changed: Changed) -> None:
        """Says that these have changed."""
        self._models.update(changed.models)
        self._aliases.update(changed.aliases)
        self._wake.set()

    def close(self) -> None:
        """Says that nothing more will come."""
        self._closed = True
        self._wake.set()

    async def next(self) -> Changed | None:
        """Waits for changes; None at the end."""
        await self._wake.wait()
        if self._closed:
            return None
        self._wake.clear()
        changed = Changed(sorted(self._models), sorted(self._aliases))
        self._models, self._aliases = set(), set()
        return changed


class Changes:
    """Counts the changes of one life of the registry, tells the listeners, and knows what has changed since when.

    Args:
        epoch: Names this life: versions of different lives do not compare.
        max_remembered: Of so many models and aliases the last change is known; who asks for older is told so.
    """

    def __init__(self, epoch: str, max_remembered: int = _MAX_REMEMBERED) -> None:
        self.epoch = epoch
        self.version = 1
        self._max_remembered = max_remembered
        self._oldest = 1
        self._changed_at: dict[tuple[bool, str], int] = {}
        self._listeners: set[Listener] = set()
        self._closed = False

    def mark(self, models: Iterable[str] = (), aliases: Iterable[str] = ()) -> None:
        """Says that these models and aliases have changed."""
        changed = Changed(list(models), list(aliases))
        if not changed.models and not changed.aliases:
            return
        keys = [(False, model) for model in changed.models] + [(True, alias) for alias in changed.aliases]
        self.version += 1
        for key in keys:
            self._changed_at.pop(key, None)
            self._changed_at[key] = self.version
        while len(self._changed_at) > self._max_remembered:
            self._oldest = self._changed_at.pop(next(iter(self._changed_at)))
        for listener in self._listeners:
            listener.mark(changed)

    def since(self, epoch: str, version: int) -> Changed | None:
        """What has changed after that version; None where nobody can say."""
        if epoch != self.epoch or not self._oldest <= version <= self.version:
            return None
        newer: list[tuple[bool, str]] = []
        # The newest change comes last.
        for key, changed_at in reversed(self._changed_at.items()):
            if changed_at <= version:
                break
            newer.append(key)
        return Changed(sorted(k for alias, k in newer if not alias), sorted(k for alias, k in newer if alias))

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
