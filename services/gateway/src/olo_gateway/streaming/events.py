"""What goes into an answer that is being assembled, and what its readers get."""

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
    checksum: int
    """CRC-32 of the answer up to the end of the text."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The answer starts again; what came before is void."""

    reason: str


StreamEvent: TypeAlias = Delta | Reset


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """How far a reader had come before it lost its stream."""

    offset: int
    """UTF-8 bytes of the answer that it has."""
    checksum: int | None = None
    """CRC-32 of these bytes; None: the reader is believed."""
    field: str = "resume_offset"
    """The field of the request that says so."""
