"""What the dialects and the cluster calls ask of real servers."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import httpx
import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common.errors import StartupError
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_common.temporal import temporal_client
from olo_gateway.adapters.task_queues import TemporalBacklogs
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration


@workflow.defn(name="waits", sandboxed=False)
class Waits:
    """Has one task wait in a queue that nobody asks."""

    @workflow.run
    async def run(self, queue: str) -> None:
        await workflow.execute_activity("any", task_queue=queue, schedule_to_close_timeout=timedelta(seconds=60))


async def test_a_backlog_is_told_and_a_queue_without_one_is_empty(temporal_address: str) -> None:
    client = await Client.connect(temporal_address)
    own, queue = uuid.uuid4().hex, f"llm.{uuid.uuid4().hex}"
    async with Worker(
        client, task_queue=own, workflows=[Waits], workflow_runner=UnsandboxedWorkflowRunner(), build_id="test"
    ):
        handle = await client.start_workflow(Waits.run, queue, id=own, task_queue=own)
        backlogs = TemporalBacklogs(client)
        while (told := (await backlogs.of([queue]))[queue]) is None or not told.waiting:
            await asyncio.sleep(0.05)
        assert (told.waiting, told.pollers) == (1, 0)
        await handle.terminate()
    empty = (await backlogs.of([f"llm.{uuid.uuid4().hex}"])).popitem()[1]
    assert empty is not None
    assert (empty.waiting, empty.oldest, empty.pollers) == (0, 0.0, 0)


async def test_what_cannot_be_asked_is_not_known() -> None:
    client = await temporal_client(TemporalSettings(address=f"127.0.0.1:{free_port()}"), "test")
    assert await TemporalBacklogs(client).of(["llm.a", "llm.b"]) == {"llm.a": None, "llm.b": None}


async def test_a_second_port_serves_the_same_calls_while_everything_else_is_away(
    nats_url: str, temporal_address: str
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    first, second = free_port(), free_port()
    settings = GatewaySettings(
        port=0,
        http_port=first,
        ollama_port=second,
        role="edge",
        registry_target=nobody,
        router_target=nobody,
        nats=NatsSettings(url=nats_url),
        temporal=TemporalSettings(address=temporal_address),
    )
    async with running(settings, Lifetime()), httpx.AsyncClient(timeout=20) as http:
        for port in (first, second):
            assert (await http.get(f"http://127.0.0.1:{port}/")).text == "Ollama is running"
        tags = await http.get(f"http://127.0.0.1:{second}/api/tags")
        assert (tags.status_code, list(tags.json())) == (503, ["error"])
        status = (await http.get(f"http://127.0.0.1:{second}/api/cluster/status")).json()
        assert (status["parts"]["registry"], status["parts"]["router"], status["models"]) == (False, False, None)
        taken = settings.model_copy(update={"http_port": 0})
        with pytest.raises(StartupError, match="OLO_GATEWAY_OLLAMA_PORT"):
            async with running(taken, Lifetime()):
                pass
