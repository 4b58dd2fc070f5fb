"""`python -m tests.chaos.rolling`: an upgrade of every service, one process at a time, under load.

Nothing is killed: each process is told to end (SIGTERM), drains, and the next one is told once it is back and ready.
Exits 1 where an accepted request has failed or was lost; says how many calls clients had to make again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.checker import check
from tests.chaos.evidence import gather
from tests.chaos.faults import Plan, inflict
from tests.chaos.figures import figures
from tests.chaos.history import Fault, History, Outcome
from tests.chaos.house import House, house
from tests.chaos.load import Load

from olo.gateway.v1 import batch_service_pb2 as batch_pb
from olo_client import AsyncOlo

SERVICES = (
    "gateway",
    "registry",
    "gateway-2",
    "router",
    "llm-a-1",
    "retrieval",
    "embed-worker",
    "llm-a-2",
    "llm-b",
)
"""Every process of a service. No two follow each other that stand in for one another."""
BETWEEN = 3
"""Requests that must be answered before the next process is told to end."""
TOKENS_PER_SECOND = 24
LINES = 24
"""Of a batch that is begun before the first restart, and must end with an answer to each."""
REQUEST_SECONDS = 180.0
"""Long beside a restart also where the machine has other work: what fails has then not merely been late."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.rolling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each process is restarted")
    parser.add_argument("--rate", type=float, default=2.0, help="requests in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where data and logs are left; unset: nowhere")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rolled = asyncio.run(
            roll(told.keep or Path(scratch), SERVICES * told.rounds, seed=told.seed, rate=told.rate, told=tell)
        )
    history = rolled.history
    violations, wrong = check(history), failed(rolled)
    measured = figures(history, violations)
    for violation in violations:
        print(f"{violation.invariant} {violation.request_id}: {violation.detail}")
    for each in wrong:
        print(f"failed: {each}")
    for reason, count in again(history).items():
        print(f"{count} calls were made again after {reason}")
    print(
        f"{measured.requests} requests in {measured.tries} tries over {measured.faults} restarts:"
        f" {measured.completed} completed, {len(wrong)} failed, {measured.violations} violations;"
        f" p50 {measured.latency_p50:.1f} s, p95 {measured.latency_p95:.1f} s"
    )
    sys.exit(1 if violations or wrong else 0)


_VARIABLES = {
    # Who leaves in good order says so; silence is then the machine's, which has other work.
    "OLO_REGISTRY_LEASE_SECONDS": "30",
    "OLO_ROUTER_LEASE_SECONDS": "30",
    # So that a batch lasts for some restarts.
    "OLO_GATEWAY_BATCH_WINDOW": "2",
}


@dataclass(frozen=True)
class Rolled:
    """What has come of the requests, and of the batch."""

    history: History
    batch: batch_pb.Batch


async def roll(
    directory: Path,
    parts: Sequence[str],
    *,
    seed: int = 1,
    rate: float = 2.0,
    told: Callable[[Fault], None] = lambda _: None,
) -> Rolled:
    """One rolling restart.

    Args:
        directory: Where the stack keeps data and logs.
        parts: Whom to restart, one after the other.
        seed: Of the load.
        rate: Requests in a second.
        told: Called with each restart once the stack is whole again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    history = History(seed)
    async with (
        house(directory, gateways=2, tokens_per_second=TOKENS_PER_SECOND, more=_VARIABLES) as built,
        AsyncOlo(built.gateway, timeout=60, attempts=30) as olo,
    ):
        batch = await olo.batches.create(
            (await olo.files.upload(_lines(), purpose="batch", filename="rolling.jsonl")).file_id
        )
        load = Load(built.entrance, seed, rate, request_seconds=REQUEST_SECONDS)
        load.start()
        history.asked = load.asked
        for part in parts:
            await load.settled(BETWEEN)
            history.faults += await _restarted(built, part)
            told(history.faults[-1])
        await load.settled(BETWEEN)
        await load.stop()
        await gather(built, history)
        while batch.status not in _ENDED:
            await asyncio.sleep(0.2)
            batch = await olo.batches.get(batch.batch_id)
    return Rolled(history, batch)


_ENDED = {
    batch_pb.BATCH_STATUS_COMPLETED,
    batch_pb.BATCH_STATUS_FAILED,
    batch_pb.BATCH_STATUS_EXPIRED,
    batch_pb.BATCH_STATUS_CANCELLED,
}


def _lines() -> bytes:
    """The input of the batch."""
    bodies = ({"messages": [{"role": "user", "content": f"#{400_000 + n}# When?"}]} for n in range(LINES))
    lines = (
        {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n, body in enumerate(bodies)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


async def _restarted(built: House, part: str) -> list[Fault]:
    return await inflict(built, Plan("rolling", (part,), signal.SIGTERM))


def failed(rolled: Rolled) -> list[str]:
    """Requests that were accepted and have no answer, and those that were refused for any reason but too much load."""
    done, batch = rolled.batch.completed_count, rolled.batch
    lines = [f"the batch ended with {done} of {LINES} lines"] if (done, batch.total_count) != (LINES, LINES) else []
    return lines + [
        f"{asked.request_id}: {asked.last.reason}"
        for asked in rolled.history.asked
        if asked.last is not None
        and asked.last.outcome is not Outcome.OK
        and (asked.accepted or asked.last.reason != "overloaded")
    ]


def again(history: History) -> Counter[str]:
    """Why calls had to be made again."""
    return Counter(
        attempt.reason for asked in history.asked for attempt in asked.tries if attempt.outcome is Outcome.INDETERMINATE
    )


def tell(fault: Fault) -> None:
    print(f"{fault.part}: back and ready after {fault.ended - fault.began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
