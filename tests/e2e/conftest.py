"""The whole stack, started as a user would start it, with the sample documents in the collection `demo`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from olo_testing.stack import Stack, local_stack
from olo_testing.traces import Collector, trace_collector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def traces() -> Iterator[Collector]:
    """Where the stack sends its traces and the lines of its logs."""
    with trace_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, traces: Collector) -> Iterator[Stack]:
    """One stack for the session. It traces and measures everything; those of the chaos runs do neither."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OLO_LOCAL_OBSERVE": "true",
    }
    with local_stack(tmp_path_factory.mktemp("stack"), ROOT / ".olo" / "models", variables) as running:
        running.olo("ingest", str(ROOT / "samples" / "documents"), "--collection", "demo", timeout=300)
        yield running
