"""A file on its way into a collection, and how far it has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from olo.retrieval.v1 import retrieval_service_pb2 as rt
from olo_client import AsyncOlo, Olo, TimeoutError
from olo_client.uploads import pauses


@pytest.fixture
def file(served: Any, tmp_path: Path) -> Path:
    """A file, and a gateway that takes three looks to index it."""
    served.gateway.collections["demo"] = {}
    states = iter([25.0, 75.0])

    def indexing(document: rt.Document) -> rt.Document:
        if (percent := next(states, None)) is None:
            document.state, document.chunk_count = rt.DOCUMENT_STATE_READY, 3
        else:
            document.progress.percent = percent
        return document

    served.gateway.indexing = indexing
    path = tmp_path / "Tram times.pdf"
    path.write_bytes(b"%PDF")
    return path


async def test_progress_is_told_until_the_document_is_ready(served: Any, file: Path) -> None:
    told: list[float] = []
    with Olo(served.target) as olo:
        document = olo.documents.upload("demo", str(file), metadata={"lang": "en"}, progress=told.append)
    assert (document.state, document.chunk_count) == (rt.DOCUMENT_STATE_READY, 3)
    assert told == [0.0, 25.0, 75.0, 100.0]
    sent = served.gateway.requests[0].document
    assert (sent.data, sent.source, dict(sent.metadata)) == (b"%PDF", "Tram times.pdf", {"lang": "en"})


async def test_both_clients_do_the_same(served: Any, file: Path) -> None:
    told: list[float] = []
    async with AsyncOlo(served.target) as olo:
        document = await olo.documents.upload("demo", file, document_id="tram", progress=told.append)
    assert (document.document_id, told[-1]) == ("tram", 100.0)


def test_what_failed_is_given_and_what_never_ends_is_an_error(served: Any, file: Path) -> None:
    served.gateway.indexing = None
    served.gateway.refused = {"bad": "it cannot be read"}
    with Olo(served.target) as olo:
        failed = olo.documents.upload("demo", file, document_id="bad")
        assert (failed.state, failed.error) == (rt.DOCUMENT_STATE_FAILED, "it cannot be read")
        served.gateway.indexing = lambda document: document
        with pytest.raises(TimeoutError, match=r"not ready after 0\.2 s"):
            olo.documents.upload("demo", file, document_id="slow", wait_seconds=0.2)
        with pytest.raises(FileNotFoundError):
            olo.documents.upload("demo", file.parent / "nowhere")


def test_looks_become_rarer() -> None:
    looks = pauses(3600)
    taken = [next(looks) for _ in range(20)]
    assert taken[0] < taken[1] < taken[2]
    assert max(taken) == 1.0
