"""Protobuf messages to the core's values and back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration

from olo.common.v1.common_pb2 import TokenUsage
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_contracts.identifiers import REQUEST_ID, is_valid
from olo_llm_worker.errors import ModelNotFound
from olo_llm_worker.generation.types import Chunk, Finish, Job, Message, Result, Sampling

_ROLES = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}
_FINISH = {Finish.STOP: pb.FINISH_REASON_STOP, Finish.LENGTH: pb.FINISH_REASON_LENGTH}


@dataclass(frozen=True)
class Identity:
    """Who answers."""

    model_id: str
    model_name: str
    instance_id: str
    task_queue: str
    max_concurrency: int


@dataclass(frozen=True)
class Answering:
    """One request that is being answered: what its chunks and its response repeat."""

    request_id: str
    model_id: str
    instance_id: str
    candidate: int
    attempt: int

    def chunk(self, chunk: Chunk) -> pb.TokenChunk:
        """A piece of the answer."""
        message = pb.TokenChunk(
            request_id=self.request_id,
            candidate=self.candidate,
            attempt=self.attempt,
            seq=chunk.seq,
            offset=chunk.offset,
            text=chunk.text,
            model_id=self.model_id,
        )
        if chunk.result is not None:
            message.finish_reason = _FINISH[chunk.result.finish]
            message.usage.CopyFrom(_usage(chunk.result))
        return message

    def response(self, result: Result) -> pb.GenerateResponse:
        """The finished answer."""
        return pb.GenerateResponse(
            request_id=self.request_id,
            model_id=self.model_id,
            instance_id=self.instance_id,
            text=result.text,
            finish_reason=_FINISH[result.finish],
            usage=_usage(result),
            timings=pb.GenerationTimings(
                queue=_duration(result.timings.queue),
                first_token=_duration(result.timings.first_token),
                total=_duration(result.timings.total),
            ),
            candidate=self.candidate,
            attempt=self.attempt,
        )


def answering(request: pb.GenerateRequest, identity: Identity, attempt: int = 1) -> Answering:
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
    return Answering(request_id, identity.model_id, identity.instance_id, request.candidate, attempt)


def to_job(
    request: pb.GenerateRequest, request_id: str, *, timeout: float | None, prefix: Iterable[int] | None = None
) -> Job:
    """The job of a request.

    Args:
        request: The request.
        request_id: Its id, made up if it had none.
        timeout: Seconds that the transport leaves; the request's own may be shorter.
        prefix: Tokens to resume from, instead of those of the request.
    """
    own = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else None
    return Job(
        request_id=request_id,
        messages=to_messages(request.messages),
        sampling=_sampling(request.sampling),
        prefix_token_ids=tuple(request.prefix_token_ids if prefix is None else prefix),
        timeout=shortest(own, timeout),
    )


def to_messages(messages: Iterable[pb.ChatMessage]) -> tuple[Message, ...]:
    """Turns of a conversation; an unknown role becomes the empty one, which the core refuses."""
    return tuple(Message(_ROLES.get(message.role, ""), message.content) for message in messages)


def shortest(*seconds: float | None) -> float | None:
    """The least of the times that are set."""
    return min((value for value in seconds if value is not None), default=None)


def _sampling(options: pb.SamplingOptions) -> Sampling:
    return Sampling(
        max_tokens=options.max_tokens if options.HasField("max_tokens") else None,
        temperature=options.temperature if options.HasField("temperature") else None,
        top_p=options.top_p if options.HasField("top_p") else None,
        top_k=options.top_k if options.HasField("top_k") else None,
        repetition_penalty=options.repetition_penalty if options.HasField("repetition_penalty") else None,
        seed=options.seed if options.HasField("seed") else None,
        stop=tuple(options.stop),
    )


def _usage(result: Result) -> TokenUsage:
    return TokenUsage(prompt_tokens=result.prompt_tokens, completion_tokens=result.completion_tokens)


def _duration(seconds: float) -> Duration:
    return Duration(nanos=int(seconds % 1 * 1e9), seconds=int(seconds))
