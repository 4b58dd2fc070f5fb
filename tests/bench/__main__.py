"""Runs the benchmarks named on the command line, or all of them, and prints one table of what they have measured."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tests.bench import rows
from tests.bench.ending import ended_with_all_it_started
from tests.bench.table import measured, plain

from olo_common.logs import configure_logs
from olo_common.settings import LogSettings

BENCHMARKS = (
    "durable_chat",
    "cpu_by_part",
    "durable_path",
    "durable_layers",
    "stream_latency",
    "chunk_publishing",
    "concurrency",
    "overload",
    "refusal_cost",
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


def main() -> None:
    names = sys.argv[1:] or BENCHMARKS
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    with ended_with_all_it_started():
        measure(names)


def measure(names: Sequence[str]) -> None:
    ran = []
    try:
        for name in names:
            configure_logs(LogSettings(level="error", format="console"), "bench")
            importlib.import_module(f"tests.bench.{name}").main()
            ran.append(name)
    finally:
        # Those that have ended have written their files, whatever has become of the others.
        if told := measured(row for row in rows.ROWS if row.benchmark in ran):
            print(f"\n{plain(told)}", end="")
        rows.main()


if __name__ == "__main__":
    main()
