"""Replays: the request of an earlier run, run anew with the passages that were found then."""

from __future__ import annotations

from dataclasses import replace

from olo.gateway.v1.gateway_service_pb2 import ReplayRunResponse
from olo_gateway.calls.chats import Chats
from olo_gateway.convert.rag import recorded_of
from olo_gateway.convert.runs import order_of
from olo_gateway.errors import RunUnanswered
from olo_gateway.ports import Runs


class Replays:
    """See the module."""

    def __init__(self, runs: Runs, chats: Chats) -> None:
        self._runs = runs
        self._chats = chats

    async def replay(self, run_id: str, *, model: str, profile: str, time_left: float | None) -> ReplayRunResponse:
        """Runs the request of a run again, as a run of its own.

        Args:
            run_id: The earlier run.
            model: Which model instead; empty: as it was, or the router's choice where a profile is given.
            profile: Which profile instead; empty: as it was.
            time_left: Seconds that the caller waits; None: as long as it takes.

        Raises:
            RunNotFound: There is no such run.
            RunUnanswered: It has given no answer to compare with.
            OloError: As `Chats.answer`.
        """
        original = await self._runs.get(run_id)
        if not original.HasField("response"):
            raise RunUnanswered
        asked = order_of(await self._runs.request(run_id))
        order = replace(
            asked,
            model=model or ("" if profile else asked.model),
            profile=profile or asked.profile,
            request_id="",
            # Nobody but its caller knows of it.
            store=False,
            conversation_id="",
            rag=replace(asked.rag, recorded=True) if asked.rag else None,
            passages=tuple(recorded_of(citation) for citation in original.response.citations),
        )
        replayed = await self._chats.answer(order.within(time_left))
        return ReplayRunResponse(original=original.response, replay=replayed)
