"""A text engine, as the relay sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from olo_llm_worker.upstream.relay.types import Delta, Finished, TextRequest, Tool, Turn


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine serves, and which fields of `Options` it obeys beside max_tokens."""

    name: str
    family: str
    context_limit: int
    options: frozenset[str]
    json_object: bool
    json_schema: bool
    highest_temperature: float = 2.0
    most_stops: int = 16

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do beside plain text."""
        able = {"json_object": self.json_object, "json_schema": self.json_schema, "tools": True}
        able |= {name: name in self.options for name in ("logprobs", "top_logprobs")}
        return tuple(sorted(name for name, holds in able.items() if holds))


class TextEngine(Protocol):
    """Generates text somewhere else. Lives on one event loop."""

    @property
    def facts(self) -> EngineFacts:
        """What is served."""

    def generate(self, request: TextRequest) -> AsyncGenerator[Delta | Finished, None]:
        """Text as it comes, and at the end `Finished`, once. Closing it closes the request at the upstream.

        Raises:
            OloError: The upstream has refused, failed or broken off.
        """

    def count_tokens(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> int:
        """An estimate of the tokens of a prompt: the upstream's tokenizer is not here."""

    async def check(self) -> None:
        """Asks whether the upstream can answer.

        Raises:
            OloError: It cannot.
        """

    async def close(self) -> None:
        """Closes all connections."""
