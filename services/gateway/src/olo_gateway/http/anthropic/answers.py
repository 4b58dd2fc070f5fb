"""Answers in the Anthropic dialect: whole, and as typed events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson

from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_TOOL_CALLS, ToolCall
from olo_common.errors import OloError
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.http.answers import details_of
from olo_gateway.http.anthropic.schemas import Message, MessageUsage, TextBlock, ToolUseBlock
from olo_gateway.http.errors import Dialect, error_body
from olo_gateway.http.hang_up import EVENT_STREAM
from olo_gateway.streaming.append_only import AppendOnly
from olo_gateway.streaming.events import Delta, Reset

_MESSAGE: Final = "msg_"
_STOP_REASONS: Final[Mapping[int, Literal["max_tokens", "tool_use"]]] = {
    FINISH_REASON_LENGTH: "max_tokens",
    FINISH_REASON_TOOL_CALLS: "tool_use",
}


def message_of(response: ChatResponse) -> Message:
    """A whole answer."""
    calls = response.message.tool_calls
    text = [TextBlock(text=response.message.content)] if response.message.content or not calls else []
    return Message(
        id=_MESSAGE + response.run_id,
        model=response.model,
        content=[*text, *(_used(call) for call in calls)],
        stop_reason=_STOP_REASONS.get(response.finish_reason, "end_turn"),
        usage=_usage(response.usage),
        olo=details_of(response).model_dump(),
    )


def _used(call: ToolCall) -> ToolUseBlock:
    return ToolUseBlock(id=call.id, name=call.name, input=orjson.loads(call.arguments_json or "{}"))


def _usage(usage: TokenUsage) -> MessageUsage:
    return MessageUsage(
        input_tokens=max(0, usage.prompt_tokens - usage.cached_tokens),
        output_tokens=usage.completion_tokens,
        cache_read_input_tokens=usage.cached_tokens,
    )


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


class MessageEncoder:
    """Writes the events of one run as typed events; see `streaming.Encoder`.

    Args:
        model: What the caller has asked for; the model that answers is known at the end.
    """

    def __init__(self, model: str) -> None:
        self.run_id = ""
        self.media_type = EVENT_STREAM
        self.keep_alive = _event("ping")
        self._model = model
        self._sent = AppendOnly()
        self._in_text = False

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The events for one event of the run.

        Raises:
            AnswerRestarted: The answer has become another one than what was sent.
        """
        match event:
            case Started(run_id):
                self.run_id = run_id
                return [self._start()]
            case Progress():
                return [self.keep_alive]
            case Delta() | Reset():
                text = self._sent.take(event)
                return self._said(text) if text else []
            case Completed(response):
                self._sent.end()
                return self._end(response)

    def failed(self, error: OloError) -> list[bytes]:
        """The event of an error."""
        return [b"event: error\ndata: " + orjson.dumps(error_body(Dialect.ANTHROPIC, error)) + b"\n\n"]

    def ended(self) -> list[bytes]:
        """Nothing: the last event was the end."""
        return []

    def _start(self) -> bytes:
        message = Message(
            id=_MESSAGE + self.run_id,
            model=self._model,
            content=[],
            stop_reason=None,
            usage=MessageUsage(input_tokens=0, output_tokens=0, cache_read_input_tokens=0),
        )
        return _event("message_start", message=message.model_dump(exclude={"olo"}))

    def _said(self, text: str) -> list[bytes]:
        """The next piece of the text, which is the first block."""
        begun = [] if self._in_text else [_begin(0, TextBlock(text=""))]
        self._in_text = True
        return [*begun, _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})]

    def _end(self, response: ChatResponse) -> list[bytes]:
        events = [_event("content_block_stop", index=0)] if self._in_text else []
        for number, call in enumerate(response.message.tool_calls, start=int(self._in_text)):
            events.append(_begin(number, ToolUseBlock(id=call.id, name=call.name, input={})))
            delta = {"type": "input_json_delta", "partial_json": call.arguments_json or "{}"}
            events.append(_event("content_block_delta", index=number, delta=delta))
            events.append(_event("content_block_stop", index=number))
        message = message_of(response)
        reason = {"stop_reason": message.stop_reason, "stop_sequence": None}
        events.append(_event("message_delta", delta=reason, usage=message.usage.model_dump(), olo=message.olo))
        return [*events, _event("message_stop")]


def _begin(number: int, block: TextBlock | ToolUseBlock) -> bytes:
    return _event("content_block_start", index=number, content_block=block.model_dump())
