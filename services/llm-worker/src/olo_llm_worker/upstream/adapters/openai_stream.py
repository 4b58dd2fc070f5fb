"""The chunks of a chat completion, put together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from olo_llm_worker.upstream.adapters.fields import count, finished_calls, items, mapping, raw_text, text
from olo_llm_worker.upstream.errors import UpstreamBroken, UpstreamWithheld
from olo_llm_worker.upstream.relay.types import Call, Delta, Finish, Finished, Logprob, Usage

_FINISH: Final = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
}
_MOST_CALLS: Final = 128
_MOST_TOPS: Final = 20


class OpenAIStream:
    """Takes chunks, gives text, and in the end how it ended."""

    def __init__(self) -> None:
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._calls: dict[int, Call] = {}

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        """Takes the next chunk.

        Raises:
            UpstreamBroken: It holds more calls of tools than can be meant.
        """
        if usage := mapping(chunk.get("usage")):
            self._usage = Usage(count(usage.get("prompt_tokens")), count(usage.get("completion_tokens")))
        for choice in items(chunk.get("choices"))[:1]:
            delta = mapping(choice.get("delta"))
            content = raw_text(delta.get("content"))
            logprobs = tuple(_logprobs(mapping(choice.get("logprobs")).get("content")))
            if content or logprobs:
                yield Delta(content, logprobs)
            for call in items(delta.get("tool_calls")):
                self._add(call)
            self._finish = text(choice.get("finish_reason")) or self._finish

    def finish(self) -> Finished:
        """How it ended.

        Raises:
            UpstreamBroken: It did not.
            UpstreamWithheld: The upstream does not give out the answer.
        """
        if self._finish is None:
            raise UpstreamBroken("the server of the model broke off before the answer was complete")
        if self._finish == "content_filter":
            raise UpstreamWithheld
        reason = _FINISH.get(self._finish, Finish.STOP)
        calls = [self._calls[number] for number in sorted(self._calls)]
        whole = finished_calls(calls, cut=reason is Finish.LENGTH)
        # Some servers say `stop` where they call a tool.
        return Finished(Finish.TOOL_CALLS if whole and reason is Finish.STOP else reason, self._usage, whole)

    def _add(self, fragment: Mapping[str, Any]) -> None:
        number, function = count(fragment.get("index")), mapping(fragment.get("function"))
        before = self._calls.get(number, Call("", "", ""))
        if number not in self._calls and len(self._calls) >= _MOST_CALLS:
            raise UpstreamBroken("the server of the model calls more tools than can be meant")
        self._calls[number] = Call(
            before.id or text(fragment.get("id")),
            before.name or text(function.get("name")),
            before.arguments + text(function.get("arguments")),
        )


def _logprobs(said: Any) -> Iterator[Logprob]:
    for token in items(said):
        for told in _told([token]):
            yield replace(told, top=tuple(_told(items(token.get("top_logprobs"))[:_MOST_TOPS])))


def _told(tokens: Sequence[Mapping[str, Any]]) -> Iterator[Logprob]:
    for token in tokens:
        value = token.get("logprob")
        if isinstance(value, int | float) and math.isfinite(value):
            yield Logprob(text(token.get("token")), float(value))
