"""What traces and metrics cost: the CPU of a request with all of them, beside one with none, at the same load.

Two fleets of processes answer the same HTTP chats in turn, with a model that costs nothing, so that nothing hides the
cost. The one traces every request and sends its spans to a collector outside of the count; its metrics are asked for as
often as Prometheus would. Counted are gateway, router, registry and worker; the figure with Temporal and NATS stands
beside. TELEMETRY_ROUNDS says how many pairs of rounds there are, TELEMETRY_REQUESTS how many requests a round has.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.bench.fleet import fleet
from tests.bench.harness import CpuClock, write_csv
from tests.bench.raw_http import connected, post
from tests.bench.zero_cost import MODEL, first_answer

from olo_testing.ports import free_port
from olo_testing.traces import trace_collector

TARGET = 1.10
CONNECTIONS = 4
SCRAPE_SECONDS = 5.0
"""As `make up OBS=1` has it."""
SETTLE_SECONDS = 6.0
"""After a round: spans are sent each 5 s, and belong to the requests that they tell of."""
SERVERS = ("temporal", "nats-server")
CHAT_REQUEST = post("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]})
FIGURES = ("cpu_s", "cpu_with_servers_s", "p50_s")


@dataclass(frozen=True)
class Subject:
    """A fleet, and the clocks of its processes."""

    port: int
    services: CpuClock
    everything: CpuClock


async def measure() -> None:
    rounds = int(os.environ.get("TELEMETRY_ROUNDS", "5"))
    requests = int(os.environ.get("TELEMETRY_REQUESTS", "400"))
    with tempfile.TemporaryDirectory() as scratch, trace_collector() as collector, ExitStack() as stack:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        ports = [free_port() for _ in range(3)]
        on = stack.enter_context(_subject(Path(scratch) / "on", told, ports))
        off = stack.enter_context(_subject(Path(scratch) / "off", {}, [0, 0, 0]))
        async with _scraped(ports):
            for each in (on, off):
                await _ready(each)
                await _round(each, requests)
            rows = [(await _round(on, requests), await _round(off, requests)) for _ in range(rounds)]
        assert collector.spans > requests * rounds, "the spans did not arrive: their cost is not in the figure"
    for number, figure in enumerate(FIGURES):
        ratios = [subject[number] / peer[number] for subject, peer in rows]
        middle = statistics.median(ratios)
        verdict = f", target {TARGET:.2f}x, {'reached' if middle <= TARGET else 'missed'}" if number == 0 else ""
        print(
            f"telemetry {figure}: {middle:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}){verdict}; "
            f"{1000 * statistics.median(s[number] for s, _ in rows):.2f} ms beside "
            f"{1000 * statistics.median(p[number] for _, p in rows):.2f} ms"
        )
    header = ["round", *(f"on_{figure}" for figure in FIGURES), *(f"off_{figure}" for figure in FIGURES)]
    write_csv("telemetry", header, [[n, *subject, *peer] for n, (subject, peer) in enumerate(rows, start=1)])


@contextmanager
def _subject(directory: Path, env: dict[str, str], metrics: list[int]) -> Iterator[Subject]:
    directory.mkdir()
    before = set(psutil.Process().children(recursive=True))
    port = free_port()
    with fleet(directory, http_port=port, env=env, metrics=metrics):
        parts = [part for part in psutil.Process().children(recursive=True) if part not in before]
        services = [part for part in parts if part.name() not in SERVERS]
        assert len(services) < len(parts), [part.name() for part in parts]
        yield Subject(port, CpuClock(services, own=False), CpuClock(parts, own=False))


async def _ready(subject: Subject) -> None:
    async def ask() -> None:
        async with connected(subject.port) as http:
            await http.ask(CHAT_REQUEST)

    await first_answer(ask)


async def _round(subject: Subject, requests: int) -> tuple[float, float, float]:
    """CPU of the services and of all processes for each request, and the median latency; in seconds."""
    services, everything = subject.services.now(), subject.everything.now()
    latencies: list[float] = []
    left = requests

    async def load() -> None:
        nonlocal left
        async with connected(subject.port) as http:
            while left > 0:
                left -= 1
                began = time.perf_counter()
                await http.ask(CHAT_REQUEST)
                latencies.append(time.perf_counter() - began)

    await asyncio.gather(*(load() for _ in range(CONNECTIONS)))
    await asyncio.sleep(SETTLE_SECONDS)
    return (
        (subject.services.now() - services) / requests,
        (subject.everything.now() - everything) / requests,
        statistics.median(latencies),
    )


@asynccontextmanager
async def _scraped(ports: list[int]) -> AsyncIterator[None]:
    """Asks for the metrics again and again, while entered."""

    async def scrape() -> None:
        while True:
            for port in ports:
                await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
            await asyncio.sleep(SCRAPE_SECONDS)

    scraping = asyncio.create_task(scrape())
    try:
        yield
        assert not scraping.done(), scraping.exception()
    finally:
        scraping.cancel()


def _read(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read()


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
