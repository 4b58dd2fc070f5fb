"""What traces and metrics cost: the CPU of a request with all of them, beside one with none, at the same time.

Fleets of processes answer HTTP chats with a model that costs nothing, so that nothing hides the cost: `on` traces every
request and measures everything, `sampled` traces a tenth, `off` does neither; `traces` and `metrics` each have the one
without the other, and `same` is a second `off`, which tells how much two fleets differ by themselves. Each has its
turns beside `off`: both are asked at once, since the machine is never the same twice, and both are started anew some
times, since no process is either. Spans go to a collector outside of the count; metrics are asked for as often as
Prometheus would. Counted are gateway, router, registry and worker; the figure with Temporal and NATS stands beside.

TELEMETRY_STARTS says how many starts there are, TELEMETRY_ROUNDS how many rounds after each, TELEMETRY_REQUESTS how
many requests of each fleet a round has at least, and TELEMETRY_FLEETS which fleets are put beside `off`.
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
from typing import Final

import psutil
from tests.bench.fleet import fleet
from tests.bench.harness import write_csv
from tests.bench.raw_http import connected, post
from tests.bench.zero_cost import MODEL, first_answer

from olo_testing.ports import free_port
from olo_testing.traces import trace_collector

CONNECTIONS = 2
"""To each of the two fleets."""
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


Pair = tuple[Round, Round]
"""A fleet, and `off` beside it."""


@dataclass(frozen=True)
class Kind:
    """What a fleet tells.

    Attributes:
        share: The share of requests that are traced.
        measured: Whether it has metrics.
    """

    share: float = 0.0
    measured: bool = False


FLEETS: Final = {
    "on": Kind(1.0, measured=True),
    "sampled": Kind(0.1, measured=True),
    "traces": Kind(1.0),
    "metrics": Kind(measured=True),
    "same": Kind(),
}
FIGURES: dict[str, Callable[[Round], float]] = {
    "cpu_s": lambda each: each.services,
    "cpu_with_servers_s": lambda each: each.everything,
    "p50_s": lambda each: each.p50,
    **{f"cpu_{name}_s": lambda each, name=name: each.cpu[name] for name in SERVICES.values()},  # type: ignore[misc]
}


async def measure() -> None:
    starts = int(os.environ.get("TELEMETRY_STARTS", "5"))
    rounds = int(os.environ.get("TELEMETRY_ROUNDS", "2"))
    requests = int(os.environ.get("TELEMETRY_REQUESTS", "200"))
    names = os.environ.get("TELEMETRY_FLEETS", "on,sampled,same").split(",")
    assert {*names} <= {*FLEETS}, f"TELEMETRY_FLEETS: there are {', '.join(FLEETS)}"
    told: dict[str, list[Pair]] = {name: [] for name in names}
    for _ in range(starts):
        for name in names:
            told[name] += await _started(FLEETS[name], rounds, requests)
    for name, pairs in told.items():
        _report(name, pairs)
    header = ["fleet", "round", *(f"{side}_{figure}" for side in ("own", "off") for figure in FIGURES)]
    write_csv(
        "telemetry",
        header,
        [
            [name, number, *(round(figure(each), 6) for each in pair for figure in FIGURES.values())]
            for name, pairs in told.items()
            for number, pair in enumerate(pairs, 1)
        ],
    )


async def _started(kind: Kind, rounds: int, requests: int) -> list[Pair]:
    """Starts a fleet and `off`, measures both, and ends them."""
    with tempfile.TemporaryDirectory() as scratch, trace_collector() as collector, ExitStack() as stack:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER_ARG": str(kind.share)}
        ports = [free_port() for _ in range(3)] if kind.measured else []
        own = stack.enter_context(_subject(Path(scratch) / "own", env if kind.share else {}, ports or [0, 0, 0]))
        off = stack.enter_context(_subject(Path(scratch) / "off", {}, [0, 0, 0]))
        async with _scraped(ports):
            await _ready(own)
            await _ready(off)
            await _pair(own, off, requests // 2)
            pairs = [await _pair(own, off, requests) for _ in range(rounds)]
        assert bool(collector.spans) == bool(kind.share), "the spans did not arrive: their cost is not in the figure"
        return pairs


def _report(name: str, pairs: list[Pair]) -> None:
    for label, figure in FIGURES.items():
        ratios = [figure(own) / figure(off) for own, off in pairs if figure(off)]
        own, off = (1000 * statistics.median(figure(pair[side]) for pair in pairs) for side in (0, 1))
        print(
            f"telemetry {name} {label}: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f}); "
            f"{own:.2f} ms beside {off:.2f} ms"
        )


@contextmanager
def _subject(directory: Path, env: dict[str, str], metrics: list[int]) -> Iterator[Subject]:
    directory.mkdir()
    before = set(psutil.Process().children(recursive=True))
    port = free_port()
    with fleet(directory, http_port=port, env=env, metrics=metrics):
        processes = _by_name(set(psutil.Process().children(recursive=True)) - before)
        yield Subject(port, processes)


def _by_name(parts: Iterable[psutil.Process]) -> dict[str, list[psutil.Process]]:
    processes: dict[str, list[psutil.Process]] = {name: [] for name in (*SERVICES.values(), "servers")}
    for part in parts:
        # A process that has just been made may still look like its parent.
        deadline = time.monotonic() + 10.0
        while (command := part.cmdline()) == psutil.Process().cmdline() and time.monotonic() < deadline:
            time.sleep(0.05)
        processes[next((name for module, name in SERVICES.items() if module in command), "servers")].append(part)
    assert all(processes.values()), processes
    return processes


async def _ready(subject: Subject) -> None:
    async def ask() -> None:
        async with connected(subject.port) as http:
            await http.ask(CHAT_REQUEST)

    await first_answer(ask)


async def _pair(own: Subject, off: Subject, requests: int) -> Pair:
    """Asks two fleets at once, until each has answered so many requests."""
    subjects = (own, off)
    before = [subject.now() for subject in subjects]
    latencies: tuple[list[float], list[float]] = ([], [])

    async def load(subject: Subject, taken: list[float]) -> None:
        async with connected(subject.port) as http:
            while min(map(len, latencies)) < requests:
                began = time.perf_counter()
                await http.ask(CHAT_REQUEST)
                taken.append(time.perf_counter() - began)

    await asyncio.gather(*(load(*each) for each in zip(subjects, latencies, strict=True) for _ in range(CONNECTIONS)))
    await asyncio.sleep(SETTLE_SECONDS)
    first, second = (
        Round(
            {name: (spent - past[name]) / len(taken) for name, spent in subject.now().items()}, statistics.median(taken)
        )
        for subject, past, taken in zip(subjects, before, latencies, strict=True)
    )
    return first, second


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
