"""The whole stack, started as a user would start it, with the sample documents in the collection `demo`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from olo_testing.stack import Stack, local_stack

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for the session."""
    with local_stack(tmp_path_factory.mktemp("stack"), ROOT / ".olo" / "models") as running:
        running.olo("ingest", str(ROOT / "samples" / "documents"), "--collection", "demo", timeout=300)
        yield running
