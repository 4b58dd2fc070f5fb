"""A thousand instances at one heartbeat a second: what they cost the registry, how soon the dead are gone, and how soon
everything is known again after the registry or NATS was killed.

The floor beside the registry's CPU is a process that hears the same heartbeats in the same seconds and does nothing.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self

import psutil
from tests.bench.harness import write_csv

import olo_events
from olo.registry.v1 import registry_service_pb2 as pb
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo_common.grpc_client import channel
from olo_common.nats_bus import NatsBus, nats_bus
from olo_common.settings import NatsSettings
from olo_contracts.subjects import pattern_of, subject_of
from olo_testing.ports import free_port
from olo_testing.servers import nats_server

INSTANCES, MODELS, DEAD = 1000, 100, 50
LEASE = 6.0
STEADY_SECONDS = 15.0
"""Of one core, so that the other and half of this one are free."""

LISTENER = f"""
import asyncio, nats, sys
async def main():
    client = await nats.connect(sys.argv[1])
    async def nothing(message): pass
    await client.subscribe("{pattern_of(olo_events.InstanceHeartbeat)}", cb=nothing)
    await asyncio.Event().wait()
import uvloop
uvloop.run(main())
"""


class Fleet:
    """The presence of many instances on one connection."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self._seqs = dict.fromkeys(range(INSTANCES), 0)
        self._epoch = time.time_ns() // 1_000_000

    def kill(self, count: int) -> set[str]:
        """The last ones say nothing more; gives their ids."""
        killed = sorted(self._seqs)[-count:]
        for number in killed:
            del self._seqs[number]
        return {f"i{number}" for number in killed}

    async def announce(self) -> None:
        for number in list(self._seqs):
            await self._publish(
                olo_events.InstanceAnnounced(
                    **self._identity(number),
                    model_type=olo_events.ModelType.LLM,
                    priority=1,
                    max_concurrency=4,
                    context_limit=4096,
                    hardware_type=olo_events.HardwareType.CPU,
                    address=f"10.0.{number // 250}.{number % 250}:50055",
                    task_queue=f"llm.m{number % MODELS}",
                    capabilities=["json_schema", "tools"],
                )
            )

    async def beat(self) -> None:
        """One heartbeat a second from each, spread over the second, for ever."""
        while True:
            began = time.monotonic()
            for place, number in enumerate(list(self._seqs)):
                if place % 20 == 0:
                    await asyncio.sleep(max(0.0, began + place / INSTANCES - time.monotonic()))
                if number in self._seqs:
                    await self._publish(olo_events.InstanceHeartbeat(**self._identity(number), in_flight=1))
            await asyncio.sleep(max(0.0, began + 1.0 - time.monotonic()))

    def _identity(self, number: int) -> dict[str, Any]:
        self._seqs[number] += 1
        return {
            "instance_id": f"i{number}",
            "model_id": f"m{number % MODELS}",
            "epoch": self._epoch,
            "seq": self._seqs[number],
        }

    async def _publish(self, event: Any) -> None:
        await self._bus.publish(subject_of(event), bytes(event))


def start_registry(directory: Path, port: int, nats_url: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "OLO_REGISTRY_PORT": str(port),
        "OLO_REGISTRY_DATABASE_URL": f"sqlite:///{directory}/registry.db",
        "OLO_NATS_URL": nats_url,
        "OLO_LOG_LEVEL": "error",
    }
    return subprocess.Popen([sys.executable, "-m", "olo_registry"], env=environment)


async def known(stub: Any) -> set[str]:
    """Ids of the instances that the registry lists; none while it does not answer."""
    found: set[str] = set()
    with suppress(Exception):
        answer = await stub.ListModels(pb.ListModelsRequest(page_size=1000), timeout=5, wait_for_ready=True)
        found = {instance.instance_id for model in answer.models for instance in model.instances}
    return found


