"""What traces and metrics cost: the CPU of a request with all of them, beside one with none, at the same load.

Fleets of processes answer the same HTTP chats in turn, with a model that costs nothing, so that nothing hides the cost:
`on` traces every request and measures everything, `sampled` traces a tenth, `off` does neither; `traces` and `metrics`
each have the one without the other. Spans go to a collector outside of the count; metrics are asked for as often as
Prometheus would. Counted are gateway, router, registry and worker; the figure with Temporal and NATS stands beside.

TELEMETRY_ROUNDS says how many rounds each fleet has, TELEMETRY_REQUESTS how many requests a round has, and
TELEMETRY_FLEETS which fleets are put beside `off`.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.bench.fleet import fleet
from tests.bench.harness import write_csv
from tests.bench.raw_http import connected, post
from tests.bench.zero_cost import MODEL, first_answer

from olo_testing.ports import free_port
from olo_testing.traces import trace_collector

CONNECTIONS = 4
SCRAPE_SECONDS = 5.0
"""As `make up OBS=1` has it."""
SETTLE_SECONDS = 6.0
"""After a round: spans are sent each 5 s, and belong to the requests that they tell of."""
SERVICES = {
    "olo_gateway": "gateway",
    "olo_router": "router",
    "olo_registry": "registry",
    "tests.bench.zero_cost": "worker",
}
"""Modules of the processes that count, and what they are called."""
CHAT_REQUEST = post("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]})
OFF = "off"


@dataclass(frozen=True)
class Subject:
    """A fleet: its HTTP port, and its processes by name; `servers` are Temporal and NATS."""

    port: int
    processes: Mapping[str, list[psutil.Process]]

    def now(self) -> dict[str, float]:
        """Seconds of CPU so far, by name."""
        spent = {name: [each.cpu_times() for each in processes] for name, processes in self.processes.items()}
        return {name: sum(each.user + each.system for each in times) for name, times in spent.items()}


@dataclass(frozen=True)
class Round:
    """One round: seconds of CPU for each request, by process, and the median latency."""

    cpu: Mapping[str, float]
    p50: float

    @property
    def services(self) -> float:
        """Of all but the servers."""
        return sum(spent for name, spent in self.cpu.items() if name != "servers")

    @property
    def everything(self) -> float:
        """Of all processes."""
        return sum(self.cpu.values())


FIGURES: dict[str, Callable[[Round], float]] = {
    "cpu_s": lambda each: each.services,
    "cpu_with_servers_s": lambda each: each.everything,
    "p50_s": lambda each: each.p50,
    **{f"cpu_{name}_s": lambda each, name=name: each.cpu[name] for name in SERVICES.values()},  # type: ignore[misc]
}


async def measure() -> None:
    rounds = int(os.environ.get("TELEMETRY_ROUNDS", "5"))
    requests = int(os.environ.get("TELEMETRY_REQUESTS", "400"))
    names = os.environ.get("TELEMETRY_FLEETS", "on,sampled").split(",")
    with tempfile.TemporaryDirectory() as scratch, trace_collector() as collector, ExitStack() as stack:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        traced = {
            "on": endpoint,
            "sampled": {**endpoint, "OTEL_TRACES_SAMPLER_ARG": "0.1"},
            "traces": endpoint,
            "metrics": {},
        }
        assert traced.keys() >= {*names}, f"TELEMETRY_FLEETS: there are {', '.join(traced)}"
        metered = {name: [free_port() for _ in range(3)] for name in names if name in ("on", "sampled", "metrics")}
        subjects = {
            name: stack.enter_context(
                _subject(Path(scratch) / name, traced.get(name, {}), metered.get(name, [0, 0, 0]))
            )
            for name in (*names, OFF)
        }
        told: dict[str, list[Round]] = {name: [] for name in subjects}
        async with _scraped([port for ports in metered.values() for port in ports]):
            for subject in subjects.values():
                await _ready(subject)
                await _round(subject, requests // 2)
            for number in range(rounds):
                # There and back again, so that a machine that gets slower is even to all.
                for name in subjects if number % 2 else reversed(subjects):
                    told[name].append(await _round(subjects[name], requests))
        if {*names} != {"metrics"}:
            assert collector.spans > requests, "the spans did not arrive: their cost is not in the figure"
    for name in names:
        _report(name, told[name], told[OFF])
    if "on" in told:
        header = ["round", *(f"{name}_{figure}" for name in told for figure in FIGURES)]
        write_csv(
            "telemetry", header, [[n, *_figures(each)] for n, each in enumerate(zip(*told.values(), strict=True), 1)]
        )


def _figures(fleets: Iterable[Round]) -> list[float]:
    return [round(figure(each), 6) for each in fleets for figure in FIGURES.values()]


def _report(name: str, subject: list[Round], peer: list[Round]) -> None:
    for label, figure in FIGURES.items():
        ratios = [figure(mine) / figure(other) for mine, other in zip(subject, peer, strict=True) if figure(other)]
        print(
            f"telemetry {name} {label}: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"{1000 * statistics.median(map(figure, subject)):.2f} ms beside "
            f"{1000 * statistics.median(map(figure, peer)):.2f} ms"
        )


@contextmanager
def _subject(directory: Path, env: dict[str, str], metrics: list[int]) -> Iterator[Subject]:
    directory.mkdir()
    before = set(psutil.Process().children(recursive=True))
    port = free_port()
    with fleet(directory, http_port=port, env=env, metrics=metrics):
        processes: dict[str, list[psutil.Process]] = {name: [] for name in (*SERVICES.values(), "servers")}
        for part in set(psutil.Process().children(recursive=True)) - before:
            command = part.cmdline()
            name = next((name for module, name in SERVICES.items() if module in command), "servers")
            processes[name].append(part)
        assert all(processes.values()), processes
        yield Subject(port, processes)


async def _ready(subject: Subject) -> None:
    async def ask() -> None:
        async with connected(subject.port) as http:
            await http.ask(CHAT_REQUEST)

    await first_answer(ask)


async def _round(subject: Subject, requests: int) -> Round:
    before = subject.now()
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
    after = subject.now()
    return Round({name: (after[name] - before[name]) / requests for name in after}, statistics.median(latencies))


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
