"""Paired measurements: subject and peer in alternating rounds, ratios of medians, CPU time beside wall time."""

from __future__ import annotations

import asyncio
import csv
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"

Operation = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Round:
    """One round: the median latency and the CPU time of an operation, in seconds."""

    p50: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Subject beside peer, a round of each in turn."""

    subject: list[Round]
    peer: list[Round]

    def ratios(self, figure: str) -> list[float]:
        """The ratio of a figure (`p50` or `cpu`), pair by pair."""
        return [getattr(s, figure) / getattr(p, figure) for s, p in zip(self.subject, self.peer, strict=True)]


class CpuClock:
    """User and system time of this process and of others that do the work with it.

    Args:
        others: The others.
        own: Whether this process counts.
    """

    def __init__(self, others: Sequence[psutil.Process] = (), *, own: bool = True) -> None:
        self._others = list(others)
        self._own = own

    def now(self) -> float:
        """Seconds so far."""
        own = os.times()
        total = own.user + own.system if self._own else 0.0
        for process in self._others:
            times = process.cpu_times()
            total += times.user + times.system
        return total


async def measure(operation: Operation, times: int, clock: CpuClock) -> Round:
    """Runs an operation one after the other."""
    latencies = []
    cpu = clock.now()
    for _ in range(times):
        start = time.perf_counter()
        await operation()
        latencies.append(time.perf_counter() - start)
    return Round(statistics.median(latencies), (clock.now() - cpu) / times)


async def compare(
    subject: Operation, peer: Operation, *, rounds: int, times: int, clock: CpuClock, rest: float = 0.0
) -> Comparison:
    """Alternates rounds of subject and peer, after one of each that does not count.

    Before each round `rest` seconds pass: threads of some libraries spin on when their work is done, at the cost of who
    comes next.
    """
    await measure(subject, max(3, times // 4), clock)
    await measure(peer, max(3, times // 4), clock)
    subjects, peers = [], []
    for _ in range(rounds):
        await asyncio.sleep(rest)
        subjects.append(await measure(subject, times, clock))
        await asyncio.sleep(rest)
        peers.append(await measure(peer, times, clock))
    return Comparison(subjects, peers)


def report(name: str, comparison: Comparison, figures: Sequence[str] = ("p50", "cpu")) -> None:
    """Prints ratio and range of each figure, and writes the rounds to a CSV."""
    for figure in figures:
        ratios = comparison.ratios(figure)
        middle = statistics.median(ratios)
        subject = statistics.median(getattr(r, figure) for r in comparison.subject)
        peer = statistics.median(getattr(r, figure) for r in comparison.peer)
        print(
            f"{name} {figure}: {middle:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}); {subject * 1000:.1f} ms beside "
            f"{peer * 1000:.1f} ms"
        )
    rows = [
        [i, s.p50, s.cpu, p.p50, p.cpu]
        for i, (s, p) in enumerate(zip(comparison.subject, comparison.peer, strict=True), start=1)
    ]
    write_csv(name, ["round", "subject_p50_s", "subject_cpu_s", "peer_p50_s", "peer_cpu_s"], rows)


def write_csv(name: str, header: Sequence[str], rows: Sequence[Sequence[object]], *, append: bool = False) -> None:
    """Writes `docs/benchmarks/<name>.csv`, with the machine in a comment line.

    With `append`, rows go behind those that are there, unless they were of another machine or had other columns.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.csv"
    machine = f"# {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    begun = append and path.exists() and path.read_text().splitlines()[:2] == [machine, ",".join(header)]
    with path.open("a" if begun else "w", newline="") as file:
        writer = csv.writer(file)
        if not begun:
            file.write(f"{machine}\n")
            writer.writerow(header)
        writer.writerows(rows)
