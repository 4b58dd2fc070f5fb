"""The typed events of a message, put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from olo_llm_worker.upstream.adapters.fields import count, finished_calls, mapping, raw_text, text
from olo_llm_worker.upstream.errors import UpstreamBroken, UpstreamWithheld
from olo_llm_worker.upstream.relay.types import Call, Delta, Finish, Finished, Usage

_FINISH: Final = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "tool_use": Finish.TOOL_CALLS,
}
_PROMPT_COUNTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MOST_CALLS: Final = 128


class AnthropicStream:
    """Takes events, gives text, and in the end how it ended. Kinds of events that it does not know pass by."""

    def __init__(self) -> None:
        self.ended = False
        self._stop: str | None = None
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self._calls: dict[int, Call] = {}

    def feed(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        """Takes the next event.

        Raises:
            UpstreamBroken: It holds more calls of tools than can be meant.
        """
        match event.get("type"):
            case "message_start":
                self._count(mapping(mapping(event.get("message")).get("usage")))
            case "content_block_start":
                yield from self._begin(count(event.get("index")), mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._continue(count(event.get("index")), mapping(event.get("delta")))
            case "message_delta":
                self._stop = text(mapping(event.get("delta")).get("stop_reason")) or self._stop
                self._count(mapping(event.get("usage")))
            case "message_stop":
                self.ended = True

    def finish(self) -> Finished:
        """How it ended.

        Raises:
            UpstreamBroken: It did not, or for a reason that is not known.
            UpstreamWithheld: The upstream does not give out the answer.
        """
        if self._stop == "refusal":
            raise UpstreamWithheld
        reason = _FINISH.get(self._stop or "")
        if not self.ended or reason is None:
            raise UpstreamBroken("the server of the model broke off before the answer was complete")
        calls = [self._calls[number] for number in sorted(self._calls)]
        usage = Usage(self._prompt_tokens, self._completion_tokens)
        return Finished(reason, usage, finished_calls(calls, cut=reason is Finish.LENGTH))

    def _begin(self, number: int, block: Mapping[str, Any]) -> Iterator[Delta]:
        if block.get("type") == "tool_use":
            if len(self._calls) >= _MOST_CALLS:
                raise UpstreamBroken("the server of the model calls more tools than can be meant")
            self._calls[number] = Call(text(block.get("id")), text(block.get("name")), "")
        elif block.get("type") == "text" and (begin := raw_text(block.get("text"))):
            yield Delta(begin)

    def _continue(self, number: int, delta: Mapping[str, Any]) -> Iterator[Delta]:
        if delta.get("type") == "text_delta" and (more := raw_text(delta.get("text"))):
            yield Delta(more)
        elif delta.get("type") == "input_json_delta" and (call := self._calls.get(number)):
            self._calls[number] = Call(call.id, call.name, call.arguments + text(delta.get("partial_json")))

    def _count(self, usage: Mapping[str, Any]) -> None:
        """Counts are totals: later ones take the place of earlier ones."""
        self._prompt_tokens = sum(count(usage.get(name)) for name in _PROMPT_COUNTS) or self._prompt_tokens
        self._completion_tokens = count(usage.get("output_tokens")) or self._completion_tokens
