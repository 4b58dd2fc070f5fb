"""The leaderboard of LMArena: ratings from people's preferences. It is published as tables, CSV or JSON.

Columns are found by name: `model` (or `Model`, `key`, `model_name`), and `rating` (or `score`, `elo`,
`arena_score`); `license` where there is one.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from olo_registry.benchmarks.facts import Record
from olo_registry.benchmarks.sources.reading import json_of, name_of, number_of, records_of
from olo_registry.errors import SourceDrifted

_NAMES = ("model", "key", "model_name", "name")
_RATINGS = ("rating", "score", "elo", "arena_score", "arena score", "arena elo rating", "elo_rating")
_LICENSES = ("license", "licence")
_MAX_ELO = 4000.0


def read_lmarena(document: bytes) -> tuple[Record, ...]:
    """The records.

    Raises:
        SourceDrifted: The document has another shape.
    """
    rows = _json_rows(document) if document.lstrip()[:1] in (b"[", b"{") else _csv_rows(document)
    if not rows:
        raise SourceDrifted("it has no rows")
    lowered = [{str(key).strip().lower(): value for key, value in row.items() if key is not None} for row in rows]
    return records_of(lowered, _record)


def _json_rows(document: bytes) -> list[dict[str, Any]]:
    said = json_of(document)
    if isinstance(said, dict):
        said = next((value for value in said.values() if isinstance(value, list)), None)
    if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        raise SourceDrifted("it is no list of rows")
    return said


def _csv_rows(document: bytes) -> list[dict[str, Any]]:
    try:
        rows = list(csv.DictReader(io.StringIO(document.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise SourceDrifted("it is not CSV") from None
    return [dict(row) for row in rows]


def _record(row: dict[str, Any]) -> Record:
    rating = number_of(_first(row, _RATINGS), 0.0, _MAX_ELO)
    if rating is None:
        raise ValueError("no rating")
    license_name = next((row[name] for name in _LICENSES if isinstance(row.get(name), str) and row[name].strip()), None)
    return Record(
        name=name_of(_first(row, _NAMES)),
        elo=rating,
        license=license_name[:256] if license_name is not None else None,
    )


def _first(row: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)
