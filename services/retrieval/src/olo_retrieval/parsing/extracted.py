"""The text of a file, and how readers write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from olo_retrieval.errors import TextTooLong
from olo_retrieval.structure import Structure

__all__ = ["Extracted", "Structure", "TextWriter"]


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a file."""

    text: str
    structure: Structure = Structure.MARKDOWN
    pages: Sequence[int] = ()
    """Where each page or slide begins in the text, in characters; empty where there are none."""


class TextWriter:
    """Collects text; readers of all formats write through one.

    Args:
        max_chars: More text than this is refused with TextTooLong.
    """

    def __init__(self, max_chars: int) -> None:
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._length = 0
        self._pages: list[int] = []

    def begin_page(self) -> None:
        """The next text stands on a new page."""
        self._pages.append(self._length)

    def paragraph(self, text: str) -> None:
        """One block, set off by a blank line. Blank text is left out."""
        if text := text.strip("\n"):
            self._write(text + "\n\n")

    def heading(self, level: int, text: str) -> None:
        """A heading, 1 to 6, on one line."""
        if words := " ".join(text.split()):
            self.paragraph(f"{'#' * min(max(level, 1), 6)} {words}")

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Rows of cells, the first one being the header; empty rows are left out."""
        width = 0
        for row in rows:
            cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
            if not any(cells):
                continue
            if not width:
                width = len(cells)
                self._write(_row(cells) + _row(["---"] * width))
                continue
            self._write(_row(cells + [""] * (width - len(cells))))
        if width:
            self._write("\n")

    def extracted(self, structure: Structure) -> Extracted:
        """What was written."""
        return Extracted("".join(self._parts), structure, tuple(self._pages))

    def _write(self, text: str) -> None:
        # NUL cannot be stored, and half a surrogate pair cannot be encoded.
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
        self._length += len(text)
        if self._length > self._max_chars:
            raise TextTooLong
        self._parts.append(text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
