"""Writes the table of metrics in docs/metrics.md from the declarations of the services; `--check` only compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from olo_common import nats_bus, payload_codec, tls
from olo_common.metrics import Counter, Histogram, Instrument

SERVICES = ("gateway", "registry", "router", "retrieval", "llm-worker", "embed-worker")
PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
_HEAD = """# Metrics

Every process serves `/metrics` in Prometheus' text format where its `OLO_<SERVICE>_METRICS_PORT` is set; the local
stack sets all of them from `OLO_LOCAL_METRICS_PORT` on.

This table is made from the declarations by `python scripts/metrics_table.py`. Beside these each process serves those of
[Temporal's SDK](https://docs.temporal.io/references/sdk-metrics) (`temporal_...`), and of Python and its process
(`python_...`, `process_...`). The gateway shows all of its own at `/metrics` and `/admin/metrics/prometheus` of its
HTTP port, too.

[Dashboards and alerts](guides/observe.md) are made of these.

| service | metric | kind | labels | what |
|---|---|---|---|---|
"""


def main() -> int:
    """Writes or compares."""
    text = _HEAD + "".join(_row(service, each) for service, each in declared())
    if "--check" not in sys.argv:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    sys.stderr.write("docs/metrics.md is not what the services declare; run python scripts/metrics_table.py\n")
    return 1


def declared() -> Iterator[tuple[str, Instrument]]:
    """What every service declares, and who."""
    for service in SERVICES:
        yield from ((service, each) for each in instruments(service))
    shared = (*nats_bus.INSTRUMENTS, *payload_codec.INSTRUMENTS, *tls.INSTRUMENTS)
    yield from (("every service", each) for each in shared)


def instruments(service: str) -> tuple[Instrument, ...]:
    """What a service declares."""
    found: tuple[Instrument, ...] = import_module(f"olo_{service.replace('-', '_')}.telemetry").INSTRUMENTS
    return found


def _row(service: str, instrument: Instrument) -> str:
    kinds = {Counter: "counter", Histogram: "histogram"}
    kind = kinds.get(type(instrument), "gauge")
    labels = ", ".join(f"`{label}`" for label in instrument.labels)
    return f"| {service} | `{instrument.prometheus_name}` | {kind} | {labels} | {instrument.description} |\n"


if __name__ == "__main__":
    sys.exit(main())
