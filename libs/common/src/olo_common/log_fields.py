"""What a line of the log may hold: fields that are listed here, and nothing that a caller has written.

A field that is not listed is left out, the texts of exceptions are, and so are messages of libraries, which may quote
whatever they stumbled over. What is left says what happened, where in the code, and to which run.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

from olo_common.structlog_library import EventDict, Processor

IDS: Final = frozenset({"trace_id", "span_id", "request_id", "run_id"})
HEAD: Final = frozenset({"timestamp", "level", "event", "service", "process", "number"})
_FACTS: Final = (
    "logger place template exception rpc path code reason error field times address url service_name task stream "
    "subject pid exit_code exit_status command status kind problem removed format name version batch_id line "
    "document_id source_id documents chunks instance_id model models quantization hardware compute_type"
)
FIELDS: Final = IDS | HEAD | frozenset(_FACTS.split())
"""The fields. Each holds an id, a count, a place, or a word of ours."""
LONGEST: Final = 300
"""Characters of a value; what is longer is cut."""
LONGEST_EXCEPTION: Final = 8000
_FRAMES: Final = 12
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def listed(_: Any, __: str, event: EventDict) -> EventDict:
    """Drops what is not listed, cuts what is long, masks the credentials of URLs and what would move a cursor."""
    return {name: plain(name, value) for name, value in event.items() if name in FIELDS or name.startswith("_")}


def without_texts(*, texts: bool) -> Processor:
    """Makes of an exception where it came from and of which types it and its causes are.

    Args:
        texts: Whether what exceptions and libraries say is kept, too.
    """

    def tell(_: Any, __: str, event: EventDict) -> EventDict:
        told = event.pop("exc_info", None)
        error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
        event.pop("stack_info", None)
        if isinstance(error, BaseException):
            event["exception"] = "\n".join(traceback.format_exception(error)) if texts else places_of(error)
        record = event.get("_record")
        if isinstance(record, logging.LogRecord) and event.get("_from_structlog") is False:
            _library(event, record, texts=texts)
        return event

    return tell


def places_of(error: BaseException) -> str:
    """The types of an exception and of its causes, each with the places that it passed, the innermost last."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < _FRAMES:
        frames = traceback.extract_tb(seen.__traceback__)[-_FRAMES:]
        places = " > ".join(f"{_module(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
        told.append(f"{type(seen).__name__} at {places or 'nowhere'}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "; because of ".join(told)


def _library(event: EventDict, record: logging.LogRecord, *, texts: bool) -> None:
    """A line of a library: its template, where it has one, is its own words; what fills it may be anyone's."""
    event["logger"] = record.name
    event["place"] = f"{_module(record.pathname)}:{record.lineno}"
    filled = event.pop("positional_args", None)
    if not texts:
        if filled and isinstance(record.msg, str):
            event["template"] = record.msg
        event["event"] = "library_message"
    for extra in ("temporal_workflow", "temporal_activity"):
        about = record.__dict__.get(extra)
        if isinstance(about, Mapping) and about.get("workflow_id"):
            event["run_id"] = about["workflow_id"]


def _module(path: str) -> str:
    """The end of a path that names a module, without the folders of this machine."""
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])


def plain(name: str, value: Any) -> Any:
    """The value of a field as it may be written, on a terminal too: a path, for instance, is any bytes of a caller."""
    if name.startswith("_") or value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else type(value).__name__
    longest, kept = (LONGEST_EXCEPTION, "\n") if name == "exception" else (LONGEST, "")
    text = _CREDENTIALS.sub("****", text)[:longest]
    if not text.isprintable():
        escaped = (c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)
        text = "".join(escaped)[:longest]
    return text


def shareable(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line that was written, for people outside: its listed fields, and no texts even where they were written."""
    told = {name: plain(name, value) for name, value in line.items() if name in FIELDS}
    if "place" in told:
        told["event"] = "library_message"
    if str(told.get("exception", "")).count("\n"):
        del told["exception"]
    return told
