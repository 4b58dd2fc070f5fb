"""The engine, as the core sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from olo_llm_worker.generation.types import Decoding, Message, Sampling, Tool

END: Final = -1
"""Given instead of a token id when the model ends a row."""
AGAIN: Final = -2
"""Given instead of a token id when the engine lets go of a row that has not ended: it wants to read it again."""

CAPABILITIES: Final = ("json_object", "json_schema", "logprobs", "n", "tools")
"""What can be asked of every engine beside plain text."""


class Listener(Protocol):
    """Hears of a batch while it is generated, in an engine's thread."""

    def began(self, *, cached: bool) -> None:
        """Called before the first token: whether the static prompt was there already."""

    def token(self, row: int, token_id: int, logprob: float) -> bool:
        """Called for each generated token, and with `END` where the model ends a row; True ends the row.

        After `AGAIN` nothing more comes for the row in this batch. The logprob is 0 where none was asked for.
        """


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine serves. `defaults` holds where a request says nothing."""

    name: str
    family: str
    quantization: str
    license: str
    hardware: str
    context_limit: int
    vocabulary_size: int
    control_ids: frozenset[int]
    defaults: Sampling
    compute_type: str = "unknown"
    tool_format: str = "hermes"
    """How the model writes tool calls: hermes, llama or mistral."""
    templated_tools: bool = False
    """Whether the chat template renders tools, calls and their results itself."""
    capabilities: tuple[str, ...] = CAPABILITIES
    """What can be asked for beside plain text."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are generated together.

    Args:
        prompts: Token ids of each row, without the static prompt; none is empty.
        decoding: The options of all rows.
        max_tokens: Tokens after which the longest row ends at the latest.
        static_prompt: What all prompts begin with, worth keeping computed; empty: nothing.
        answered: How many tokens at the end of each prompt are of the answer already; empty: none of any.
    """

    prompts: tuple[tuple[int, ...], ...]
    decoding: Decoding
    max_tokens: int
    static_prompt: tuple[int, ...] = ()
    answered: tuple[int, ...] = ()


class Engine(Protocol):
    """Generates text. All methods may be called from several threads at once."""

    @property
    def info(self) -> EngineInfo:
        """What is served."""

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt, ready for the answer to begin. Text of messages never acts as a control token.

        Raises:
            InvalidField: The chat template does not accept the messages.
        """

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens; incomplete code points show as U+FFFD."""

    def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Makes sure that an answer can be held to this JSON Schema, behind these tokens of it.

        Raises:
            InvalidField: The schema cannot be turned into masks, or forbids the tokens.
        """

    def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row; returns when all have ended. Blocks.

        A row ends with a stop token, with `max_tokens`, or when the listener says so. Where `decoding` has a schema
        there is one row, and each of its tokens is one that the schema allows.

        Raises:
            ModelUnavailable: The engine has failed.
        """

    def close(self) -> None:
        """Frees the model. Nothing may run any more."""
