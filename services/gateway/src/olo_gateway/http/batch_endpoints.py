"""What answers the lines of batches: the routes of this dialect, without the wire."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from olo_gateway.batches.results import Answered, Endpoint
from olo_gateway.chats import Chats
from olo_gateway.errors import RunNotFound
from olo_gateway.http.answers import completion_of
from olo_gateway.http.errors import invalid_field
from olo_gateway.http.orders import order_of
from olo_gateway.http.schemas import ChatCompletionRequest
from olo_gateway.ports import Runs
from olo_gateway.runs.admission.priority import Priority
from olo_gateway.runs.identity import run_id_of
from olo_gateway.runs.order import ChatOrder
from olo_gateway.runs.validation import RunLimits, accepted

CHAT_COMPLETIONS: Final = "/v1/chat/completions"

M = TypeVar("M", bound=BaseModel)


def endpoints(chats: Chats, runs: Runs, limits: RunLimits) -> dict[str, Endpoint]:
    """Every endpoint that takes batches, by its path."""
    return {CHAT_COMPLETIONS: ChatLines(chats, runs, limits)}


class ChatLines:
    """Chat completions: each line is a run."""

    def __init__(self, chats: Chats, runs: Runs, limits: RunLimits) -> None:
        self._chats = chats
        self._runs = runs
        self._limits = limits

    def check(self, body: Mapping[str, Any]) -> None:
        """See `batches.results.Endpoint`."""
        accepted(self._order(body, ""), self._limits)

    async def answer(self, body: Mapping[str, Any], request_id: str) -> Answered:
        """See `batches.results.Endpoint`."""
        response = await self._chats.answer(self._order(body, request_id))
        completion = completion_of(response, int(time.time())).model_dump()
        usage = response.usage
        return Answered(response.run_id, completion, usage.prompt_tokens, usage.completion_tokens)

    async def cancel(self, request_id: str) -> None:
        """See `batches.results.Endpoint`."""
        try:
            await self._runs.cancel(run_id_of(request_id))
        except RunNotFound:
            return

    def _order(self, body: Mapping[str, Any], request_id: str) -> ChatOrder:
        """The order of a line: the least urgent, and with all the time and patience that a run may have."""
        order = order_of(parsed(ChatCompletionRequest, body))
        return replace(
            order,
            request_id=request_id,
            priority=Priority.BATCH,
            timeout=self._limits.maximum if order.timeout is None else order.timeout,
            wait_for_model=self._limits.maximum if order.wait_for_model is None else order.wait_for_model,
        )


def parsed(model: type[M], body: Mapping[str, Any]) -> M:
    """The body as the route would read it.

    Raises:
        InvalidField: As the route would say it.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid_field(list(first["loc"]), str(first["type"]), str(first["msg"])) from None
