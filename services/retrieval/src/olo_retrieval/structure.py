"""What marks the parts of a text."""

from __future__ import annotations

from enum import StrEnum


class Structure(StrEnum):
    """What marks the parts of a text."""

    MARKDOWN = "markdown"
    """Headings, fenced code and tables, as Markdown has them."""
    TEXT = "text"
    """Blank lines alone: a `#` is no heading."""
    CODE = "code"
    """Source code: indentation and blank lines."""
