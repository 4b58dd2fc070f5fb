"""Who goes first where there is not enough for all: priorities, fair shares and places in line on a real Temporal."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import grpc
import httpx
import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo.inference.v1.inference_service_pb2 import ROLE_USER, ChatMessage
from olo_common.lifecycle import Lifetime
from olo_common.settings import NatsSettings, TemporalSettings
from olo_contracts.queues import CHAT_QUEUE, CHAT_WORKFLOW, GENERATE_ACTIVITY
from olo_gateway.adapters.temporal_runs import TemporalRuns
from olo_gateway.app import running
from olo_gateway.settings import GatewaySettings
from olo_testing.ports import free_port

pytestmark = pytest.mark.integration


@workflow.defn(name=CHAT_WORKFLOW, sandboxed=False)
class OneStep:
    """A run that has nothing but its generation; the model says on which queue."""

    @workflow.run
    async def run(self, request: ChatRequest) -> ChatResponse:
        await workflow.execute_activity(
            GENERATE_ACTIVITY,
            request,
            task_queue=request.model,
            schedule_to_close_timeout=timedelta(seconds=60),
        )
        return ChatResponse(run_id=workflow.info().workflow_id)


class OneSlot:
    """A model that answers one request after the other, and notes whose it was."""

    def __init__(self) -> None:
        self.served: list[tuple[int | None, str | None]] = []
        self.hold = asyncio.Event()
        self.busy = asyncio.Event()

    @activity.defn(name=GENERATE_ACTIVITY)
    async def generate(self, request: ChatRequest) -> None:
        priority = activity.info().priority
        self.served.append((priority.priority_key, priority.fairness_key))
        self.busy.set()
        await self.hold.wait()


class Line:
    """A queue with one slot behind it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.runs = TemporalRuns(client, eager=False)
        self.queue = f"llm.{uuid.uuid4().hex}"
        self.model = OneSlot()
        self.waiting = 0

    async def start(self, priority: run_pb2.RequestPriority, tenant: str) -> str:
        run_id = f"run-{uuid.uuid4().hex}"
        request = ChatRequest(model=self.queue, priority=priority, tenant=tenant)
        request.timeout.FromSeconds(60)
        await self.runs.start(run_id, request, "")
        return run_id

    async def scheduled(self, run_ids: list[str]) -> None:
        """Waits until each of these has its task in the queue, behind those of earlier calls."""
        self.waiting += len(run_ids)
        for run_id in run_ids:
            while not (await self.client.get_workflow_handle(run_id).describe()).raw_description.pending_activities:
                await asyncio.sleep(0.02)
        # Temporal shows an activity as scheduled a moment before the queue has its task.
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self.queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
        while True:
            told = await self.client.workflow_service.describe_task_queue(request)
            if told.stats.approximate_backlog_count >= self.waiting:
                return
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        worker = Worker(
            self.client,
            task_queue=self.queue,
            activities=[self.model.generate],
            max_concurrent_activities=1,
            build_id="test",
        )
        async with worker:
            yield


@pytest.fixture
async def line(temporal_address: str) -> AsyncIterator[Line]:
    client = await Client.connect(temporal_address)
    worker = Worker(
        client,
        task_queue=CHAT_QUEUE,
        workflows=[OneStep],
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id="test",
    )
    async with worker:
        yield Line(client)


async def test_the_urgent_overtake_and_the_generation_inherits_priority_and_tenant(line: Line) -> None:
    batch = [await line.start(run_pb2.REQUEST_PRIORITY_BATCH, "t") for _ in range(4)]
    plain = [await line.start(run_pb2.REQUEST_PRIORITY_UNSPECIFIED, "t") for _ in range(2)]
    await line.scheduled(batch + plain)
    urgent = [await line.start(run_pb2.REQUEST_PRIORITY_INTERACTIVE, "t")]
    await line.scheduled(urgent)
    line.model.hold.set()
    async with line.open():
        for run_id in (*batch, *plain, *urgent):
            await line.runs.result(run_id, 30)
    assert line.model.served == [(1, "t"), (3, "t"), (3, "t"), *[(5, "t")] * 4]


async def test_a_tenant_with_few_requests_does_not_wait_behind_one_with_many(line: Line) -> None:
    heavy = [await line.start(run_pb2.REQUEST_PRIORITY_NORMAL, "heavy") for _ in range(20)]
    await line.scheduled(heavy)
    light = [await line.start(run_pb2.REQUEST_PRIORITY_NORMAL, "light") for _ in range(2)]
    await line.scheduled(light)
    line.model.hold.set()
    async with line.open():
        for run_id in (*heavy, *light):
            await line.runs.result(run_id, 30)
    places = [place for place, (_, tenant) in enumerate(line.model.served) if tenant == "light"]
    assert max(places) < 10, "first come, first served would put them at the end"


async def test_a_waiting_run_tells_its_place_in_line_and_how_long_it_will_wait(line: Line) -> None:
    async with line.open():
        running = await line.start(run_pb2.REQUEST_PRIORITY_NORMAL, "t")
        await line.model.busy.wait()
        waiting = [await line.start(run_pb2.REQUEST_PRIORITY_NORMAL, "t") for _ in range(5)]
        await line.scheduled(waiting)
        urgent = await line.start(run_pb2.REQUEST_PRIORITY_INTERACTIVE, "t")
        await line.scheduled([urgent])
        assert (await line.runs.get(running)).queue_position == 0
        first, last, overtaking = [await line.runs.get(run_id) for run_id in (waiting[0], waiting[-1], urgent)]
        line.model.hold.set()
        for run_id in (running, *waiting, urgent):
            await line.runs.result(run_id, 30)
        assert (await line.runs.get(urgent)).queue_position == 0
    assert overtaking.queue_position == 1
    # Temporal tells how many wait and how long the first has: of a burst, all may be taken to have come with it.
    assert overtaking.queue_position < first.queue_position <= last.queue_position <= 7


async def takes_calls(http: httpx.AsyncClient) -> bool:
    """Whether a gateway still says so; one that stops soon closes what is idle, and listens no more."""
    try:
        return (await http.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_gateway_that_stops_lets_running_calls_end_and_refuses_new_ones(line: Line, nats_url: str) -> None:
    http_port = free_port()
    settings = GatewaySettings(
        port=0,
        http_port=http_port,
        role="edge",
        nats=NatsSettings(url=nats_url),
        temporal=TemporalSettings(address=line.client.service_client.config.target_host),
    )
    base = f"http://127.0.0.1:{http_port}"
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=base, timeout=10) as http, line.open():
        address = await stack.enter_async_context(running(settings, Lifetime()))
        channel = grpc.aio.insecure_channel(address)
        message = ChatMessage(role=ROLE_USER, content="hello")
        call = GatewayServiceStub(channel).Chat(ChatRequest(model=line.queue, messages=[message]), timeout=30)
        answering = asyncio.ensure_future(call)
        await line.model.busy.wait()
        while (await http.get("/healthz")).status_code != 200:
            await asyncio.sleep(0.02)
        # It has begun when the gateway is told to stop, or its connection might be closed before it is asked.
        begun, finish = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            whole = json.dumps({"model": line.queue, "messages": [{"role": "user", "content": "hello"}]}).encode()
            yield whole[:10]
            begun.set()
            await finish.wait()
            yield whole[10:]

        headers = {"content-type": "application/json"}
        asking = asyncio.create_task(http.post("/v1/chat/completions", content=slow_body(), headers=headers))
        await begun.wait()
        assert (await http.get("/healthz")).status_code == 200
        stopping = asyncio.create_task(stack.aclose())
        while await takes_calls(http):
            await asyncio.sleep(0.02)
        finish.set()
        refused = await asking
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_stopping")
        assert refused.headers["retry-after"] == "1"
        line.model.hold.set()
        assert (await answering).run_id
        await stopping
        await channel.close()
    assert len(line.model.served) == 1
