"""Every service is restarted in good order under load, one process at a time, as an upgrade does: no request fails.

More rounds, and each process, are `make rolling`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.checker import check
from tests.chaos.history import Outcome
from tests.chaos.rolling import failed, roll

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(420)]

ONE_OF_EACH = ("gateway", "registry", "router", "retrieval", "llm-a-1", "embed-worker")


async def test_no_accepted_request_fails_while_services_are_restarted(tmp_path: Path) -> None:
    rolled = await roll(tmp_path, ONE_OF_EACH, rate=1.5)
    history = rolled.history
    assert check(history) == []
    assert failed(rolled) == []
    assert [fault.part for fault in history.faults] == list(ONE_OF_EACH)
    answered = [asked for asked in history.asked if asked.last is not None and asked.last.outcome is Outcome.OK]
    assert len(answered) > len(ONE_OF_EACH)
