"""Protobuf messages to the relay's values and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from olo.common.v1.common_pb2 import TokenUsage
from olo.inference.v1 import inference_service_pb2 as pb
from olo_common.errors import InvalidField
from olo_llm_worker.responses import (
    Asked,
    finish_reason,
    shortest,
    time_allowed,
    timings,
    token_logprobs,
    tool_calls,
)
from olo_llm_worker.upstream.relay.types import (
    Call,
    Chunk,
    Options,
    Result,
    TextRequest,
    Tool,
    ToolChoice,
    Turn,
)

_ROLES: Final[Mapping[int, Literal["system", "user", "assistant", "tool"]]] = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}
_MODES: Final[Mapping[int, Literal["auto", "none", "required"]]] = {
    pb.ToolChoice.MODE_UNSPECIFIED: "auto",
    pb.ToolChoice.MODE_AUTO: "auto",
    pb.ToolChoice.MODE_NONE: "none",
    pb.ToolChoice.MODE_REQUIRED: "required",
}
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OPTIONAL: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "seed",
    "min_tokens",
    "presence_penalty",
    "frequency_penalty",
)


class Answering(Asked):
    """One request that is being answered by a model elsewhere."""

    def chunk(self, chunk: Chunk, *, tops: bool = True) -> pb.TokenChunk:
        """A chunk of the answer, with the likeliest tokens at its places or without them."""
        message = pb.TokenChunk(
            request_id=self.request_id,
            candidate=self.candidate,
            attempt=self.attempt,
            seq=chunk.seq,
            offset=chunk.offset,
            text=chunk.text,
            model_id=self.identity.model_id,
            logprobs=token_logprobs(chunk.logprobs, tops=tops),
        )
        if chunk.result is not None:
            message.finish_reason = finish_reason(chunk.result.finish)
            message.usage.CopyFrom(_usage(chunk.result))
            message.tool_calls.extend(tool_calls(chunk.result.calls))
        return message

    def response(self, result: Result) -> pb.GenerateResponse:
        """The finished answer."""
        return pb.GenerateResponse(
            request_id=self.request_id,
            model_id=self.identity.model_id,
            instance_id=self.identity.instance_id,
            text=result.text,
            finish_reason=finish_reason(result.finish),
            usage=_usage(result),
            timings=timings(result.queue, result.first_text, result.total),
            candidate=self.candidate,
            attempt=self.attempt,
            tool_calls=tool_calls(result.calls),
            logprobs=token_logprobs(result.logprobs),
        )


def to_request(request: pb.GenerateRequest, request_id: str, *, timeout: float | None) -> TextRequest:
    """What the relay is asked for.

    Args:
        request: The request.
        request_id: Its id, made up if it had none.
        timeout: Seconds that the transport leaves; the request's own may be shorter.

    Raises:
        InvalidField: A field is wrong, or asks for what only a model in this process can do.
    """
    if request.prefix_token_ids:
        raise InvalidField("prefix_token_ids", "a model that is served elsewhere cannot continue an answer")
    if request.n > 1:
        raise InvalidField("n", "a model that is served elsewhere gives one answer")
    wanted = request.response_format
    if wanted.constrained:
        raise InvalidField("response_format.constrained", "a model that is served elsewhere cannot be masked")
    by_schema = wanted.kind == pb.ResponseFormat.KIND_JSON_SCHEMA
    schema = _schema("response_format.schema_json", wanted.schema_json) if by_schema else None
    return TextRequest(
        request_id=request_id,
        turns=to_turns(request.messages),
        options=_options(request.sampling),
        tools=to_tools(request.tools),
        tool_choice=_choice(request.tool_choice),
        json_object=wanted.kind == pb.ResponseFormat.KIND_JSON_OBJECT,
        schema=schema,
        timeout=shortest(time_allowed(request), timeout),
    )


def to_turns(messages: Iterable[pb.ChatMessage]) -> tuple[Turn, ...]:
    """Turns of a conversation.

    Raises:
        InvalidField: A role or a call of a tool is wrong.
    """
    return tuple(_turn(f"messages[{number}]", message) for number, message in enumerate(messages))


def to_tools(tools: Iterable[pb.Tool]) -> tuple[Tool, ...]:
    """The tools that may be called.

    Raises:
        InvalidField: A name or a schema is wrong.
    """
    return tuple(_tool(f"tools[{number}]", tool) for number, tool in enumerate(tools))


def _turn(field: str, message: pb.ChatMessage) -> Turn:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidField(f"{field}.role", "must be system, user, assistant or tool")
    if (role == "tool") != bool(message.tool_call_id):
        raise InvalidField(f"{field}.tool_call_id", "must be set in a turn of the role tool, and in no other")
    if message.tool_calls and role != "assistant":
        raise InvalidField(f"{field}.tool_calls", "must be in a turn of the role assistant")
    for number, call in enumerate(message.tool_calls):
        _schema(f"{field}.tool_calls[{number}].arguments_json", call.arguments_json)
    calls = tuple(Call(call.id, call.name, call.arguments_json or "{}") for call in message.tool_calls)
    return Turn(role, message.content, message.name, calls, message.tool_call_id)


def _tool(field: str, tool: pb.Tool) -> Tool:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise InvalidField(f"{field}.name", "must be 1 to 64 characters of A-Z a-z 0-9 _ -")
    return Tool(tool.name, tool.description, _schema(f"{field}.parameters_json", tool.parameters_json))


def _choice(choice: pb.ToolChoice) -> ToolChoice:
    mode = _MODES.get(choice.mode)
    if mode is None:
        raise InvalidField("tool_choice.mode", "must be AUTO, NONE or REQUIRED")
    return ToolChoice(mode, choice.name, choice.single)


def _schema(field: str, text: str) -> Mapping[str, Any]:
    """A JSON object; an empty text is the empty one."""
    try:
        value = json.loads(text or "{}")
        # What could not be sent on is refused here: numbers that are none, and halves of characters.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise InvalidField(field, "must be JSON") from None
    if not isinstance(value, dict):
        raise InvalidField(field, "must be a JSON object")
    return value


def _options(said: pb.SamplingOptions) -> Options:
    values = {name: getattr(said, name) for name in _OPTIONAL if said.HasField(name)}
    return Options(
        **values,
        stop=tuple(said.stop),
        logprobs=said.logprobs,
        top_logprobs=said.top_logprobs,
        logit_bias=tuple(sorted(said.logit_bias.items())),
    )


def _usage(result: Result) -> TokenUsage:
    return TokenUsage(prompt_tokens=result.usage.prompt_tokens, completion_tokens=result.usage.completion_tokens)
