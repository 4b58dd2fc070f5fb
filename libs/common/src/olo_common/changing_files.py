"""Files that are read at start, and again when they change: certificates, keys of payloads and keys of callers.

Nothing watches: whoever is about to use what they hold asks for it, and at most once a second that looks whether the
files are other ones. New files that make no sense (half of one is written, say) are passed over and told of, and what
the old ones held stays in use until there are better ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS: Final = 1.0
"""Time between two looks at the files, at least."""


def content_of(path: Path, most_bytes: int, problem: Callable[[str], Exception]) -> bytes:
    """What a file holds.

    Raises:
        Exception: What `problem` makes of the reason: it cannot be read, or is larger than that.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise problem(f"it cannot be read ({error.strerror})") from None
    if len(content) > most_bytes:
        raise problem("it is too large")
    return content


class ChangingFiles(Generic[T]):
    """What some files hold, as they are now. Safe to use from several threads.

    Args:
        paths: The files; their order tells them apart.
        read: Reads and checks them all.
        problem: What `read` raises where they make no sense.
        told: Is told of each change: with the problem, or None where the new files are in use.
        clock: Seconds, growing.

    Raises:
        Exception: Of the type `problem`, where they make no sense now.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        *,
        problem: type[Exception],
        told: Callable[[Exception | None], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = paths
        self._read = read
        self._problem = problem
        self._told = told
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._signs()
        self._held = read()
        self._next_look = clock() + LOOK_SECONDS

    def current(self, *, at_once: bool = False) -> T:
        """What the files hold; another object where that has changed. Never raises.

        Args:
            at_once: Look now, however short ago the last look was: for who misses something.
        """
        with self._lock:
            if at_once or self._clock() >= self._next_look:
                self._next_look = self._clock() + LOOK_SECONDS
                self._look()
            return self._held

    def _look(self) -> None:
        signs = self._signs()
        if signs == self._seen:
            return
        self._seen = signs
        try:
            self._held = self._read()
        except self._problem as problem:
            self._told(problem)
        else:
            self._told(None)

    def _signs(self) -> list[tuple[int, int, int] | None]:
        """What tells a file that was changed or replaced from the one before, links included."""
        found: list[tuple[int, int, int] | None] = []
        for path in self._paths:
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
            except OSError:
                found.append(None)
        return found
