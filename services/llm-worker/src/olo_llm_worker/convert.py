"""Protobuf messages to the core's values and back."""

from __future__ import annotations

from collections.abc import Iterable

from olo.common.v1.common_pb2 import TokenUsage
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_llm_worker.generation.types import (
    Choice,
    Chunk,
    Isolation,
    Job,
    Message,
    ResponseFormat,
    Result,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
)
from olo_llm_worker.responses import (
    Asked,
    finish_reason,
    shortest,
    time_allowed,
    timings,
    token_logprobs,
    tool_calls,
)

_ROLES = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}

_ISOLATION = {
    pb.ISOLATION_UNSPECIFIED: Isolation.NONE,
    pb.ISOLATION_FIRST_TOKEN: Isolation.FIRST_TOKEN,
    pb.ISOLATION_WHOLE_ANSWER: Isolation.WHOLE_ANSWER,
}


class Answering(Asked):
    """One request that is being answered by the model here."""

    def chunk(self, chunk: Chunk, *, tops: bool = True) -> pb.TokenChunk:
        """A piece of the answer, with the likeliest tokens at its places or without them."""
        message = pb.TokenChunk(
            request_id=self.request_id,
            candidate=self.candidate,
            attempt=self.attempt,
            seq=chunk.seq,
            offset=chunk.offset,
            text=chunk.text,
            model_id=self.identity.model_id,
            choice_index=chunk.choice,
            logprobs=token_logprobs(chunk.logprobs, tops=tops),
        )
        if chunk.done is not None:
            message.finish_reason = finish_reason(chunk.done.finish)
            message.tool_calls.extend(tool_calls(chunk.done.tool_calls))
        if chunk.result is not None:
            message.usage.CopyFrom(_usage(chunk.result))
        return message

    def response(self, result: Result) -> pb.GenerateResponse:
        """The finished answer."""
        first, took = result.choices[0], result.timings
        return pb.GenerateResponse(
            request_id=self.request_id,
            model_id=self.identity.model_id,
            instance_id=self.identity.instance_id,
            text=result.text,
            finish_reason=finish_reason(result.finish),
            usage=_usage(result),
            timings=timings(took.queue, took.first_token, took.total),
            candidate=self.candidate,
            attempt=self.attempt,
            tool_calls=tool_calls(first.tool_calls),
            logprobs=token_logprobs(first.logprobs),
            alternatives=[_alternative(choice) for choice in result.choices[1:]],
        )


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
    return Job(
        request_id=request_id,
        messages=to_messages(request.messages),
        sampling=_sampling(request.sampling),
        prefix_token_ids=tuple(request.prefix_token_ids if prefix is None else prefix),
        timeout=shortest(time_allowed(request), timeout),
        n=request.n or 1,
        tools=to_tools(request.tools),
        tool_choice=_tool_choice(request.tool_choice),
        response_format=_response_format(request.response_format),
        isolation=_isolation(request.isolation),
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
        top_logprobs=options.top_logprobs,
        logit_bias=tuple(sorted(options.logit_bias.items())),
    )


def _tool_choice(choice: pb.ToolChoice) -> ToolChoice:
    if choice.mode not in pb.ToolChoice.Mode.values():
        raise InvalidField("tool_choice.mode", "is not known")
    required = choice.mode == pb.ToolChoice.MODE_REQUIRED
    if choice.name and not required:
        raise InvalidField("tool_choice.name", "goes with REQUIRED alone")
    none = choice.mode == pb.ToolChoice.MODE_NONE
    return ToolChoice(required=required, none=none, name=choice.name, single=choice.single)


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


def _isolation(number: pb.Isolation) -> Isolation:
    if number not in _ISOLATION:
        raise InvalidField("isolation", "is not known")
    return _ISOLATION[number]


def _alternative(choice: Choice) -> pb.Alternative:
    return pb.Alternative(
        text=choice.text,
        finish_reason=finish_reason(choice.finish),
        tool_calls=tool_calls(choice.tool_calls),
        logprobs=token_logprobs(choice.logprobs),
    )


def _usage(result: Result) -> TokenUsage:
    return TokenUsage(
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        cached_tokens=result.cached_tokens,
    )
