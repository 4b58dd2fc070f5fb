"""Metrics: OpenTelemetry instruments, read by Prometheus over HTTP, together with those of Temporal's SDK.

A service declares its instruments in its module `telemetry`, as values: nothing is made before it is first used, and
the table in the documentation is made from them. No label may hold what callers can make up.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar, Final

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from olo_common.errors import StartupError

SECONDS: Final = "s"
REQUEST_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Buckets of OpenTelemetry's conventions for what a request to a model takes."""
FIRST_TOKEN_SECONDS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
TOKEN_SECONDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS: Final = tuple(float(4**power) for power in range(14))

Figure = tuple[float, dict[str, str]]
"""A value and its labels."""

PAGE_TYPE: Final = CONTENT_TYPE_LATEST
"""The media type of a page."""
_TEMPORAL_SECONDS: Final = 2.0
_LOOP_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Instrument:
    """What is measured.

    Attributes:
        name: OpenTelemetry's name; Prometheus sees it with `_` for `.`, its unit, and `_total` behind counters.
        description: What it tells, for the table in the documentation.
        labels: The names of its labels.
        unit: `s` for seconds, or nothing.
    """

    name: str
    description: str
    labels: tuple[str, ...] = ()
    unit: str = ""

    @property
    def prometheus_name(self) -> str:
        """The name under which Prometheus finds it."""
        return self.name.replace(".", "_") + ("_seconds" if self.unit == SECONDS else "")


@dataclass(frozen=True)
class Counter(Instrument):
    """Counts what has happened."""

    @property
    def prometheus_name(self) -> str:
        """The name under which Prometheus finds it."""
        return f"{super().prometheus_name}_total"

    def add(self, number: float = 1, **labels: str) -> None:
        """Counts."""
        self._made.add(number, labels)

    @cached_property
    def _made(self) -> metrics.Counter:
        return meter().create_counter(self.name, self.unit, self.description)


@dataclass(frozen=True)
class Histogram(Instrument):
    """Tells how values are spread.

    Attributes:
        buckets: Their upper bounds.
    """

    buckets: tuple[float, ...] = REQUEST_SECONDS

    def record(self, value: float, **labels: str) -> None:
        """Takes a value."""
        self._made.record(value, labels)

    @cached_property
    def _made(self) -> metrics.Histogram:
        return meter().create_histogram(
            self.name, self.unit, self.description, explicit_bucket_boundaries_advisory=self.buckets
        )


@dataclass(frozen=True)
class Gauge(Instrument):
    """A figure as it is now, read whenever somebody looks, on the event loop of who shows it."""

    def watch(self, read: Callable[[], float]) -> None:
        """Shows the one figure that this gives."""
        self.watch_each(lambda: [(read(), {})])

    def watch_each(self, read: Callable[[], Iterable[Figure]]) -> None:
        """Shows the figures that this gives, each with its labels."""
        watch = _Watch(asyncio.get_running_loop(), read)
        _Watch.all.append(watch)

        def observe(_: metrics.CallbackOptions) -> list[Observation]:
            seen = _seen.get()
            found = (_look([watch]) if seen is None else seen).get(watch, [])
            if isinstance(found, Exception):
                raise found
            return found

        meter().create_observable_gauge(self.name, [observe], self.unit, self.description)


@dataclass(frozen=True, eq=False)
class _Watch:
    """What a gauge reads, and the loop that it belongs to."""

    all: ClassVar[list[_Watch]] = []
    loop: asyncio.AbstractEventLoop
    read: Callable[[], Iterable[Figure]]

    def look(self) -> list[Observation] | Exception:
        try:
            return [Observation(*each) for each in self.read()]
        except Exception as error:
            return error


_Seen = dict[_Watch, list[Observation] | Exception]
_seen: ContextVar[_Seen | None] = ContextVar("gauges_seen", default=None)
"""What the gauges show on the page that is being made; None: each has to look by itself."""


def _look(watches: Iterable[_Watch]) -> _Seen:
    """Reads gauges, those of a loop in one turn of it: whoever looks has a thread of its own.

    A turn for each would cost more than the rest of a page.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[_Watch]] = {}
    for watch in watches:
        if watch.loop.is_running():
            by_loop.setdefault(watch.loop, []).append(watch)
    seen: _Seen = {}
    for loop, belonging in by_loop.items():
        reading = asyncio.run_coroutine_threadsafe(_look_on_loop(belonging), loop)
        try:
            seen |= reading.result(_LOOP_SECONDS)
        except TimeoutError:
            reading.cancel()
    return seen


async def _look_on_loop(watches: Iterable[_Watch]) -> _Seen:
    return {watch: watch.look() for watch in watches}


def configure_metrics(service: str, host: str, port: int) -> None:
    """Serves /metrics on `port`; does nothing where `port` is 0.

    Raises:
        StartupError: The port is taken.
    """
    if port == 0:
        return
    resource = Resource.create({"service.name": f"olo-{service}"})
    # Exemplars would be kept for every measurement within a trace, and Prometheus' text format cannot show them.
    provider = MeterProvider([PrometheusMetricReader()], resource, exemplar_filter=AlwaysOffExemplarFilter())
    metrics.set_meter_provider(provider)
    try:
        server = ThreadingHTTPServer((host, port), _Page)
    except OSError as error:
        raise StartupError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def serving_metrics() -> bool:
    """Whether somebody can read what is measured here."""
    return isinstance(metrics.get_meter_provider(), MeterProvider)


def show_temporal(port: int) -> None:
    """Shows what Temporal's SDK serves on a port of this machine, too: it is measured outside of Python."""
    _Page.temporal_port = port


def page() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    token = _seen.set(_look(_Watch.all))
    try:
        shown = generate_latest()
    finally:
        _seen.reset(token)
    if _Page.temporal_port:
        try:
            url = f"http://127.0.0.1:{_Page.temporal_port}/metrics"
            with urllib.request.urlopen(url, timeout=_TEMPORAL_SECONDS) as answer:
                shown += answer.read()
        except OSError:
            pass
    return shown


def meter() -> Meter:
    """The meter of the product's own instruments."""
    return metrics.get_meter("olo")


class _Page(BaseHTTPRequestHandler):
    temporal_port = 0

    def do_GET(self) -> None:
        """Answers."""
        if self.path.partition("?")[0] not in ("/metrics", "/"):
            self.send_error(404)
            return
        body = page()
        self.send_response(200)
        self.send_header("Content-Type", PAGE_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
