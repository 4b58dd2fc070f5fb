"""Places of points in a store in memory."""

from __future__ import annotations

from collections.abc import Iterable


class Slots:
    """Numbers for points, each given to another one once its point is gone.

    Qdrant's client in memory hides what is deleted, and keeps and compares it for ever; what it is given by the same
    number takes its place. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._points: list[str] = []
        """By number; of one that is free, who had it last."""
        self._free: list[int] = []

    def number(self, point: str) -> int:
        """The number of a point: its own if it has one, else a free one, else the next."""
        if (known := self._numbers.get(point)) is not None:
            return known
        if self._free:
            number = self._free.pop()
            self._points[number] = point
        else:
            number = len(self._points)
            self._points.append(point)
        self._numbers[point] = number
        return number

    def free(self, numbers: Iterable[int]) -> None:
        """The points of these numbers are gone."""
        for number in numbers:
            del self._numbers[self._points[number]]
            self._free.append(number)
