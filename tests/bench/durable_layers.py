"""What computes while durable chats are answered: shares of the CPU time of all Python parts, by layer.

A timer of CPU time looks at where the process is: what else runs on the machine has no part in it, as it would have in
what a profiler sees that goes by the clock. Everything in Python is in this process; see `durable_chat`.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
from tests.bench.durable_chat import house
from tests.bench.harness import CpuClock, write_csv
from tests.bench.zero_cost import first_answer

from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1 import inference_service_pb2 as inference
from olo_testing.servers import nats_server, temporal_server

WARM, TIMES, CALLERS = 50, 400, 2
EACH_SECONDS = 0.002
"""Of CPU time, between two looks."""
LAYERS = (
    ("/olo_gateway/", "the gateway's own code"),
    ("/olo_router/", "the router's own code"),
    ("/olo_", "further modules of this project"),
    ("/google/protobuf/", "protobuf messages as JSON"),
    ("/json/", "protobuf messages as JSON"),
    ("/temporalio/", "Temporal's SDK, in Python"),
    ("/grpc/", "gRPC, in Python"),
    ("/nats/", "the client of NATS"),
    ("/selectors.py", "threads beside the event loop: Temporal's SDK in Rust, gRPC, workflows"),
    ("/asyncio/", "the event loop"),
)
"""Parts of the names of files, of which the first that fits says whose code it is. The loop waits in `selectors`."""
OTHER = "further libraries, and Python's own"


@contextmanager
def looks() -> Iterator[Counter[str]]:
    """How often the timer has found the process in each layer, while entered."""
    found = Counter[str]()
    signal.signal(signal.SIGPROF, lambda _, frame: found.update([layer_of(frame)]))
    signal.setitimer(signal.ITIMER_PROF, EACH_SECONDS, EACH_SECONDS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)


def layer_of(frame: FrameType | None) -> str:
    """Whose code runs."""
    name = frame.f_code.co_filename if frame is not None else ""
    return next((layer for part, layer in LAYERS if part in name), OTHER)


async def measure() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        with temporal_server(directory) as temporal, nats_server(directory) as nats:
            servers = CpuClock(psutil.Process().children(), own=False)
            async with house(temporal, nats, directory) as (gateway, _):
                message = inference.ChatMessage(role=inference.ROLE_USER, content="hello")

                async def chat() -> None:
                    await gateway.Chat(ChatRequest(messages=[message], request_id=uuid.uuid4().hex), timeout=60)

                async def chats(left: int) -> None:
                    for _ in range(left):
                        await chat()

                await first_answer(chat)
                await chats(WARM)
                own = CpuClock()
                before = own.now(), servers.now()
                with looks() as found:
                    await asyncio.gather(*(chats(TIMES // CALLERS) for _ in range(CALLERS)))
                spent = (own.now() - before[0]) / TIMES, (servers.now() - before[1]) / TIMES
    rows = [(layer, round(times / found.total(), 3)) for layer, times in found.most_common()]
    print(f"durable_layers: {1000 * spent[0]:.1f} ms of Python's processes beside {1000 * spent[1]:.1f} of the servers")
    for layer, share in rows:
        print(f"durable_layers {share:.1%}: {layer}")
    write_csv("durable_layers", ["layer", "share"], rows)


def main() -> None:
    asyncio.run(measure())
