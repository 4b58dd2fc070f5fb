"""Metrics: OpenTelemetry instruments, read by Prometheus over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import start_http_server

from olo_common.errors import StartupError


def configure_metrics(service: str, host: str, port: int) -> None:
    """Serves /metrics on `port`; does nothing where `port` is 0.

    Raises:
        StartupError: The port is taken.
    """
    if port == 0:
        return
    resource = Resource.create({"service.name": f"olo-{service}"})
    metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()], resource=resource))
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        raise StartupError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error


def meter() -> Meter:
    """The meter of the product's own instruments."""
    return metrics.get_meter("olo")


def shown(name: str, read: Callable[[], float], description: str) -> None:
    """Shows a figure that is read whenever somebody looks."""
    meter().create_observable_gauge(name, [lambda _: [Observation(read())]], description=description)
