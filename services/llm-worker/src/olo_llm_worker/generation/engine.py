"""The engine, as the core sees it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from olo_llm_worker.generation.types import Decoding, Message, Sampling, Tool

END: Final = -1
"""Given instead of a token id when the model ends a row."""
AGAIN: Final = -2
"""Given instead of a token id when the engine lets go of a row that has not ended: it wants to read it again."""

_SCORES_BYTES: Final = 64 * 1024 * 1024

CAPABILITIES: Final = ("json_object", "json_schema", "logprobs", "n", "tools")
"""What can be asked of every engine beside plain text."""

Token = tuple[int, int, float]
"""Number of the row, token id, `END` or `AGAIN`, and logprob: 0 where none was asked for."""
Top = tuple[tuple[int, float], ...]
"""The likeliest token ids at a place with their logprobs, the likeliest first."""


class Listener(Protocol):
    """Hears of a batch while it is generated, on the event loop."""

    def began(self, *, cached: bool) -> None:
        """Called before the first token: whether the static prompt was there already."""

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> Collection[int]:
        """Takes the next tokens, of one step or of several; returns the rows that are to end before they have to.

        Where `decoding.top_logprobs` asks for them there are `tops`, one for each token.
        Such a row gives no more tokens. One that has ended by itself need not be named, nor one that was given `AGAIN`.
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
    batch_tokens: int = 0
    """Tokens of prompts and answers that a batch may hold in the memory of the device; 0: any number."""
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
        limits: Tokens after which each row ends at the latest.
        static_prompt: What all prompts begin with, worth keeping computed; empty: nothing.
        answered: Tokens at the end of the one prompt of a batch with a schema that are of the answer already.
    """

    prompts: tuple[tuple[int, ...], ...]
    decoding: Decoding
    limits: tuple[int, ...]
    static_prompt: tuple[int, ...] = ()
    answered: int = 0


class Engine(Protocol):
    """Generates text.

    `tokenize`, `tokenize_text`, `detokenize` and `spell` may be called in any thread, all else on one event loop.
    """

    @property
    def info(self) -> EngineInfo:
        """What is served."""

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt, ready for the answer to begin. Text of messages never acts as a control token.

        Raises:
            InvalidField: The chat template does not accept the messages.
        """

    def tokenize_text(self, text: str) -> list[int]:
        """The token ids of a text by itself, none of them a control token."""

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens; incomplete code points show as U+FFFD."""

    def spell(self, token_id: int) -> str:
        """The text of a token; a control token by its name."""

    async def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Makes sure that an answer can be held to this JSON Schema, behind these tokens of it.

        Raises:
            InvalidField: The schema cannot be turned into masks, or forbids the tokens.
            EngineLost: The engine has died meanwhile.
            ModelUnavailable: The engine has failed with the schema alone, or had died before.
        """

    async def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row; returns when all have ended. Not to be cancelled: rows are ended instead.

        A row ends with a stop token, at its limit, or when the listener says so. Where `decoding` is solitary there is
        one row. With a schema each of its tokens is one that the schema allows.

        Raises:
            EngineLost: The engine has died with the batch in it; it is of no use any more.
            ModelUnavailable: The engine has failed with the batch alone, or had died before.
        """

    async def lost(self) -> None:
        """Waits until the engine has died, or was closed."""

    async def close(self) -> None:
        """Frees the model. Nothing may run any more."""


def steps_at_once(vocabulary_size: int) -> int:
    """Tokens of a solitary row that one call may generate: the engine keeps the scores of all until it returns."""
    return max(1, _SCORES_BYTES // (4 * vocabulary_size))
