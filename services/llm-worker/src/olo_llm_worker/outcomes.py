"""What is told of the end of an attempt: the router counts its slot as free from then on, and learns from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

import olo_events
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import ErrorCode, OloError
from olo_llm_worker.responses import Identity


@dataclass(slots=True)
class Outcome:
    """How an attempt ended; at first, as if the worker had broken down over it."""

    reason: str = "internal"
    code: ErrorCode | None = ErrorCode.INTERNAL
    response: pb.GenerateResponse | None = None
    progress: pb.GenerateProgress | None = None
    """What a later attempt can resume from."""

    @property
    def handed_over(self) -> Sequence[pb.GenerateProgress]:
        """What a failure carries for the next attempt."""
        return [] if self.progress is None else [self.progress]

    def succeeded(self, response: pb.GenerateResponse) -> pb.GenerateResponse:
        """It gave an answer, which is returned."""
        self.reason, self.code, self.response = "", None, response
        return response

    def failed(self, error: OloError) -> None:
        """It failed with an error of the table."""
        self.reason, self.code, self.response = error.reason, error.code, None

    def cancelled(self) -> None:
        """Nobody wanted the answer any more."""
        self.reason, self.code, self.response = "cancelled", ErrorCode.CANCELLED, None


def attempt_finished(
    identity: Identity, run_id: str, candidate: int, seconds: float, outcome: Outcome
) -> olo_events.AttemptFinished:
    """The event."""
    event = olo_events.AttemptFinished(
        run_id=run_id,
        model_id=identity.model_id,
        instance_id=identity.instance_id,
        candidate=candidate,
        failure_reason=outcome.reason,
        failure_code=0 if outcome.code is None else outcome.code.value.grpc,
        duration_ms=round(seconds * 1000),
    )
    if outcome.response is not None:
        response = outcome.response
        event.first_token_ms = _milliseconds(response.timings.first_token)
        event.generation_ms = _milliseconds(response.timings.total)
        event.prompt_tokens = response.usage.prompt_tokens
        event.completion_tokens = response.usage.completion_tokens
    return event


def _milliseconds(duration: Duration) -> int:
    # What took less than a millisecond was measured all the same; 0 says that it was not.
    milliseconds = duration.seconds * 1000 + duration.nanos / 1e6
    return max(1, round(milliseconds)) if milliseconds > 0 else 0
