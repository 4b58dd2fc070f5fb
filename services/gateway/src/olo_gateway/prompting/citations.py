"""The marks by which an answer cites passages: `[2]`, `[1][3]`, `[1, 3]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from olo_gateway.prompting.support import Support, support_of

MARK: Final = re.compile(r"\[[ \t]{0,3}([0-9]{1,3}(?:[ \t]{0,3},[ \t]{0,3}[0-9]{1,3}){0,49})[ \t]{0,3}\]")
MOST_MARKS: Final = 256
"""Further ones are not looked at: no reader follows so many, and they would make the answer large."""
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mark:
    """A number in brackets; those of one pair of brackets share its place.

    Attributes:
        index: The number.
        start: Where the bracket opens, in characters of the answer.
        end: Behind where it closes.
    """

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Citing:
    """A mark and how far it holds."""

    mark: Mark
    support: Support


def marks_of(answer: str) -> list[Mark]:
    """The first marks of an answer, in its order. What stands in code is none: `a[1]` is an element."""
    code = [found.span() for found in _CODE.finditer(answer)]
    marks, position = [], 0
    for found in MARK.finditer(answer):
        while position < len(code) and code[position][1] <= found.start():
            position += 1
        if position < len(code) and code[position][0] <= found.start():
            continue
        numbers = dict.fromkeys(int(number) for number in found[1].split(","))
        marks += [Mark(number, *found.span()) for number in numbers]
        if len(marks) >= MOST_MARKS:
            break
    return marks[:MOST_MARKS]


def checked_marks(answer: str, passages: Sequence[str]) -> list[Citing]:
    """The marks of an answer, each held against its passage.

    Args:
        answer: What the model has said.
        passages: What was put before it, in the order of their numbers from 1.
    """
    marks = marks_of(answer)
    supports = support_of(answer, [(mark.start, mark.end, mark.index) for mark in marks], passages)
    return [Citing(mark, support) for mark, support in zip(marks, supports, strict=True)]
