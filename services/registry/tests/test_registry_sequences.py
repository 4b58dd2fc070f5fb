"""Random lives of a fleet: some with each test run, a hundred thousand as a benchmark."""

from __future__ import annotations

import pytest
from tests.bench.registry_sequences import Broken, run_sequences

from olo_registry.leases.table import Leases


async def test_whatever_arrives_the_registry_lists_who_may_live_and_heals() -> None:
    await run_sequences(500, seed=2)


async def test_the_sequences_would_notice_a_registry_that_takes_late_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leases, "is_stale", lambda *_: False)
    with pytest.raises(Broken):
        await run_sequences(200, seed=2)


async def test_the_sequences_would_notice_a_registry_that_never_ends_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leases, "expire", lambda *_: [])
    with pytest.raises(Broken):
        await run_sequences(200, seed=2)
