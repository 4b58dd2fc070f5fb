"""The marks by which an answer cites passages: `[2]`, `[1][3]`, `[1, 3]`."""

from __future__ import annotations

import re
from typing import Final

_MARK: Final = re.compile(r"\[\s*([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\s*\]")


def cited_numbers(answer: str, passages: int) -> set[int]:
    """The passages, numbered from 1, that the answer marks; numbers that no passage has are left out."""
    numbers = {int(number) for mark in _MARK.findall(answer) for number in mark.split(",")}
    return {number for number in numbers if 1 <= number <= passages}
