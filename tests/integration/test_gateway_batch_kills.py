"""A batch whose gateway is killed: a process of its own, on real Temporal and NATS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest
from openai.types import Batch
from tests.integration.batch_world import batch_worlds, create, ended, line, reached, rows
from tests.integration.gateway_world import World

from olo_testing.ports import free_port
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

LONG = 120.0
"""Seconds: gateways are started twice meanwhile, on a machine that may have much else to do."""


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
async def world(nats_url: str, temporal_address: str, place: Path) -> AsyncIterator[World]:
    async with batch_worlds(nats_url, temporal_address, place) as built:
        yield built


@pytest.mark.timeout(500)
async def test_a_batch_survives_that_its_gateway_is_killed(
    world: World, place: Path, nats_url: str, temporal_address: str
) -> None:
    await world.inner.aclose()
    settings, port = world.settings, free_port()
    environment = {
        **os.environ,
        "OLO_GATEWAY_PORT": "0",
        "OLO_GATEWAY_HTTP_PORT": str(port),
        "OLO_GATEWAY_FILES": str(place),
        "OLO_GATEWAY_BATCH_WINDOW": "3",
        "OLO_GATEWAY_ROUTER_TARGET": settings.router_target,
        "OLO_GATEWAY_RETRIEVAL_TARGET": settings.retrieval_target,
        "OLO_GATEWAY_REGISTRY_TARGET": settings.registry_target,
        "OLO_NATS_URL": nats_url,
        "TEMPORAL_ADDRESS": temporal_address,
    }
    base = f"http://127.0.0.1:{port}"
    gateways: list[subprocess.Popen[bytes]] = []

    async def begin() -> None:
        gateways.append(subprocess.Popen([sys.executable, "-m", "olo_gateway"], env=environment))
        async with httpx.AsyncClient(base_url=base) as http:

            async def healthy() -> bool:
                try:
                    return (await http.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(healthy, 60)

    try:
        await begin()
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="any", max_retries=5) as client:
            # The third line is still being answered when the gateway dies, and the first two are done.
            said = ["hello", "hello", "wait", *["hello"] * 9]
            began = await create(client, [line(f"n{n}", text) for n, text in enumerate(said)])
            waiting = f"run-{began.id}.2.1"

            def half_done(batch: Batch) -> bool:
                counts = batch.request_counts
                return counts is not None and counts.completed >= 2 and waiting in world.models["one"].begun

            await reached(client, began.id, half_done, LONG)
            gateways[0].send_signal(signal.SIGKILL)
            gateways[0].wait()
            await begin()
            await world.client.get_workflow_handle(waiting).cancel()
            batch = await ended(client, began.id, LONG)
            assert batch.status == "completed"
            done, failed = await rows(client, batch.output_file_id), await rows(client, batch.error_file_id)
            assert [row["custom_id"] for row in done] == [f"n{n}" for n in range(12) if n != 2]
            assert [row["custom_id"] for row in failed] == ["n2"]
            # One run each, whatever was tried again.
            listed = world.client.list_workflows(f"WorkflowId STARTS_WITH 'run-{began.id}.'")
            assert sorted([run.id async for run in listed]) == sorted(f"run-{began.id}.{n}.1" for n in range(12))
    finally:
        for process in gateways:
            process.kill()
            process.wait()
        await world.enter()
