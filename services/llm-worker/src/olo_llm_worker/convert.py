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
from olo_llm_worker.generation.types import (
    Choice,
    Chunk,
    Finish,
    Job,
    Message,
    ResponseFormat,
    Result,
    Sampling,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolChoice,
)

_ROLES = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}
_FINISH = {
    Finish.STOP: pb.FINISH_REASON_STOP,
    Finish.LENGTH: pb.FINISH_REASON_LENGTH,
    Finish.TOOL_CALLS: pb.FINISH_REASON_TOOL_CALLS,
}


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
            choice_index=chunk.choice,
            logprobs=_logprobs(chunk.logprobs),
        )
        if chunk.done is not None:
            message.finish_reason = _FINISH[chunk.done.finish]
            message.tool_calls.extend(_calls(chunk.done.tool_calls))
        if chunk.result is not None:
            message.usage.CopyFrom(_usage(chunk.result))
        return message

    def response(self, result: Result) -> pb.GenerateResponse:
        """The finished answer."""
        first = result.choices[0]
        return pb.GenerateResponse(
            request_id=self.request_id,
            model_id=self.model_id,
            instance_id=self.instance_id,
            text=result.text,
            finish_reason=_FINISH[result.finish],
            usage=_usage(result),
            timings=pb.GenerationTimings(
                queue=duration(result.timings.queue),
                first_token=duration(result.timings.first_token),
                total=duration(result.timings.total),
            ),
            candidate=self.candidate,
            attempt=self.attempt,
            tool_calls=_calls(first.tool_calls),
            logprobs=_logprobs(first.logprobs),
            alternatives=[_alternative(choice) for choice in result.choices[1:]],
        )


def answer_to(request: pb.GenerateRequest, identity: Identity, attempt: int = 1) -> Answering:
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
        n=request.n or 1,
        tools=to_tools(request.tools),
        tool_choice=_tool_choice(request.tool_choice),
        response_format=_response_format(request.response_format),
    )


def to_messages(messages: Iterable[pb.ChatMessage]) -> tuple[Message, ...]:
    """Turns of a conversation; an unknown role becomes the empty one, which the core refuses."""
    return tuple(
        Message(
            _ROLES.get(message.role, ""),
            message.content,
            message.name,
            tuple(ToolCall(call.id, call.name, call.arguments_json) for call in message.tool_calls),
            message.tool_call_id,
        )
        for message in messages
    )


def to_tools(tools: Iterable[pb.Tool]) -> tuple[Tool, ...]:
    """Tools that may be called."""
    return tuple(Tool(tool.name, tool.description, tool.parameters_json) for tool in tools)


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
        min_tokens=options.min_tokens,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        logprobs=options.logprobs,
    )


def _tool_choice(choice: pb.ToolChoice) -> ToolChoice:
    if choice.mode not in pb.ToolChoice.Mode.values():
        raise InvalidField("tool_choice.mode", "is not known")
    required = choice.mode == pb.ToolChoice.MODE_REQUIRED
    if choice.name and not required:
        raise InvalidField("tool_choice.name", "goes with REQUIRED alone")
    return ToolChoice(required=required, none=choice.mode == pb.ToolChoice.MODE_NONE, name=choice.name)


def _response_format(form: pb.ResponseFormat) -> ResponseFormat:
    if form.kind not in pb.ResponseFormat.Kind.values():
        raise InvalidField("response_format.kind", "is not known")
    by_schema = form.kind == pb.ResponseFormat.KIND_JSON_SCHEMA
    if by_schema != bool(form.schema_json):
        raise InvalidField("response_format.schema_json", "goes with JSON_SCHEMA, and JSON_SCHEMA needs it")
    json = by_schema or form.kind == pb.ResponseFormat.KIND_JSON_OBJECT
    if form.constrained and not json:
        raise InvalidField("response_format.constrained", "goes with JSON alone")
    return ResponseFormat(json=json, schema=form.schema_json, constrained=form.constrained)


def _alternative(choice: Choice) -> pb.Alternative:
    return pb.Alternative(
        text=choice.text,
        finish_reason=_FINISH[choice.finish],
        tool_calls=_calls(choice.tool_calls),
        logprobs=_logprobs(choice.logprobs),
    )


def _calls(calls: Iterable[ToolCall]) -> list[pb.ToolCall]:
    return [pb.ToolCall(id=call.id, name=call.name, arguments_json=call.arguments) for call in calls]


def _logprobs(logprobs: Iterable[TokenLogprob]) -> list[pb.TokenLogprob]:
    return [pb.TokenLogprob(text=token.text, logprob=token.logprob) for token in logprobs]


def _usage(result: Result) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        cached_tokens=result.cached_tokens,
    )


def duration(seconds: float) -> Duration:
    """Seconds as protobuf says them."""
    return Duration(nanos=int(seconds % 1 * 1e9), seconds=int(seconds))
