"""Endings of the files whose text retrieval reads, by the name of their format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("txt", "text", "log", "rst"),
    "markdown": ("md", "markdown"),
    "html": ("html", "htm", "xhtml"),
    "pdf": ("pdf",),
    "docx": ("docx",),
    "pptx": ("pptx",),
    "xlsx": ("xlsx",),
    "csv": ("csv",),
    "tsv": ("tsv",),
    "json": ("json",),
    "jsonl": ("jsonl", "ndjson"),
    "code": (
        "bash", "c", "cc", "cpp", "cs", "css", "dart", "ex", "go", "h", "hpp", "hs", "java", "js", "jsx", "kt", "lua",
        "m", "php", "pl", "proto", "ps1", "py", "r", "rb", "rs", "scala", "sh", "sql", "swift", "tf", "toml", "ts",
        "tsx", "vue", "yaml", "yml", "zig",
    ),
}  # fmt: skip
"""In lower case, without the dot. An ending stands for one format."""

READABLE: Final = frozenset(ending for endings in ENDINGS.values() for ending in endings)
