"""The figures of a history."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.checker import Violation, bystanders
from tests.chaos.history import Fault, History, Outcome, Token

_INTERRUPTED = {"F1", "F2", "F3", "F4", "two at once"}
_WAS_RUNNING_SECONDS = 0.5


@dataclass(frozen=True)
class Figures:
    """What a run is measured by. Times are in seconds."""

    requests: int
    accepted: int
    completed: int
    failed: int
    """Without poisonous requests, and those that were quarantined with them."""
    quarantined: int
    bystanders: int
    unsettled: int
    tries: int
    faults: int
    lost: int
    doubled: int
    violations: int
    takeovers: int
    takeover_p50: float
    takeover_p95: float
    latency_p50: float
    latency_p95: float
    resets: int
    tokens: int
    tokens_again: int


def figures(history: History, violations: Sequence[Violation]) -> Figures:
    """Counts and quantiles."""
    lasts = [asked.last for asked in history.asked if asked.last is not None]
    outcomes = Counter(last.outcome for last in lasts)
    took = [taken for fault in history.faults for taken in takeovers(fault, history)]
    latencies = [
        asked.tries[-1].ended - asked.tries[0].began
        for asked in history.asked
        if asked.last is not None and asked.last.outcome is Outcome.OK
    ]
    along = bystanders(history)
    poison = [asked for asked in history.asked if asked.poison and asked.last and asked.last.outcome is Outcome.FAIL]
    useful = sum(len(stored.answer.split()) for stored in history.stored.values())
    return Figures(
        requests=len(history.asked),
        accepted=sum(asked.accepted for asked in history.asked),
        completed=outcomes[Outcome.OK],
        failed=outcomes[Outcome.FAIL] - len(poison) - len(along),
        quarantined=len(poison),
        bystanders=len(along),
        unsettled=outcomes[Outcome.INDETERMINATE],
        tries=sum(len(asked.tries) for asked in history.asked),
        faults=len(history.faults),
        lost=len({v.request_id for v in violations if v.invariant in ("I1", "I2")}),
        doubled=len({v.request_id for v in violations if v.invariant in ("I3", "I4")}),
        violations=len(violations),
        takeovers=len(took),
        takeover_p50=quantile(took, 0.5),
        takeover_p95=quantile(took, 0.95),
        latency_p50=quantile(latencies, 0.5),
        latency_p95=quantile(latencies, 0.95),
        resets=sum(attempt.resets for asked in history.asked for attempt in asked.tries),
        tokens=len(history.tokens),
        tokens_again=len(history.tokens) - useful,
    )


def takeovers(fault: Fault, history: History) -> list[float]:
    """Seconds from the fault to the next token by another process, for each answer that it interrupted."""
    process = history.processes.get(fault.pid)
    if process is None or fault.name not in _INTERRUPTED:
        return []
    before: dict[int, Token] = {}
    after: dict[int, list[Token]] = defaultdict(list)
    for token in history.tokens:
        if token.process == process and token.time <= fault.began:
            before[token.number] = token
        elif token.process != process and token.time > fault.began:
            after[token.number].append(token)
    return [
        min(token.time for token in after[number]) - fault.began
        for number, token in before.items()
        if fault.began - token.time < _WAS_RUNNING_SECONDS and after[number]
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies; 0 where there are none."""
    if len(values) < 2:
        return round(values[0], 2) if values else 0.0
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1], 2)
