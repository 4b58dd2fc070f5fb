"""Structured logs: static event names, facts as listed fields, one line each."""

from __future__ import annotations

import logging
import sys
from typing import Any

from opentelemetry import trace

from olo_common.journal import begin_journal
from olo_common.log_export import LogExport
from olo_common.log_fields import listed, without_texts
from olo_common.settings import LogSettings
from olo_common.structlog_library import EventDict, FilteringBoundLogger, Processor, structlog


def configure_logs(settings: LogSettings, service: str, export: LogExport | None = None) -> None:
    """Sets up structlog and routes the standard library's loggers through it. Writes to standard error.

    Args:
        settings: What is written, and how.
        service: The name of the process.
        export: Where lines go beside that.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _trace_ids,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            pass_foreign_args=True,
            processors=[
                without_texts(texts=settings.texts),
                listed,
                begin_journal(service).keep,
                *([export.send] if export is not None else []),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for noisy in ("httpx", "httpcore", "nats", "asyncio", "urllib3", "aiosqlite", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _trace_ids(_: Any, __: str, event: EventDict) -> EventDict:
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = trace.format_trace_id(current.trace_id)
        event["span_id"] = trace.format_span_id(current.span_id)
    return event


def logger(name: str) -> FilteringBoundLogger:
    """The logger of a module."""
    log: FilteringBoundLogger = structlog.get_logger(name)
    return log
