"""JSON of one object in a line: written, and read back strictly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from olo_retrieval.errors import ImportMalformed

_GREATEST: Final = 2**53 - 1
"""Beyond this, programs do not agree on what a number in JSON is."""


class Fields:
    """The fields of a JSON object."""

    def __init__(self, content: bytes | dict[str, Any], where: str) -> None:
        self._where = where
        try:
            found = content if isinstance(content, dict) else json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ImportMalformed(f"{where} is not a JSON object")
        self.values: dict[str, Any] = found

    def wrong(self, field: str) -> NoReturn:
        """Raises ImportMalformed."""
        raise ImportMalformed(f"{self._where}: {field} is not as it should be")

    def text(self, field: str) -> str:
        """A text that every store can keep."""
        return checked(self, field, self.values.get(field))

    def number(self, field: str) -> int:
        """A whole number, 0 at least."""
        value = self.values.get(field)
        if not is_count(value):
            self.wrong(field)
        return int(str(value))

    def object(self, field: str) -> Fields:
        """An object."""
        value = self.values.get(field)
        if not isinstance(value, dict):
            self.wrong(field)
        return Fields(value, f"{self._where}: {field}")


def objects(content: bytes, where: str) -> Iterable[Fields]:
    """The object of each line. Raises ImportMalformed, some of it when they are taken."""
    if not content.endswith(b"\n"):
        raise ImportMalformed(f"the line of {where} is cut off")
    return (Fields(line, where) for line in content[:-1].split(b"\n"))


def line_of(value: Mapping[str, Any]) -> bytes:
    """An object as one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def checked(found: Fields, field: str, value: object) -> str:
    """A value of a field, as a text that every store can keep. Raises ImportMalformed."""
    if not isinstance(value, str) or "\0" in value:
        found.wrong(field)
    try:
        value.encode()
    except UnicodeEncodeError:
        found.wrong(field)
    return value


def is_count(value: object) -> bool:
    """Whether a value is a whole number, 0 at least, that every program reads alike."""
    return type(value) is int and 0 <= value <= _GREATEST


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
