"""What responses say alike, wherever the model is."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, Self

from google.protobuf.duration_pb2 import Duration

from olo.common.v1.common_pb2 import HARDWARE_TYPE_CPU, HARDWARE_TYPE_GPU
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.durations import seconds_of
from olo_common.errors import InvalidField
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_llm_worker.errors import ModelNotFound

_FINISH: Final = {
    "STOP": pb.FINISH_REASON_STOP,
    "LENGTH": pb.FINISH_REASON_LENGTH,
    "TOOL_CALLS": pb.FINISH_REASON_TOOL_CALLS,
}

_LONGEST_SECONDS: Final = 366 * 86_400.0


@dataclass(frozen=True)
class Identity:
    """Who answers."""

    model_id: str
    model_name: str
    instance_id: str
    task_queue: str
    max_concurrency: int


@dataclass(frozen=True)
class Asked:
    """One request that is being answered: what its chunks and its response repeat."""

    request_id: str
    identity: Identity
    candidate: int
    attempt: int

    @classmethod
    def of(cls, request: pb.GenerateRequest, identity: Identity, attempt: int = 1) -> Self:
        """What the answer to this request repeats; a missing request id is made.

        Raises:
            InvalidField: The request id is not spelt as it must be.
            ModelNotFound: Another model is meant.
        """
        if request.model_id and request.model_id != identity.model_id:
            raise ModelNotFound(identity.model_id)
        request_id = request.request_id or uuid.uuid4().hex
        if not is_valid(REQUEST_ID, request_id):
            raise InvalidField("request_id", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")
        return cls(request_id, identity, request.candidate, attempt)


class Call(Protocol):
    """A call of a tool; `arguments` is JSON text."""

    @property
    def id(self) -> str:
        """What the model calls it."""
        ...

    @property
    def name(self) -> str:
        """Of the tool."""
        ...

    @property
    def arguments(self) -> str:
        """JSON text of an object."""
        ...


class Logprob(Protocol):
    """A token with its natural-log probability, and of an answer the likeliest ones at its place."""

    @property
    def text(self) -> str:
        """Of the token."""
        ...

    @property
    def logprob(self) -> float:
        """The natural logarithm of its probability."""
        ...

    @property
    def top(self) -> Sequence[Logprob]:
        """The likeliest tokens at its place, the likeliest first."""
        ...


def finish_reason(finish: Enum) -> pb.FinishReason:
    """Why an answer ended; both cores name the reasons as the contract does."""
    return _FINISH[finish.name]


def tool_calls(calls: Iterable[Call]) -> list[pb.ToolCall]:
    """Calls that the model makes."""
    return [pb.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments) for call in calls]


def token_logprobs(logprobs: Iterable[Logprob], *, tops: bool = True) -> list[pb.TokenLogprob]:
    """Tokens with their log probabilities, and with the likeliest tokens at their places or without them."""
    return [
        pb.TokenLogprob(text=token.text, logprob=token.logprob, top=token_logprobs(token.top) if tops else ())
        for token in logprobs
    ]


def timings(queue: float, first_token: float, total: float) -> pb.GenerationTimings:
    """How long an answer has taken, out of seconds."""
    return pb.GenerationTimings(queue=duration(queue), first_token=duration(first_token), total=duration(total))


def introduction(identity: Identity, hardware: str) -> pb.GetModelInfoResponse:
    """Who answers, on `cpu` or `gpu`; what the model is has still to be said."""
    return pb.GetModelInfoResponse(
        model_id=identity.model_id,
        model_name=identity.model_name,
        max_concurrency=identity.max_concurrency,
        hardware_type=HARDWARE_TYPE_GPU if hardware == "gpu" else HARDWARE_TYPE_CPU,
        instance_id=identity.instance_id,
        task_queue=identity.task_queue,
    )


def time_allowed(request: pb.GenerateRequest, *, elapsed: float = 0.0) -> float | None:
    """Seconds that the request leaves, of which some have elapsed; None: any. No clock takes more than so many."""
    return min(seconds_of(request.timeout), _LONGEST_SECONDS) - elapsed if request.HasField("timeout") else None


def shortest(*seconds: float | None) -> float | None:
    """The least of the times that are set."""
    return min((value for value in seconds if value is not None), default=None)


def duration(seconds: float) -> Duration:
    """Seconds as protobuf says them."""
    return Duration(nanos=int(seconds % 1 * 1e9), seconds=int(seconds))
