"""A model that costs nothing: `python -m tests.bench.zero_cost` serves it until it is told to stop.

ZERO_COST_SLOTS says how many answers it gives at a time, ZERO_COST_SECONDS how long each takes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import nats_bus
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_worker.presence import Advertisement, Presence, present

MODEL = "zero-cost"
SLOTS, SECONDS = "ZERO_COST_SLOTS", "ZERO_COST_SECONDS"


@activity.defn(name=GENERATE_ACTIVITY)
async def generate(request: inference.GenerateRequest) -> inference.GenerateResponse:
    if seconds := float(os.environ.get(SECONDS, "0")):
        await asyncio.sleep(seconds)
    return inference.GenerateResponse(
        request_id=request.request_id,
        model_id=MODEL,
        text="ok",
        finish_reason=inference.FINISH_REASON_STOP,
        candidate=request.candidate,
        attempt=1,
    )


def advertisement() -> Advertisement:
    return Advertisement(
        instance_id="bench",
        model_id=MODEL,
        model_name=MODEL,
        model_type=olo_events.ModelType.LLM,
        priority=100,
        default_flag=True,
        max_concurrency=1024,
        context_limit=100_000,
        hardware_type=olo_events.HardwareType.CPU,
        address="127.0.0.1:1",
        task_queue=llm_queue(MODEL),
    )


async def first_answer(operation: Callable[[], Awaitable[object]]) -> None:
    """Waits until the house has found itself: a worker that polls, a model that is listed."""
    for attempt in range(100):
        try:
            await operation()
        except Exception:
            if attempt == 99:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def serve() -> None:
    lifetime, over = Lifetime(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    client = await Client.connect(TemporalSettings().address)
    async with AsyncExitStack() as stack:
        slots = int(os.environ.get(SLOTS, "1024"))
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=llm_queue(MODEL),
                activities=[generate],
                max_concurrent_activities=slots,
                build_id="bench",
            )
        )
        bus = await stack.enter_async_context(nats_bus(NatsSettings(), "bench"))
        presence = Presence(bus, advertisement(), in_flight=lambda: 0, able=lambda: True, heartbeat_seconds=0.5)
        await stack.enter_async_context(present(presence, bus, lifetime))
        await over.wait()


if __name__ == "__main__":
    asyncio.run(serve())
