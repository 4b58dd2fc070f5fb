"""What the tests of both protocols ask for, and how they hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from olo_common.errors import OloError
from olo_llm_worker.upstream.adapters.http import Upstream
from olo_llm_worker.upstream.relay.types import (
    Options,
    TextRequest,
    Turn,
)

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
KEY = "sk-not-to-be-shown"
HELLO = TextRequest("r", (Turn("system", "Be brief."), Turn("user", "Hi")), Options(max_tokens=20))


def upstream(url: str, *, idle: float = 5.0, **headers: str) -> Upstream:
    return Upstream(url, headers, idle_seconds=idle, context_limit=1000)


async def heard(engine: Any, request: TextRequest = HELLO) -> list[Any]:
    return [event async for event in engine.generate(request)]


async def failed(engine: Any, request: TextRequest = HELLO) -> OloError:
    with pytest.raises(OloError) as error:
        await heard(engine, request)
    assert KEY not in str(error.value)
    return error.value
