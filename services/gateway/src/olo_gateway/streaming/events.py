"""What goes into the assembler and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one attempt's text."""

    candidate: int
    attempt: int
    offset: int
    """Position of the text in the attempt's answer, in UTF-8 bytes."""
    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer."""

    text: str
    offset: int
    """Position of the text in the answer, in UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The answer starts again; what came before is void."""

    reason: str


StreamEvent: TypeAlias = Delta | Reset
