"""The log files of the children."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.2


def log_names(folder: Path) -> list[str]:
    """Whose logs there are."""
    return sorted(path.stem for path in folder.glob("*.log"))


def tail(folder: Path, name: str, lines: int) -> list[str]:
    """The last lines of a log."""
    with (folder / f"{name}.log").open(encoding="utf-8", errors="replace") as log:
        return [line.rstrip("\n") for line in deque(log, maxlen=lines)]


def follow(folder: Path, name: str, lines: int) -> Iterator[str]:
    """The last lines of a log, and each further one when it is written; never ends."""
    with (folder / f"{name}.log").open(encoding="utf-8", errors="replace") as log:
        yield from (line.rstrip("\n") for line in deque(log, maxlen=lines))
        rest = ""
        while True:
            piece = log.readline()
            if not piece:
                time.sleep(_POLL_SECONDS)
                continue
            rest += piece
            if rest.endswith("\n"):
                yield rest.rstrip("\n")
                rest = ""
