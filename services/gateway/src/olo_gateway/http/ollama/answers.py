"""Answers in the Ollama dialect: whole, and as lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import FINISH_REASON_LENGTH, TokenLogprob, ToolCall
from olo_common.durations import seconds_of
from olo_common.errors import OloError
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.http.answers import bytes_of, details_of
from olo_gateway.http.errors import Dialect, error_body
from olo_gateway.http.ollama.errors import LINES
from olo_gateway.http.ollama.names import now
from olo_gateway.streaming.append_only import AppendOnly
from olo_gateway.streaming.events import Delta, Reset

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the text of an answer stands: `message.content` for chats, else `response`.

    Args:
        chat: Whether it is the answer to a conversation.
        name: The model, as the caller has written it.
    """

    chat: bool
    name: str

    def part(self, text: str, calls: Sequence[ToolCall] = ()) -> dict[str, Any]:
        """A piece of an answer, as it goes into a line."""
        if not self.chat:
            return {"model": self.name, "created_at": now(), "response": text, "done": False}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        return {"model": self.name, "created_at": now(), "message": message, "done": False}

    def whole(self, response: ChatResponse) -> dict[str, Any]:
        """A whole answer, with what it has cost."""
        return self.part(response.message.content, response.message.tool_calls) | _end(response)

    def last(self, response: ChatResponse) -> dict[str, Any]:
        """The end of an answer that was sent before, with what it has cost."""
        return self.part("") | _end(response)

    def loaded(self) -> dict[str, Any]:
        """The answer to who asks for no text: the model is in the memory of a worker."""
        return {**self.part(""), "done": True, "done_reason": "load"}


def _end(response: ChatResponse) -> dict[str, Any]:
    total = seconds_of(response.timings.total)
    engine = max(0.0, seconds_of(response.timings.generate) - seconds_of(response.timings.queue))
    told: dict[str, Any] = {
        "done": True,
        # The dialect has no word for calls of tools: to it, they are an end like any other.
        "done_reason": "length" if response.finish_reason == FINISH_REASON_LENGTH else "stop",
        "total_duration": round(total * _NANOSECONDS),
        "load_duration": round(max(0.0, total - engine) * _NANOSECONDS),
        "prompt_eval_count": response.usage.prompt_tokens,
        "eval_count": response.usage.completion_tokens,
        "eval_duration": round(engine * _NANOSECONDS),
        "olo": details_of(response).model_dump(),
    }
    if response.logprobs:
        told["logprobs"] = list(map(_logprob, response.logprobs))
    return told


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    told: dict[str, Any] = {"token": token.text, "logprob": token.logprob, "bytes": bytes_of(token.text)}
    return told | ({"top_logprobs": list(map(_logprob, token.top))} if token.top else {})


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": call.name, "arguments": orjson.loads(call.arguments_json or "{}")}}


def line(value: dict[str, Any]) -> bytes:
    """One line."""
    return orjson.dumps(value) + b"\n"


class LineEncoder:
    """Writes the events of one run as lines; see `streaming.Encoder`.

    Args:
        shape: Where the text stands.
    """

    def __init__(self, shape: Shape) -> None:
        self.run_id = ""
        self.media_type = LINES
        # The dialect has no comments, and clients read every line: a piece without text fills a silence.
        self.keep_alive = line(shape.part(""))
        self._shape = shape
        self._sent = AppendOnly()

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The lines of one event.

        Raises:
            AnswerRestarted: The answer has become another one than what was sent.
        """
        match event:
            case Started(run_id):
                self.run_id = run_id
                return []
            case Progress():
                return [self.keep_alive]
            case Delta() | Reset():
                text = self._sent.take(event)
                return [line(self._shape.part(text))] if text else []
            case Completed(response):
                self._sent.end()
                calls = response.message.tool_calls
                called = [line(self._shape.part("", calls))] if calls else []
                return [*called, line(self._shape.last(response))]

    def failed(self, error: OloError) -> list[bytes]:
        """The line of an error."""
        return [line(error_body(Dialect.OLLAMA, error))]

    def ended(self) -> list[bytes]:
        """Nothing: the last line was the end."""
        return []
