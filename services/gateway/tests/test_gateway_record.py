"""What a run tells of itself when it has failed."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from olo.retrieval.v1.retrieval_service_pb2 import Passage
from olo_gateway.workflows import record as records
from olo_gateway.workflows.record import Record

MOST_CHARACTERS = 40_000
"""Of the text around a passage: four passages of a thousand tokens."""


def test_a_failure_names_its_passages_without_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    told = SimpleNamespace(now=lambda: now, info=lambda: SimpleNamespace(start_time=now))
    monkeypatch.setattr(records, "workflow", told)
    record = Record("run-1")
    passages = [Passage(document_id=f"d{number}", text="the passage " * 500) for number in range(50)]
    record.found(passages, ["what?"], "dense", now - now)
    # A model of a long context was shown all of it.
    record.fitted(["x" * MOST_CHARACTERS] * 50)
    details = record.post_mortem()
    assert [citation.document_id for citation in details.citations] == [f"d{number}" for number in range(50)]
    assert not any(citation.text or citation.context_text for citation in details.citations)
    # Temporal takes no failure of 2 MiB: the run would hang to its deadline, and end with another reason than its own.
    assert details.ByteSize() < 64 * 1024
