"""A model that costs nothing: `python -m tests.bench.zero_cost` serves it until it is told to stop.

ZERO_COST_SLOTS says how many answers it gives at a time, ZERO_COST_SECONDS how long each takes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
from olo.inference.v1 import inference_service_pb2 as inference
from olo_common.lifecycle import Lifetime
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings, TemporalSettings, TracingSettings
from olo_common.temporal_traces import TemporalTraces
from olo_common.tracing import configure_tracing, tracing
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_worker.presence import Advertisement, Presence, present

MODEL = "zero-cost"
SLOTS, SECONDS = "ZERO_COST_SLOTS", "ZERO_COST_SECONDS"


class ZeroCost:
    """Answers at once, or after some seconds.

    Args:
        slots: Answers at a time, as it says of itself.
        seconds: How long each takes.
    """

    def __init__(self, slots: int = 1024, seconds: float = 0.0) -> None:
        self.slots = slots
        self.running = 0
        self._seconds = seconds

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: inference.GenerateRequest) -> inference.GenerateResponse:
        self.running += 1
        if self._seconds:
            await asyncio.sleep(self._seconds)
        self.running -= 1
        return inference.GenerateResponse(
            request_id=request.request_id,
            model_id=MODEL,
            text="ok",
            finish_reason=inference.FINISH_REASON_STOP,
            candidate=request.candidate,
            attempt=1,
        )

    def presence(self, bus: NatsBus) -> Presence:
        """Its place in the fleet."""
        said = Advertisement(
            instance_id="bench",
            model_id=MODEL,
            model_name=MODEL,
            model_type=olo_events.ModelType.LLM,
            priority=100,
            default_flag=True,
            max_concurrency=self.slots,
            context_limit=100_000,
            hardware_type=olo_events.HardwareType.CPU,
            address="127.0.0.1:1",
            task_queue=llm_queue(MODEL),
        )
        return Presence(bus, said, in_flight=lambda: self.running, able=lambda: True, heartbeat_seconds=0.5)


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
    configure_tracing("bench", TracingSettings())
    client = await Client.connect(TemporalSettings().address, interceptors=[TemporalTraces()] if tracing() else [])
    model = ZeroCost(int(os.environ[SLOTS]), float(os.environ[SECONDS]))
    worker = Worker(
        client,
        task_queue=llm_queue(MODEL),
        activities=[model.generate],
        max_concurrent_activities=model.slots,
        build_id="bench",
    )
    async with worker, nats_bus(NatsSettings(), "bench") as bus, present(model.presence(bus), bus, lifetime):
        await over.wait()


if __name__ == "__main__":
    asyncio.run(serve())
