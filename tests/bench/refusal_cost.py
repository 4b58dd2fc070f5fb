"""What a refusal costs: CPU of the gateway's side of it, beside a gRPC server that does nothing but refuse.

Callers send no id. For one with an id Temporal is asked, too, whether the run is there already, unless the caller says
that it is new: `refusal_asked` is the CPU of gateway and Temporal for the one, beside the other.
"""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import uvloop
from tests.bench.harness import Comparison, CpuClock, Round, report
from tests.bench.overload import REQUEST, Seen, ask, share
from tests.bench.refusing import refusing

from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest
from olo_common.grpc_client import channel
from olo_contracts.metadata import NEW_REQUEST
from olo_testing.ports import free_port
from olo_testing.servers import temporal_server

ROUNDS, REFUSALS, AT_ONCE = 11, 240, 8


async def refused(
    stub: GatewayServiceStub, clock: CpuClock, ids: bool = False, metadata: Sequence[tuple[str, str]] = ()
) -> Round:
    """So many refusals, some at a time: the median of how long they took, and the CPU that each took of the server."""
    seen, cpu = Seen(), clock.now()

    async def caller() -> None:
        for _ in range(REFUSALS // AT_ONCE):
            request = ChatRequest(messages=REQUEST.messages, request_id=uuid.uuid4().hex) if ids else REQUEST
            await ask(stub, seen, request, metadata)

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


async def asked(target: str, processes: list[psutil.Process]) -> Comparison:
    clock = CpuClock(processes, own=False)
    async with channel(target) as opened:
        stub, new = GatewayServiceStub(opened), [(NEW_REQUEST, "true")]
        await refused(stub, clock, True)
        await refused(stub, clock, True, new)
        pairs = [(await refused(stub, clock, True), await refused(stub, clock, True, new)) for _ in range(ROUNDS)]
    return Comparison([told for told, _ in pairs], [spared for _, spared in pairs])


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        address = stack.enter_context(temporal_server(Path(scratch), port := free_port()))
        target, pid = stack.enter_context(refusing("asking", Path(scratch), address))
        [temporal] = [each for each in psutil.Process().children() if str(port) in each.cmdline()]
        report("refusal_asked", uvloop.run(asked(target, [psutil.Process(pid), temporal])), ["cpu"])
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        targets = [stack.enter_context(refusing(kind, Path(scratch))) for kind in ("full", "bare")]
        report("refusal_cost", uvloop.run(measured(targets)), ["cpu"])
