"""Answers that are too large for a history where no store for them is given, on real Temporal.

On its own: gateways share Temporal's queues, and one with a store would take tasks of this one.
"""

from __future__ import annotations

import pytest
from tests.integration.gateway_world import worlds

from olo_common.errors import OloError

pytestmark = pytest.mark.integration


async def test_without_a_store_a_huge_answer_fails_once(nats_url: str, temporal_address: str) -> None:
    async with worlds(nats_url, temporal_address) as world:
        with pytest.raises(OloError) as caught:
            await world.chat(f"be long {3 * 1024 * 1024}")
        assert [model.long for model in world.models.values()] == [1, 0]
        assert caught.value.reason == "payload_not_stored"
