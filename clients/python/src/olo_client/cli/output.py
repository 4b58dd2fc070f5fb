"""How commands write: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text


def as_dict(message: Message) -> dict[str, Any]:
    """The fields of a message under their proto names, with those that are empty."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def write_json(value: Any) -> None:
    """One JSON document on one line."""
    print(json.dumps(value, ensure_ascii=False))


def write_done(told: Any, words: str, *, as_json: bool) -> None:
    """What a command has done: JSON for programs, or the words."""
    if as_json:
        write_json(told)
    elif words:
        print(words)


def write_bytes(parts: Iterable[bytes], output: Path | None) -> None:
    """What a command downloads, into a file; without one to standard output."""
    if output is None:
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    with output.open("wb") as sink:
        for part in parts:
            sink.write(part)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; cells are never read as markup, and a pipe gets it at full width."""
    console = Console()
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    if not console.is_terminal:
        unbounded = console.options.update(max_width=10_000)
        console.width = Measurement.get(console, unbounded, table).maximum
    console.print(table)


def moment(timestamp: Timestamp) -> str:
    """A time in the local zone, or a dash where it is not set."""
    if not timestamp.seconds:
        return "-"
    return timestamp.ToDatetime(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def seconds(spent: Duration) -> str:
    """A time that something took."""
    return f"{spent.seconds + spent.nanos / 1e9:.2f} s"


def enum_word(name: str, prefix: str) -> str:
    """`RUN_STATE_TIMED_OUT` as `timed out`."""
    return name.removeprefix(prefix).lower().replace("_", " ")
