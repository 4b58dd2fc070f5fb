"""Tables and records: CSV, TSV, JSON, JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator

from olo_retrieval.errors import DocumentMalformed, DocumentTooComplex
from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.encoding import decoded

_DEEPEST = 50


def read_csv(data: bytes, writer: TextWriter) -> Extracted:
    """A table; the delimiter is whichever of `,`, `;` and tab the first line has most of."""
    text = decoded(data)
    first = text.partition("\n")[0]
    return _table(text, max(",;\t", key=first.count), writer)


def read_tsv(data: bytes, writer: TextWriter) -> Extracted:
    """A table delimited by tabs."""
    return _table(decoded(data), "\t", writer)


def read_json(data: bytes, writer: TextWriter) -> Extracted:
    """One block for each element of a list, else one for all: `key: value` on each line."""
    value = _loaded(decoded(data))
    for record in value if isinstance(value, list) else [value]:
        writer.paragraph("\n".join(_lines("", record)))
    return writer.extracted(Structure.TEXT)


def read_jsonl(data: bytes, writer: TextWriter) -> Extracted:
    """One block for each line."""
    for line in io.StringIO(decoded(data)):
        if line.strip():
            writer.paragraph("\n".join(_lines("", _loaded(line))))
    return writer.extracted(Structure.TEXT)


def _table(text: str, delimiter: str, writer: TextWriter) -> Extracted:
    # The limit is one for the whole process: whoever else reads CSV there keeps their own.
    before = csv.field_size_limit(min(len(text) + 1, sys.maxsize))
    try:
        writer.table(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        raise DocumentMalformed from None
    finally:
        csv.field_size_limit(before)
    return writer.extracted(Structure.MARKDOWN)


def _loaded(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        raise DocumentMalformed from None
    return value


def _lines(path: str, value: object, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        raise DocumentTooComplex
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(f"{path}.{key}" if path else str(key), inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(path, inner, depth + 1)
    elif value is not None:
        shown = value if isinstance(value, str) else json.dumps(value)
        # A blank line would end the record.
        shown = "\n".join(line for line in shown.splitlines() if line.strip())
        if shown:
            yield f"{path}: {shown}" if path else shown
