"""The local activity of the shadow workflow."""

from __future__ import annotations

from typing import Final

from temporalio import activity

from olo.gateway.v1.run_pb2 import ChatResponse, MirroredRequest, ShadowRequest
from olo_common.errors import ErrorCode, OloError
from olo_common.failures import to_application_error
from olo_contracts.queues import MIRROR_ACTIVITY
from olo_gateway.convert.mirroring import mirrored
from olo_gateway.errors import NotMirrored
from olo_gateway.ports import RUN_STATE, Runs

_WAIT_SECONDS: Final = 1.0
"""How long one look waits for the end of the run; a slot of the worker is held meanwhile."""


class ShadowActivities:
    """What the shadow workflow asks of the run that it shadows."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    @activity.defn(name=MIRROR_ACTIVITY)
    async def mirror(self, request: ShadowRequest) -> MirroredRequest:
        """The request for the shadow; empty as long as the run has not ended."""
        try:
            answer = await self._answer(request.run_id)
            if answer is None:
                return MirroredRequest()
            return mirrored(await self._runs.request(request.run_id), answer, request.shadow)
        except OloError as error:
            raise to_application_error(error, retryable=error.code is ErrorCode.UNAVAILABLE) from error

    async def _answer(self, run_id: str) -> ChatResponse | None:
        try:
            return await self._runs.result(run_id, _WAIT_SECONDS)
        except OloError as error:
            if RUN_STATE not in error.metadata and error.code is ErrorCode.DEADLINE_EXCEEDED:
                return None
            if RUN_STATE not in error.metadata and error.code is ErrorCode.UNAVAILABLE:
                raise
            raise NotMirrored("the run has no answer") from error
