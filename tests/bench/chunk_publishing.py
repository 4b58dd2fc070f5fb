"""What it costs that NATS keeps token chunks: publishing to a server that keeps them, beside one that does not.

Workers publish in the same way to both, and wait for neither. The CPU time is that of publisher and servers.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil
from tests.bench.harness import CpuClock, Operation, compare, report

from olo.inference.v1.inference_service_pb2 import TokenChunk
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.nats_streams import StreamKeeper
from olo_common.settings import NatsSettings
from olo_contracts.streams import CHUNK_STREAM
from olo_contracts.subjects import stream_subject
from olo_testing.servers import nats_server

RUNS, CHUNKS = 20, 100
ROUNDS, TIMES = 7, 5


def publishing(bus: NatsBus) -> Operation:
    """Publishes the chunks of some runs that generate at the same time."""

    async def publish() -> None:
        for seq in range(CHUNKS):
            for run in range(RUNS):
                chunk = TokenChunk(
                    request_id=f"run-{run}",
                    candidate=1,
                    attempt=1,
                    seq=seq,
                    offset=seq * 24,
                    text="twenty-four bytes of it ",
                )
                await bus.publish(stream_subject(chunk.request_id), chunk.SerializeToString())
        await bus.flush(10)

    return publish


async def measure() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        kept, plain = Path(scratch) / "kept", Path(scratch) / "plain"
        kept.mkdir()
        plain.mkdir()
        with nats_server(kept) as keeping, nats_server(plain, jetstream=False) as forgetting:
            servers = psutil.Process().children()
            async with (
                nats_bus(NatsSettings(url=keeping), "bench") as subject,
                nats_bus(NatsSettings(url=forgetting), "bench") as peer,
            ):
                keeper = StreamKeeper(subject, CHUNK_STREAM)
                await asyncio.gather(subject.wait_connected(), peer.wait_connected())
                await _kept(subject, keeper)
                compared = await compare(
                    publishing(subject), publishing(peer), rounds=ROUNDS, times=TIMES, clock=CpuClock(servers)
                )
    report("chunk_publishing", compared)


async def _kept(bus: NatsBus, keeper: StreamKeeper) -> None:
    subject = stream_subject("first")
    async with asyncio.timeout(10):
        while not [payload async for payload in keeper.history(subject)]:
            await bus.publish(subject, b"")
            await asyncio.sleep(0.05)


def main() -> None:
    asyncio.run(measure())
