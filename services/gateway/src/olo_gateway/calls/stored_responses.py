"""Stored responses: runs that answer calls of the Responses API, and the conversations that they continue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from olo.gateway.v1.run_pb2 import RUN_STATE_COMPLETED, RUN_STATE_RUNNING, Run
from olo_common.errors import InvalidField, OloError
from olo_gateway.convert.runs import order_of, turns_of
from olo_gateway.errors import ResponseNotFound, RunNotFound
from olo_gateway.ports import Runs
from olo_gateway.runs.forms import ResponseOptions
from olo_gateway.runs.order import ChatOrder, Role, Turn

CANCEL_SECONDS: Final = 10.0
"""How long a run that is cancelled may take to end before its caller is told that it still runs."""
_BETWEEN: Final = "\n\n"
"""Between the instructions and what else the system says."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A response as its run keeps it."""

    run: Run
    order: ChatOrder
    options: ResponseOptions


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said before."""

    system: str = ""
    """By the system, without the instructions of one response."""
    turns: tuple[Turn, ...] = ()


class Responses:
    """Finds, ends and forgets stored responses.

    Args:
        runs: Durable runs, which are all that there is of a response.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def get(self, run_id: str) -> Stored:
        """One response.

        Raises:
            ResponseNotFound: There is none, its caller did not want it stored, or it was deleted.
        """
        try:
            run, request = await self._runs.get(run_id), await self._runs.request(run_id)
        except RunNotFound:
            raise ResponseNotFound from None
        if not request.HasField("response") or not request.store:
            raise ResponseNotFound
        order = order_of(request)
        assert order.response is not None
        return Stored(run, order, order.response)

    async def before(self, run_id: str) -> Conversation:
        """The conversation up to and with a response.

        Raises:
            InvalidField: There is no such response, or it has no answer.
        """
        field = "previous_response_id"
        try:
            stored = await self.get(run_id)
        except ResponseNotFound:
            problem = "there is no response with this id"
            raise InvalidField(field, problem, reason="previous_response_not_found") from None
        if stored.run.state != RUN_STATE_COMPLETED:
            raise InvalidField(field, "this response has no answer", reason="previous_response_unanswered")
        system, said = split(stored.order)
        answer = turns_of([stored.run.response.message])
        return Conversation(system, (*said, *answer))

    async def cancel(self, run_id: str) -> Stored:
        """Ends a response; one that has ended is left as it is."""
        await self.get(run_id)
        if (await self._runs.cancel(run_id)).state == RUN_STATE_RUNNING:
            with contextlib.suppress(OloError):
                await self._runs.result(run_id, CANCEL_SECONDS)
        return await self.get(run_id)

    async def delete(self, run_id: str) -> None:
        """Forgets a response; one that runs is ended."""
        await self.get(run_id)
        await self._runs.delete(run_id)


def split(order: ChatOrder) -> tuple[str, tuple[Turn, ...]]:
    """What the system says beside the instructions, and the other turns."""
    first, instructions = order.turns[0], order.response.instructions if order.response else ""
    if first.role is not Role.SYSTEM:
        return "", order.turns
    return first.content.removeprefix(instructions).removeprefix(_BETWEEN), order.turns[1:]


def continued(conversation: Conversation, instructions: str, turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], int]:
    """The turns of a response that goes on from a conversation, and how many of them it inherits.

    What the system says comes first, in one turn: chat templates know no other place for it.
    """
    leading = 0
    while leading < len(turns) and turns[leading].role is Role.SYSTEM:
        leading += 1
    told = [instructions, conversation.system, *(turn.content for turn in turns[:leading])]
    system = _BETWEEN.join(text for text in told if text)
    head = (Turn(Role.SYSTEM, system),) if system else ()
    return (*head, *conversation.turns, *turns[leading:]), len(conversation.turns)
