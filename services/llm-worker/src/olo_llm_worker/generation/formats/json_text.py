"""Finds the JSON that an answer holds; models like to write around it."""

from __future__ import annotations

import json
from typing import Any, Final

DEEPEST: Final = 64
"""Levels of nesting beyond which JSON is not looked at: the parser calls itself for each."""

_DECODER: Final = json.JSONDecoder()


def parse(text: str) -> Any:
    """The value of a text that is JSON and nothing else.

    Raises:
        ValueError: It is not, or nests too deeply.
    """
    if depth(text) > DEEPEST:
        raise ValueError(f"nests more than {DEEPEST} levels deep")
    return json.loads(text, parse_constant=_refused)


def depth(text: str) -> int:
    """An upper bound of how deeply the JSON in a text nests."""
    level = deepest = 0
    for character in text:
        if character in "[{":
            level += 1
            deepest = max(deepest, level)
        elif character in "]}":
            level -= 1
    return deepest


def find(text: str) -> tuple[str, Any]:
    """The JSON of an answer, as text and as value: all of it, or its first complete object or array.

    Raises:
        ValueError: There is none.
    """
    text = text.strip()
    try:
        return text, parse(text)
    except ValueError:
        pass
    if depth(text) > DEEPEST:
        raise ValueError(f"nests more than {DEEPEST} levels deep")
    at = _next(text, 0)
    tries = 0
    while at >= 0 and tries < DEEPEST:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except ValueError:
            at, tries = _next(text, at + 1), tries + 1
        else:
            return text[at:end], value
    raise ValueError("it holds no complete JSON object")


def _next(text: str, start: int) -> int:
    found = [at for bracket in "{[" if (at := text.find(bracket, start)) >= 0]
    return min(found, default=-1)


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
