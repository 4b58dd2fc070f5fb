"""What the processes of a stack take: memory, files, threads, tasks; and how fast that grows."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_HOUR = 3600.0
_MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """What one process takes at one time. `tasks` is -1 where nobody counts them, as in servers of others."""

    seconds: float
    rss_mib: float
    fds: int
    threads: int
    tasks: int
    cpu_seconds: float


class Watch:
    """Looks at the processes of a stack.

    Args:
        pids: The process of each part; 0 while none runs.
        tasks: The folder with a file for each part that counts its tasks.
    """

    def __init__(self, pids: Callable[[], Mapping[str, int]], tasks: Path) -> None:
        self._pids = pids
        self._tasks = tasks
        self._began = dict(pids())
        self.restarted: set[str] = set()
        """Parts that were seen with another process than at first."""
        self.samples: dict[str, list[Sample]] = defaultdict(list)

    def look(self, seconds: float) -> None:
        """Takes a sample of each process; children of a part, such as the engine of a model, count together."""
        for part, pid in self._pids().items():
            if pid != self._began[part]:
                self.restarted.add(part)
            try:
                process = psutil.Process(pid)
                self.samples[part].append(_sample([process], seconds, self._tasks_of(part)))
                if children := process.children(recursive=True):
                    self.samples[f"{part}, children"].append(_sample(children, seconds, -1))
            except psutil.NoSuchProcess:
                # A child that has ended in between; a part that has ended is told by `restarted`.
                continue

    def latest(self, part: str) -> Sample:
        """The last sample of a process."""
        return self.samples[part][-1]

    def _tasks_of(self, part: str) -> int:
        try:
            return int((self._tasks / part).read_text())
        except (FileNotFoundError, ValueError):
            return -1


def _sample(processes: Sequence[psutil.Process], seconds: float, tasks: int) -> Sample:
    times = [process.cpu_times() for process in processes]
    return Sample(
        seconds=seconds,
        rss_mib=sum(process.memory_info().rss for process in processes) / _MIB,
        fds=sum(process.num_fds() for process in processes),
        threads=sum(process.num_threads() for process in processes),
        tasks=tasks,
        cpu_seconds=sum(time.user + time.system for time in times),
    )


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float:
    """How much a value grows in an hour, by Theil and Sen: the median of the slopes between all pairs of points.

    One sample that is far off moves it hardly at all. NaN with less than two points.

    Args:
        points: Seconds and value.
    """
    slopes = [(b - a) / (at_b - at_a) for (at_a, a), (at_b, b) in itertools.combinations(points, 2) if at_b > at_a]
    return statistics.median(slopes) * _HOUR if slopes else float("nan")


def second_half(samples: Sequence[Sample], end: float) -> list[Sample]:
    """The samples of the second half of a load that ended after so many seconds: caches are full by then."""
    return [sample for sample in samples if sample.seconds >= end / 2]
