"""Runs the benchmarks named on the command line, or all of them."""

from __future__ import annotations

import importlib
import signal
import sys

from olo_common.logs import configure_logs
from olo_common.settings import LogSettings

BENCHMARKS = (
    "durable_chat",
    "cpu_by_part",
    "stream_latency",
    "chunk_publishing",
    "concurrency",
    "overload",
    "fairness",
    "start_up",
    "http_edge",
    "telemetry",
    "llm_throughput",
    "llm_limits",
    "llm_constrained",
    "llm_soak",
    "llm_peers",
    "embed_batching",
    "vector_hop",
    "registry_sequences",
    "name_resolution",
    "registry_fleet",
    "router_select",
    "rag_quality",
    "rag_injection",
    "rag_search",
    "rag_ingest",
)


def _end(*_: object) -> None:
    """Ends the servers, too, that a benchmark has started; told again while it does, it does not stop in the middle."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    for name in sys.argv[1:] or BENCHMARKS:
        if name not in BENCHMARKS:
            sys.exit(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
        configure_logs(LogSettings(level="error", format="console"), "bench")
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main()
