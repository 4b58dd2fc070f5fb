"""Servers that speak the Messages protocol of Anthropic. After https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from olo_llm_worker.upstream.adapters.anthropic_stream import AnthropicStream
from olo_llm_worker.upstream.adapters.fields import parsed
from olo_llm_worker.upstream.adapters.http import Upstream
from olo_llm_worker.upstream.relay.engine import EngineFacts
from olo_llm_worker.upstream.relay.estimate import estimate_prompt
from olo_llm_worker.upstream.relay.types import Delta, Finished, TextRequest, Tool, ToolChoice, Turn

VERSION: Final = "2023-06-01"
_OPTIONS: Final = ("temperature", "top_p", "top_k")


class AnthropicEngine:
    """Generates with a model of such a server.

    Args:
        upstream: The server.
        model: Name of the model there.
        context_limit: Tokens of prompt and answer together.
    """

    def __init__(self, upstream: Upstream, *, model: str, context_limit: int) -> None:
        self._upstream = upstream
        self._facts = EngineFacts(
            name=model,
            family="anthropic",
            context_limit=context_limit,
            options=frozenset({*_OPTIONS, "stop"}),
            json_object=False,
            json_schema=False,
            highest_temperature=1.0,
        )

    @property
    def facts(self) -> EngineFacts:
        """What is served."""
        return self._facts

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta | Finished, None]:
        """Text as it comes."""
        stream, tokens = AnthropicStream(), self.count_tokens(request.turns, request.tools)
        async with aclosing(self._upstream.events("/v1/messages", self.body(request), tokens=tokens)) as events:
            async for event in events:
                said = parsed(event.data)
                if said.get("type") == "error":
                    raise self._upstream.failure(said, tokens=tokens)
                for delta in stream.feed(said):
                    yield delta
                if stream.ended:
                    break
        yield stream.finish()

    def count_tokens(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
        """An estimate."""
        return estimate_prompt(turns, tools)

    async def check(self) -> None:
        """Asks for the list of models."""
        await self._upstream.check("/v1/models")

    async def close(self) -> None:
        """Closes all connections."""
        await self._upstream.close()

    def body(self, request: TextRequest) -> dict[str, Any]:
        """The request as the protocol has it: system turns stand apart."""
        options = request.options
        body: dict[str, Any] = {
            "model": self._facts.name,
            "messages": [_message(turn) for turn in request.turns if turn.role != "system"],
            "max_tokens": options.max_tokens,
            "stream": True,
        }
        if system := "\n\n".join(turn.content for turn in request.turns if turn.role == "system"):
            body["system"] = system
        body |= {name: value for name in _OPTIONS if (value := getattr(options, name)) is not None}
        if options.stop:
            body["stop_sequences"] = list(options.stop)
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            body["tool_choice"] = _tool_choice(request.tool_choice)
        return body


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": turn.call_id, "content": turn.content}],
        }
    if not turn.calls:
        return {"role": turn.role, "content": turn.content}
    blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.content}] if turn.content else []
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in turn.calls
    ]
    return {"role": turn.role, "content": blocks}


def _tool(tool: Tool) -> dict[str, Any]:
    schema = dict(tool.parameters) or {"type": "object"}
    return {"name": tool.name, "description": tool.description, "input_schema": schema}


def _tool_choice(choice: ToolChoice) -> dict[str, str]:
    if choice.mode == "required":
        return {"type": "tool", "name": choice.name} if choice.name else {"type": "any"}
    return {"type": choice.mode}
