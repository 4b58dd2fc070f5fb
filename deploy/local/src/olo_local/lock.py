"""One stack for each directory at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from olo_local.errors import StackError, Unwritable


@contextmanager
def directory_lock(home: Path) -> Iterator[None]:
    """Holds the directory while the context is entered; the system lets go of it however this process ends.

    Raises:
        StackError: Another stack runs here, or the directory cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "stack.lock").open("w")
    except OSError as error:
        raise Unwritable(home, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(f"a stack already runs in {home}: `olo status` shows it, `olo down` stops it") from None
        yield
