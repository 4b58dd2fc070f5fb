"""Lines of the log that go out by OTLP: what they hold, and what becomes of a process whose collector is away."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from olo_common import journal as journals
from olo_common import log_export as log_export_module
from olo_common.errors import StartupError
from olo_common.log_export import log_export
from olo_common.log_fields import FIELDS
from olo_common.logs import configure_logs, logger
from olo_common.settings import LogSettings, TracingSettings, load_settings
from olo_testing.traces import trace_collector

CANARY = "canary-4711"
Begin = Callable[[str], Callable[[], None]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.setattr(journals._Current, "journal", None)
    out = io.StringIO()
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def begin(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Sets up the logs of a process that sends its lines, texts written and all; gives what ends that."""
    monkeypatch.setattr(log_export_module, "_END_SECONDS", 60.0)

    def begun(url: str) -> Callable[[], None]:
        export = log_export("tested", TracingSettings(exporter_otlp_endpoint=url, logs_exporter="otlp"))
        assert export is not None
        monkeypatch.setattr(sys, "stderr", written)
        configure_logs(LogSettings(texts=True), "tested", export)
        return export.end

    return begun


def test_lines_arrive_with_their_listed_fields_and_without_texts(begin: Begin, written: io.StringIO) -> None:
    with trace_collector() as collector:
        end = begin(collector.url)
        with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
            logger("a").info("happened", prompt=CANARY, reason="busy", times=3, run_id="run-1")
        try:
            raise ValueError(CANARY)
        except ValueError:
            logging.getLogger("library").exception("failed with %s", CANARY)
        end()
        happened, failed = collector.wait_for_lines(lambda lines: len(lines) >= 2)
        assert not collector.holds(CANARY)
    assert (happened.service, happened.event, happened.level, happened.severity) == (
        "olo-tested",
        "happened",
        "info",
        9,
    )
    assert happened.fields == {"reason": "busy", "times": 3, "run_id": "run-1"}
    assert happened.trace_id == trace.format_trace_id(span.get_span_context().trace_id)
    assert happened.span_id == trace.format_span_id(span.get_span_context().span_id)
    assert (failed.event, failed.severity, failed.fields["logger"]) == ("library_message", 17, "library")
    assert set(failed.fields) <= FIELDS
    assert failed.trace_id.strip("0") == ""
    # The log itself has what its own settings let it have.
    assert CANARY in written.getvalue()


def test_what_the_exporter_says_of_itself_is_not_sent(begin: Begin, written: io.StringIO) -> None:
    with trace_collector() as collector:
        end = begin(collector.url)
        logging.getLogger("opentelemetry.exporter").error("cannot send")
        logger("a").info("happened")
        end()
        lines = collector.wait_for_lines(bool)
    assert [line.event for line in lines] == ["happened"]
    assert len(written.getvalue().splitlines()) == 2


def test_a_collector_that_is_away_costs_lines_alone(
    begin: Begin, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trace_collector() as collector:
        url = collector.url
    monkeypatch.setattr(log_export_module, "_END_SECONDS", 0.2)
    end = begin(url)
    for _ in range(3):
        logger("a").info("happened")
    end()
    events = [json.loads(line)["event"] for line in written.getvalue().splitlines()]
    assert events.count("happened") == 3


def test_without_the_wish_nothing_is_sent_and_without_an_endpoint_nothing_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert log_export("tested", TracingSettings(exporter_otlp_endpoint="http://127.0.0.1:1")) is None
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    with pytest.raises(StartupError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
        load_settings(TracingSettings)
