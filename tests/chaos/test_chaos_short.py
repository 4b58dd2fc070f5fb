"""A worker is killed while it answers, then the gateway, then NATS: nothing is lost, doubled or spliced.

The whole set of faults is `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chaos.checker import check
from tests.chaos.figures import figures
from tests.chaos.run import run

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(240)]


async def test_no_request_is_lost_or_doubled(tmp_path: Path) -> None:
    history = await run(tmp_path, seed=1, rate=4.0, brief=True)
    violations = check(history)
    assert violations == []
    measured = figures(history, violations)
    assert len(history.faults) == 3
    assert measured.takeovers > 0, "the kill has interrupted no answer"
    assert (measured.failed, measured.unsettled) == (0, 0)
