"""What is printed and kept of a load."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.endurance.tally import Tally, summary
from tests.endurance.watch import Sample, Watch, second_half, slope_per_hour

Table = tuple[Sequence[str], Sequence[Sequence[object]]]


@dataclass(frozen=True)
class Rest:
    """What each process took when nobody asked for anything, before and after the load."""

    before: Mapping[str, Sample]
    after: dict[str, Sample]


def minute_lines(minute: int, tally: Tally, watch: Watch) -> Iterator[str]:
    """What the last minute was like."""
    told = summary(tally.between((minute - 1) * 60, minute * 60))
    yield (
        f"minute {minute}: {told.requests} requests, {told.refused} refused, {told.badly} not well;"
        f" p50 {told.p50:.2f} s, p95 {told.p95:.2f} s"
    )
    for reason, times in tally.bad.items():
        yield f"  so far {times} x {reason}"
    for part in watch.samples:
        yield f"  {part:28} {_line(watch.latest(part))}"


def _line(sample: Sample) -> str:
    tasks = f", {sample.tasks:4} tasks" if sample.tasks >= 0 else ""
    return f"{sample.rss_mib:7.1f} MiB, {sample.fds:4} files, {sample.threads:4} threads{tasks}"


def verdict(tally: Tally, watch: Watch, rest: Rest, *, end: float, left: int) -> bool:
    """Prints how it went; whether every request ended well and every process lived."""
    whole = summary(tally.results)
    print(
        f"{whole.requests} requests, {whole.refused} refused, p50 {whole.p50:.2f} s, p95 {whole.p95:.2f} s;"
        f" {whole.badly} of those that were accepted did not end well ({tally.lost_share:.3%}, target 0);"
        f" {left} runs left open; restarted: {', '.join(sorted(watch.restarted)) or 'none'}"
    )
    for reason, times in tally.bad.items():
        print(f"  {times} x {reason}")
    for part, samples in watch.samples.items():
        late = second_half(samples, end)
        memory = slope_per_hour([(sample.seconds, sample.rss_mib) for sample in late])
        files = slope_per_hour([(sample.seconds, float(sample.fds)) for sample in late])
        print(f"{part}: memory {memory:+.1f} MiB an hour, files {files:+.1f} an hour{_at_rest(part, rest)}")
    return not whole.badly and not left and not watch.restarted


def _at_rest(part: str, rest: Rest) -> str:
    before, after = rest.before.get(part), rest.after.get(part)
    if before is None or after is None:
        return ""
    tasks = f", tasks {before.tasks} -> {after.tasks}" if after.tasks >= 0 else ""
    return (
        f"; at rest {before.rss_mib:.0f} -> {after.rss_mib:.0f} MiB, files {before.fds} -> {after.fds},"
        f" threads {before.threads} -> {after.threads}{tasks}"
    )


def process_rows(watch: Watch) -> Table:
    """A row for each process and minute."""
    header = ("seconds", "part", "rss_mib", "files", "threads", "tasks", "cpu_seconds")
    rows = [
        [round(s.seconds), part, round(s.rss_mib, 1), s.fds, s.threads, s.tasks if s.tasks >= 0 else "", s.cpu_seconds]
        for part, samples in watch.samples.items()
        for s in _each_minute(samples)
    ]
    return header, sorted(rows, key=lambda row: (row[0], row[1]))


def _each_minute(samples: Sequence[Sample]) -> Iterator[Sample]:
    """The first sample of each minute."""
    for _, group in itertools.groupby(samples, lambda sample: sample.seconds // 60):
        yield next(group)


def request_rows(tally: Tally, end: float) -> Table:
    """A row for each kind of request in each minute."""
    header = ("minute", "kind", "requests", "refused", "badly", "p50_s", "p95_s")
    rows: list[list[object]] = []
    for minute in range(int(end // 60) + 1):
        results = tally.between(minute * 60, (minute + 1) * 60)
        for kind in sorted({result.kind for result in results}):
            told = summary([result for result in results if result.kind == kind])
            rows.append(
                [minute + 1, kind, told.requests, told.refused, told.badly, round(told.p50, 3), round(told.p95, 3)]
            )
    return header, rows
