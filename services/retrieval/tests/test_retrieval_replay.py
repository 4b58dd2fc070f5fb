"""The workflows replay the histories of earlier versions of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from olo_retrieval.workflows.ingest import IngestWorkflow
from olo_retrieval.workflows.migrate import MigrateWorkflow
from olo_retrieval.workflows.sync_source import SyncSourceWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_there_are_histories() -> None:
    assert {path.stem for path in HISTORIES} == {
        "ingest",
        "ingest_failed",
        "ingest_indexed_twice",
        "migrate",
        "migrate_too_slow",
        "sync_source",
        "sync_source_failed",
        "sync_source_removed",
    }


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_replay(path: Path) -> None:
    history = WorkflowHistory.from_json(f"replay-{path.stem}", path.read_text())
    workflows = [IngestWorkflow, MigrateWorkflow, SyncSourceWorkflow]
    await Replayer(workflows=workflows, build_id="replay").replay_workflow(history)