async def until(read: Callable[[], Awaitable[bool]], seconds: float = 60.0) -> float:
    """How long it takes until `read` is true."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await read():
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def steady_share(processes: list[int]) -> list[float]:
    """Of one core, what each process uses."""
    before = [sum(psutil.Process(pid).cpu_times()[:2]) for pid in processes]
    began = time.monotonic()
    await asyncio.sleep(STEADY_SECONDS)
    seconds = time.monotonic() - began
    after = [sum(psutil.Process(pid).cpu_times()[:2]) for pid in processes]
    return [(late - early) / seconds for early, late in zip(before, after, strict=True)]


async def staleness(stub: Any, fleet: Fleet) -> list[float]:
    """Seconds from the last word of each killed instance, at most, until a watcher knows."""
    watch = stub.WatchModels(pb.WatchModelsRequest())
    await watch.read()
    dead = fleet.kill(DEAD)
    began, gone = time.monotonic(), dict[str, float]()
    listed: dict[str, set[str]] = {}
    async with asyncio.timeout(30):
        while len(gone) < len(dead):
            for model in (await watch.read()).models:
                listed[model.model_id] = {instance.instance_id for instance in model.instances}
            for name in dead - gone.keys():
                of_model = listed.get(f"m{int(name[1:]) % MODELS}")
                if of_model is not None and name not in of_model:
                    gone[name] = time.monotonic() - began
    watch.cancel()
    return sorted(gone.values())


async def measure(directory: Path) -> list[list[object]]:
    rows: list[list[object]] = []

    def tell(figure: str, value: float) -> None:
        print(f"registry_fleet {figure}: {value:.2f}")
        rows.append([figure, round(value, 3)])

    async with AsyncExitStack() as stack:
        port, nats_port = free_port(), free_port()
        nats = stack.enter_context(_Restartable(directory, nats_port))
        bus = await stack.enter_async_context(nats_bus(NatsSettings(url=nats.url), "fleet"))
        await bus.wait_connected()
        fleet = Fleet(bus)

        async def asked(_: str, __: bytes) -> None:
            await fleet.announce()

        await bus.subscribe(pattern_of(olo_events.InstancesRequested), asked)
        bus.on_connect(fleet.announce)
        listener = subprocess.Popen([sys.executable, "-c", LISTENER, nats.url])
        stack.callback(_end, listener)
        registry = start_registry(directory, port, nats.url)
        stub: Any = RegistryServiceStub(await stack.enter_async_context(channel(f"127.0.0.1:{port}")))
        beating = asyncio.create_task(fleet.beat())
        stack.callback(beating.cancel)
        try:

            async def complete() -> bool:
                return len(await known(stub)) == len(fleet._seqs)

            await until(complete)
            own, floor = await steady_share([registry.pid, listener.pid])
            tell("cpu_share_of_a_core", own)
            tell("beside_a_process_that_only_hears", own / max(floor, 0.001))

            late = await staleness(stub, fleet)
            tell("dead_listed_p50_s", statistics.median(late))
            tell("dead_listed_worst_s", late[-1])

            registry.kill()
            registry.wait()
            registry = start_registry(directory, port, nats.url)
            await until(_answers(stub))
            again = await until(complete)
            tell("all_known_after_registry_answers_s", again)

            nats.kill()
            missing = 0
            for _ in range(30):
                missing = max(missing, len(fleet._seqs) - len(await known(stub)))
                await asyncio.sleep(0.1)
            nats.start()
            began = time.monotonic()
            fresh = olo_events.InstanceAnnounced(
                instance_id="fresh", epoch=1, seq=1, model_id="fresh", model_type=olo_events.ModelType.LLM,
                max_concurrency=1, context_limit=1, hardware_type=olo_events.HardwareType.CPU,
                address="10.1.1.1:1", task_queue="llm.fresh",
            )  # fmt: skip
            async with asyncio.timeout(30):
                while "fresh" not in await known(stub):
                    fresh.seq += 1
                    await bus.publish(subject_of(fresh), bytes(fresh))
                    await asyncio.sleep(0.05)
            heard = time.monotonic() - began
            for _ in range(int(LEASE / 0.5) + 2):
                missing = max(missing, len(fleet._seqs) - len(await known(stub) - {"fresh"}))
                await asyncio.sleep(0.5)
            tell("heard_again_after_nats_restart_s", heard)
            tell("lost_by_the_nats_outage", missing)
        finally:
            _end(registry)
    return rows


def _answers(stub: Any) -> Callable[[], Awaitable[bool]]:
    async def read() -> bool:
        with suppress(Exception):
            await stub.ListAliases(pb.ListAliasesRequest(), timeout=1)
            return True
        return False

    return read


class _Restartable:
    """A NATS server that is killed and started again on its port."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self.url = f"nats://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self._running = nats_server(self._directory, self._port)
        self._running.__enter__()

    def kill(self) -> None:
        self._running.__exit__(None, None, None)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def main() -> None:
    """Runs all parts."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = asyncio.run(measure(Path(scratch)))
    write_csv("registry_fleet", ["figure", "value"], rows)
