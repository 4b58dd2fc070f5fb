"""What a refusal costs: CPU of the gateway's side of it, beside a gRPC server that does nothing but refuse.

Callers send no id: for one with an id the gateway asks Temporal, too, whether the run is there already.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psutil
import uvloop
from tests.bench.harness import Comparison, CpuClock, Round, report
from tests.bench.overload import Seen, ask, share
from tests.bench.refusing import refusing

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo_common.grpc_client import channel

ROUNDS, REFUSALS, AT_ONCE = 11, 240, 8


async def refused(stub: GatewayServiceStub, clock: CpuClock) -> Round:
    """So many refusals, some at a time: the median of how long they took, and the CPU that each took of the server."""
    seen, cpu = Seen(), clock.now()

    async def caller() -> None:
        for _ in range(REFUSALS // AT_ONCE):
            await ask(stub, seen)

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    spent = (clock.now() - cpu) / seen.asked
    if len(seen.read().refusals) != seen.asked:
        raise RuntimeError(f"not all were refused: {set(seen.other)}")
    return Round(share(seen.refusals, 0.5), spent)


async def measured(targets: list[tuple[str, int]]) -> Comparison:
    (full, full_pid), (bare, bare_pid) = targets
    async with channel(full) as to_full, channel(bare) as to_bare:
        subject = GatewayServiceStub(to_full), CpuClock([psutil.Process(full_pid)], own=False)
        peer = GatewayServiceStub(to_bare), CpuClock([psutil.Process(bare_pid)], own=False)
        await refused(*subject)
        await refused(*peer)
        pairs = [(await refused(*subject), await refused(*peer)) for _ in range(ROUNDS)]
    return Comparison([ours for ours, _ in pairs], [theirs for _, theirs in pairs])


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        targets = [stack.enter_context(refusing(kind, Path(scratch))) for kind in ("full", "bare")]
        report("refusal_cost", uvloop.run(measured(targets)), ["cpu"])
