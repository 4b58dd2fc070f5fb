"""Tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `make reference`; do not edit. -->\n"
"""Begins every page."""


def page(title: str, *parts: str) -> str:
    """A page: its title, and its parts with an empty line between them."""
    return NOTE + "\n".join([f"# {title}\n", *(part.rstrip("\n") + "\n" for part in parts if part)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty where there are no rows."""
    lines = [_row(cells) for cells in rows]
    if not lines:
        return ""
    return "\n".join([_row(head), "|" + "---|" * len(head), *lines]) + "\n"


def code(text: str) -> str:
    """A piece of code; empty text stays empty."""
    return f"`{text}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
