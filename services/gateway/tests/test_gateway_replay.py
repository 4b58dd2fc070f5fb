"""The workflow decides today as it did when these histories were recorded, so that an upgrade fails no run in flight.

Record new ones with `OLO_RECORD_HISTORIES=1 pytest` and a file of tests/integration that calls `record`, after a
change of the workflow that is guarded as ADR 0012 says, under new names: the old ones stay while such runs may exist.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import NondeterminismError

from olo_common import tracing
from olo_common.spans import Recorder
from olo_common.temporal_traces import TRACER_HEADER, TemporalTraces
from olo_gateway.workflows.batch import BatchWorkflow
from olo_gateway.workflows.chat import ChatWorkflow
from olo_gateway.workflows.shadow import ShadowWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_the_corpus_has_every_kind_of_run() -> None:
    assert {path.stem for path in HISTORIES} >= {
        "plain",
        "rag",
        "fallback",
        "failure",
        "cancel",
        "second_round",
        "waited_for_peer",
        "lost_worker",
        "poison",
        "timeout",
        "park",
        "forms",
        "engine_lost",
        "poison_confirmed",
        "poison_engines",
        "starved_workers",
        "tries_of_temporal",
        "budget",
        "bystander_1",
        "bystander_2",
        "poison_alone",
        "poison_unheard",
        "mirrored",
        "shadow",
        "shadow_failed",
        "shadow_waited",
        "rag_optional",
        "rag_rewritten",
        "rag_not_rewritten",
        "rag_around",
        "rag_refit",
        "rag_too_long_before_refits",
        "replayed_nothing",
        "batch",
        "batch_failed",
        "batch_paused_cancelled",
        "batch_last_part",
        "batch_expired",
        "batch_cut_short",
    }


@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), SandboxedWorkflowRunner()], ids=["plain", "sandboxed"])
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_history_replays(path: Path, runner: WorkflowRunner) -> None:
    text = path.read_text()
    # What a run starts is named after it.
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    history = WorkflowHistory.from_json(started["workflowId"], text)
    replayer = Replayer(workflows=[ChatWorkflow, ShadowWorkflow, BatchWorkflow], workflow_runner=runner)
    await replayer.replay_workflow(history, raise_on_replay_failure=True)


@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), SandboxedWorkflowRunner()], ids=["plain", "sandboxed"])
async def test_a_replay_makes_no_span_again(runner: WorkflowRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run that its caller traces, as the interceptor keeps that; what is replayed was told by the worker that ran it.
    traced = json.loads(next(path for path in HISTORIES if path.stem == "rag").read_text())
    context = json.dumps({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    stored = {"metadata": {"encoding": base64.b64encode(b"json/plain").decode()}}
    header = {"fields": {TRACER_HEADER: {**stored, "data": base64.b64encode(context.encode()).decode()}}}
    traced["events"][0]["workflowExecutionStartedEventAttributes"]["header"] = header
    spans = InMemorySpanExporter()
    monkeypatch.setattr(tracing._Current, "recorder", Recorder("tested", 1.0, SimpleSpanProcessor(spans)))
    replayer = Replayer(workflows=[ChatWorkflow], interceptors=[TemporalTraces()], workflow_runner=runner)
    run_id = traced["events"][0]["workflowExecutionStartedEventAttributes"]["workflowId"]
    await replayer.replay_workflow(WorkflowHistory.from_json(run_id, traced), raise_on_replay_failure=True)
    assert [span.name for span in spans.get_finished_spans()] == []


async def test_a_changed_step_is_noticed() -> None:
    path = next(path for path in HISTORIES if path.stem == "plain")
    changed = json.loads(path.read_text().replace('"name": "generate"', '"name": "something_else"'))
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[ChatWorkflow]).replay_workflow(
            WorkflowHistory.from_json("run-plain", changed), raise_on_replay_failure=True
        )
