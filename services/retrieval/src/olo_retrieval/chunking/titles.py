"""The title of a document that was handed in without one."""

from __future__ import annotations

from olo_retrieval.chunking.blocks import BlockKind, find_blocks
from olo_retrieval.structure import Structure

_LONGEST = 120


def title_of(text: str, structure: Structure = Structure.MARKDOWN) -> str:
    """The first heading, else the first line; at most 120 characters, empty for a blank text."""
    blocks = find_blocks(text, structure)
    headings = (heading_text(text[b.start : b.end]) for b in blocks if b.kind is BlockKind.HEADING)
    title = next((heading for heading in headings if heading), "")
    return _cut(title or next((line.strip() for line in text.splitlines() if line.strip()), ""))


def heading_text(block: str) -> str:
    """The words of a heading, without its marks."""
    return block.splitlines()[0].strip().strip("#").strip() if block else ""


def _cut(title: str) -> str:
    return title if len(title) <= _LONGEST else title[: _LONGEST - 1].rstrip() + "…"
