"""A mixed load on the whole stack for long: do memory, files and tasks stay flat, and does every request end well?

`make endurance MINUTES=30` prints each minute, and at the end how fast each process grows and which share of the
accepted requests did not end well; writes docs/benchmarks/endurance.csv and endurance_requests.csv. Exits with 1 where
a request ended badly, a process was restarted, or a run is left open.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from temporalio.client import Client
from tests.bench.harness import write_csv
from tests.endurance.load import Load
from tests.endurance.report import Rest, minute_lines, process_rows, request_rows, verdict
from tests.endurance.standing import Standing, standing
from tests.endurance.watch import Sample, Watch

_EVERY_SECONDS = 10.0
_QUIET_SECONDS = 15.0
"""After the last request, before the processes are looked at: connections are closed by then, and places given back."""
_OPEN_SECONDS = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two requests of a client, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where data and logs are left; unset: nowhere")
    parser.add_argument("--dry", action="store_true", help="write no CSV")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sound = asyncio.run(endure(told.keep or Path(scratch), told))
    sys.exit(0 if sound else 1)


async def endure(directory: Path, told: argparse.Namespace) -> bool:
    """Runs it; whether everything ended well."""
    async with standing(directory.resolve()) as stack:
        load = Load(stack, told.clients, told.pause, told.seed, directory)
        await load.once()
        for reason, times in load.tally.bad.items():
            print(f"while warming up: {times} x {reason}")
        watch = Watch(stack.pids, stack.tasks)
        rest = Rest(before=await _at_rest(stack), after={})
        seconds = told.minutes * 60
        load.begin()
        running = asyncio.create_task(load.run())
        await _look_on(load, watch, seconds)
        load.stop()
        await running
        left = await _open_runs(stack)
        end = load.seconds
        watch.look(end)
        rest.after.update(await _at_rest(stack))
    sound = verdict(load.tally, watch, rest, end=min(end, seconds), left=left)
    if not told.dry:
        write_csv("endurance", *process_rows(watch))
        write_csv("endurance_requests", *request_rows(load.tally, end))
    return sound


async def _look_on(load: Load, watch: Watch, seconds: float) -> None:
    minute = 1
    while (now := load.seconds) < seconds:
        watch.look(now)
        if now >= minute * 60:
            print("\n".join(minute_lines(minute, load.tally, watch)), flush=True)
            minute += 1
        await asyncio.sleep(min(_EVERY_SECONDS, max(0.0, seconds - load.seconds)))


async def _at_rest(stack: Standing) -> dict[str, Sample]:
    """What each process takes when nobody asks for anything."""
    await asyncio.sleep(_QUIET_SECONDS)
    quiet = Watch(stack.pids, stack.tasks)
    quiet.look(0.0)
    return {part: quiet.latest(part) for part in quiet.samples}


async def _open_runs(stack: Standing) -> int:
    """Workflows that are still open some time after the last request; listings lag behind, so they are asked again."""
    client = await Client.connect(stack.ports.address("temporal"))
    until = time.monotonic() + _OPEN_SECONDS
    while True:
        count = (await client.count_workflows("ExecutionStatus = 'Running'")).count
        if not count or time.monotonic() > until:
            return count
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    main()
