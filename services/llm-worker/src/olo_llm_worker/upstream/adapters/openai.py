"""Servers that speak the chat completions protocol of OpenAI: vLLM, llama.cpp, Ollama, OpenRouter, OpenAI itself.

After https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal

from olo_llm_worker.upstream.adapters.fields import parsed
from olo_llm_worker.upstream.adapters.http import Upstream
from olo_llm_worker.upstream.adapters.openai_stream import OpenAIStream
from olo_llm_worker.upstream.relay.engine import EngineFacts
from olo_llm_worker.upstream.relay.estimate import estimate_prompt
from olo_llm_worker.upstream.relay.types import Delta, Finished, Options, TextRequest, Tool, Turn

_OPTIONS: Final = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")
_EXTENSIONS: Final = ("top_k", "min_tokens", "repetition_penalty")
_DONE: Final = "[DONE]"


class OpenAIEngine:
    """Generates with a model of such a server.

    Args:
        upstream: The server.
        model: Name of the model there.
        context_limit: Tokens of prompt and answer together.
        extensions: Whether it understands top_k, min_tokens and repetition_penalty.
        max_tokens_field: How it names the longest answer.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        model: str,
        context_limit: int,
        extensions: bool = False,
        max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    ) -> None:
        self._upstream = upstream
        self._options = _OPTIONS + (_EXTENSIONS if extensions else ())
        self._max_tokens_field = max_tokens_field
        self._facts = EngineFacts(
            name=model,
            family="openai",
            context_limit=context_limit,
            options=frozenset({*self._options, "stop", "logprobs", "top_logprobs", "logit_bias"}),
            json_object=True,
            json_schema=True,
        )

    @property
    def facts(self) -> EngineFacts:
        """What is served."""
        return self._facts

    async def generate(self, request: TextRequest) -> AsyncGenerator[Delta | Finished, None]:
        """Text as it comes."""
        stream, tokens = OpenAIStream(), self.count_tokens(request.turns, request.tools)
        async with aclosing(self._upstream.events("/chat/completions", self.body(request), tokens=tokens)) as events:
            async for event in events:
                if event.data == _DONE:
                    break
                chunk = parsed(event.data)
                if chunk.get("error"):
                    raise self._upstream.failure(chunk, tokens=tokens)
                for delta in stream.feed(chunk):
                    yield delta
        yield stream.finish()

    def count_tokens(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
        """An estimate."""
        return estimate_prompt(turns, tools)

    async def check(self) -> None:
        """Asks for the list of models."""
        await self._upstream.check("/models")

    async def close(self) -> None:
        """Closes all connections."""
        await self._upstream.close()

    def body(self, request: TextRequest) -> dict[str, Any]:
        """The request as the protocol has it."""
        options = request.options
        body: dict[str, Any] = {
            "model": self._facts.name,
            "messages": [_message(turn) for turn in request.turns],
            "stream": True,
            "stream_options": {"include_usage": True},
            self._max_tokens_field: options.max_tokens,
        }
        body |= _said(options, self._options)
        if options.stop:
            body["stop"] = list(options.stop)
        if options.logprobs:
            body["logprobs"] = True
        if options.top_logprobs:
            body["top_logprobs"] = options.top_logprobs
        if options.logit_bias:
            body["logit_bias"] = {str(token_id): bias for token_id, bias in options.logit_bias}
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
            body["tool_choice"] = _tool_choice(request)
        if request.schema is not None:
            schema = {"name": "answer", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif request.json_object:
            body["response_format"] = {"type": "json_object"}
        return body


def _said(options: Options, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.name:
        message["name"] = turn.name
    if turn.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in turn.calls
        ]
    if turn.role == "tool":
        message["tool_call_id"] = turn.call_id
    return message


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _tool_choice(request: TextRequest) -> Any:
    choice = request.tool_choice
    if choice.mode == "required" and choice.name:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode
