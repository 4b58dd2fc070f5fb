"""The spans of a workflow and of its activities, on a worker that replays at every task."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from olo_common import tracing
from olo_common.spans import Recorder
from olo_common.temporal_traces import TemporalTraces
from olo_common.tracing import continued, span

pytestmark = pytest.mark.integration

CANARY = "canary-4711"
UNSAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
PATIENCE = timedelta(seconds=60)
"""Of every step, of tasks of the workflow too: one that comes too late is done again, and told again."""
ALL = ["RunActivity:near", "RunActivity:remote", "RunWorkflow:traced", "caller", "inside"]
Finished = dict[str, list[ReadableSpan]]


@activity.defn(name="near")
async def near() -> None:
    pass


@activity.defn(name="remote")
async def remote(wish: str) -> None:
    if wish == "unlucky":
        raise ApplicationError(CANARY, type="out_of_luck", non_retryable=True)
    with span("inside"):
        pass


@workflow.defn(name="traced")
class Traced:
    @workflow.run
    async def run(self, wish: str) -> None:
        await workflow.execute_local_activity(near, start_to_close_timeout=PATIENCE)
        await workflow.execute_activity(remote, wish, start_to_close_timeout=PATIENCE)
        if wish == "twice":
            workflow.continue_as_new("once")


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing._Current, "recorder", Recorder("tested", 1.0, SimpleSpanProcessor(exporter)))
    return exporter


@pytest.fixture
async def client(temporal_address: str) -> AsyncIterator[Client]:
    client = await Client.connect(temporal_address, interceptors=[TemporalTraces()])
    async with Worker(
        client,
        task_queue="traces",
        workflows=[Traced],
        activities=[near, remote],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
        build_id="tested",
    ):
        yield client


async def run(client: Client, wish: str) -> None:
    await client.execute_workflow(
        "traced", wish, id=uuid.uuid4().hex, task_queue="traces", task_timeout=PATIENCE, run_timeout=2 * PATIENCE
    )


def by_name(exporter: InMemorySpanExporter) -> Finished:
    found: Finished = {}
    for each in exporter.get_finished_spans():
        found.setdefault(each.name, []).append(each)
    return found


def id_of(each: ReadableSpan) -> int:
    context = each.get_span_context()
    assert context is not None
    return context.span_id


def parent_of(each: ReadableSpan) -> int:
    return each.parent.span_id if each.parent else 0


async def test_each_step_is_told_once_whatever_is_replayed(client: Client, exporter: InMemorySpanExporter) -> None:
    with span("caller"):
        await run(client, "once")
    found = by_name(exporter)
    assert sorted(found) == ALL
    assert {len(each) for each in found.values()} == {1}
    one = {name: spans[0] for name, spans in found.items()}
    for child, parent in [
        ("RunWorkflow:traced", "caller"),
        ("RunActivity:near", "RunWorkflow:traced"),
        ("RunActivity:remote", "RunWorkflow:traced"),
        ("inside", "RunActivity:remote"),
    ]:
        assert parent_of(one[child]) == id_of(one[parent]), child
    ran = one["RunWorkflow:traced"]
    assert ran.start_time is not None
    assert ran.end_time is not None
    assert ran.end_time >= (one["RunActivity:remote"].end_time or 0)
    assert "olo.queue_seconds" in (one["RunActivity:remote"].attributes or {})
    assert "olo.queue_seconds" not in (one["RunActivity:near"].attributes or {})


async def test_a_run_that_goes_on_as_another_is_told_as_two(client: Client, exporter: InMemorySpanExporter) -> None:
    with span("caller"):
        await run(client, "twice")
    found = by_name(exporter)
    runs = found["RunWorkflow:traced"]
    assert len({id_of(each) for each in runs}) == len(runs) == 2
    assert {parent_of(each) for each in runs} == {id_of(found["caller"][0])}
    assert {parent_of(each) for each in found["RunActivity:near"]} == {id_of(each) for each in runs}
    assert all(each.status.status_code is trace.StatusCode.UNSET for each in runs)


async def test_a_failure_is_told_by_its_kind(client: Client, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(WorkflowFailureError), span("caller"):
        await run(client, "unlucky")
    found = by_name(exporter)
    (failed,), (ran,) = found["RunActivity:remote"], found["RunWorkflow:traced"]
    assert (failed.attributes or {})["error.type"] == "out_of_luck"
    assert (ran.attributes or {})["error.type"] == "ActivityError"
    assert {failed.status.status_code, ran.status.status_code} == {trace.StatusCode.ERROR}
    assert not any(CANARY in each.to_json() for each in exporter.get_finished_spans())


async def test_a_trace_that_is_not_sampled_has_no_span_anywhere(client: Client, exporter: InMemorySpanExporter) -> None:
    with continued(UNSAMPLED):
        await run(client, "once")
    assert not exporter.get_finished_spans()
