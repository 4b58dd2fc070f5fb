"""The workflows replay the histories of earlier versions of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from olo_retrieval.workflows.ingest import IngestWorkflow
from olo_retrieval.workflows.migrate import MigrateWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


def test_there_are_histories() -> None:
    assert {path.stem for path in HISTORIES} == {
        "ingest",
        "ingest_failed",
        "ingest_indexed_twice",
        "migrate",
        "migrate_too_slow",
    }


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_replay(path: Path) -> None:
    history = WorkflowHistory.from_json(f"replay-{path.stem}", path.read_text())
    await Replayer(workflows=[IngestWorkflow, MigrateWorkflow], build_id="replay").replay_workflow(history)
