"""The lines of the log by OTLP too, for collectors that keep the logs of a fleet.

What is sent is what the log may hold, and never the texts of exceptions or libraries, even where `OLO_LOG_TEXTS` has
the log hold them: a collector is further away than standard error. Lines are handed to a thread that sends them in
batches; where the collector is away or slow, lines are dropped there, never requests, and the log itself is complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Any, Final

from olo_common.log_fields import HEAD, IDS, shareable
from olo_common.settings import TracingSettings
from olo_common.structlog_library import EventDict

if TYPE_CHECKING:
    from opentelemetry._logs import Logger

_OWN: Final = "opentelemetry"
"""Loggers of the exporter itself: what it says of lines that it cannot send would be lines to send."""
_END_SECONDS: Final = 5.0
"""A process that ends waits no longer for a collector that is away."""
_ELSEWHERE: Final = HEAD | IDS - {"request_id", "run_id"}
"""Fields that have a place of their own in a record, or none: numbers of lines are for our own journal."""


@dataclass(frozen=True, slots=True)
class LogExport:
    """Where lines go.

    Args:
        send: A processor of structlog, behind those that leave only listed fields: hands each line over.
        end: Sends what is still here.
    """

    send: Callable[[Any, str, EventDict], EventDict]
    end: Callable[[], None]


def log_export(service: str, settings: TracingSettings) -> LogExport | None:
    """What sends the lines of this process; None where nobody has asked for that, and then nothing of it is loaded."""
    if settings.logs_exporter == "none":
        return None
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    headers = settings.exporter_otlp_headers
    provider = LoggerProvider(Resource.create({"service.name": f"olo-{service}"}), shutdown_on_exit=False)
    exporter = OTLPLogExporter(
        endpoint=settings.exporter_otlp_endpoint,
        insecure=not settings.exporter_otlp_endpoint.startswith("https://"),
        headers=headers.get_secret_value() if headers is not None else None,
    )
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))

    def end() -> None:
        giving_up = Timer(_END_SECONDS, exporter.shutdown)
        giving_up.start()
        provider.shutdown()
        giving_up.cancel()

    return LogExport(_Sending(provider.get_logger("olo")), end)


class _Sending:
    def __init__(self, logger: Logger) -> None:
        from opentelemetry._logs import SeverityNumber

        self._logger = logger
        self._severities = {
            "debug": SeverityNumber.DEBUG,
            "info": SeverityNumber.INFO,
            "warning": SeverityNumber.WARN,
            "error": SeverityNumber.ERROR,
            "critical": SeverityNumber.FATAL,
        }

    def __call__(self, _: Any, __: str, event: EventDict) -> EventDict:
        if not str(event.get("logger", "")).startswith(_OWN):
            line = shareable(event)
            level = str(line.get("level", "info"))
            self._logger.emit(
                timestamp=time.time_ns(),
                severity_number=self._severities.get(level),
                severity_text=level,
                body=line.get("event"),
                attributes={name: value for name, value in line.items() if name not in _ELSEWHERE},
            )
        return event
