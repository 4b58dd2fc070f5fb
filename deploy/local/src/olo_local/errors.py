"""Why the local stack does not start or cannot be reached: one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path


class StackError(Exception):
    """The local stack cannot do what it was asked; the message is for people, the exit code is 1."""


class PortTaken(StackError):
    """Something else listens on a port that a child needs."""


class ChildFailed(StackError):
    """A child has ended before it was ready for the first time."""


class Unwritable(StackError):
    """The directory of the stack cannot be written."""

    def __init__(self, home: Path, error: OSError) -> None:
        super().__init__(f"{home} cannot be written ({error.strerror}): set OLO_LOCAL_DIRECTORY to a place that can")
