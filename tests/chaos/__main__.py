"""`python -m tests.chaos --seeds 1 2`, or `--seeds 7 --minutes 30`: prints, writes a CSV, exits 1 on a violation."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench.harness import write_csv
from tests.chaos.checker import check
from tests.chaos.figures import Figures, figures
from tests.chaos.history import Fault, History, Outcome
from tests.chaos.run import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--minutes", type=float, default=0.0, help="draw faults for so long; 0: the fixed set")
    parser.add_argument("--rate", type=float, default=4.0, help="requests in a second")
    parser.add_argument("--keep", type=Path, help="where data and logs are left; unset: nowhere")
    told = parser.parse_args()
    rows, sound = [], True
    for seed in told.seeds:
        with tempfile.TemporaryDirectory() as scratch:
            directory = told.keep / f"seed-{seed}" if told.keep else Path(scratch)
            history = asyncio.run(run(directory, seed, rate=told.rate, minutes=told.minutes, told=tell))
        violations = check(history)
        measured = figures(history, violations)
        for violation in violations:
            print(f"seed {seed}: {violation.invariant} {violation.request_id}: {violation.detail}")
        for reason, count in Counter(reasons(history)).items():
            print(f"seed {seed}: {count} ended with {reason}")
        print(line(seed, measured))
        sound = sound and not violations and not measured.unsettled and not measured.failed
        rows.append([seed, *asdict(measured).values()])
    name = "chaos_long" if told.minutes else "chaos"
    write_csv(name, ["seed", *Figures.__dataclass_fields__], rows, append=True)
    sys.exit(0 if sound else 1)


def tell(fault: Fault) -> None:
    print(f"{fault.name} {fault.part}: whole again after {fault.ended - fault.began:.1f} s", flush=True)


def reasons(history: History) -> Iterator[str]:
    """Why requests did not end with an answer."""
    for asked in history.asked:
        if asked.last is not None and asked.last.outcome is not Outcome.OK:
            yield asked.last.reason


def line(seed: int, f: Figures) -> str:
    return (
        f"seed {seed}: {f.requests} requests in {f.tries} tries under {f.faults} faults: {f.completed} completed,"
        f" {f.failed} failed, {f.quarantined} quarantined ({f.bystanders} with them), {f.unsettled} unsettled,"
        f" {f.lost} lost, {f.doubled} doubled, {f.violations} violations;"
        f" {f.takeovers} takeovers, p50 {f.takeover_p50:.1f} s, p95 {f.takeover_p95:.1f} s; {f.resets} resets told;"
        f" {f.tokens_again} of {f.tokens} tokens made in vain"
    )


if __name__ == "__main__":
    main()
