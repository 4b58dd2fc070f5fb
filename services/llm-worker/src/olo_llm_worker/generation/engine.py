"""The engine, as the core sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from olo_llm_worker.generation.types import Decoding, Message, Sampling

OnToken = Callable[[int, int], bool]
"""Called in the engine's thread with (row, token id) for each generated token; True ends that row."""


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


class Engine(Protocol):
    """Generates text. All methods may be called from several threads at once."""

    @property
    def info(self) -> EngineInfo:
        """What is served."""

    def tokenize(self, messages: Sequence[Message]) -> list[int]:
        """The token ids of the prompt, ready for the answer to begin. Text of messages never acts as a control token.

        Raises:
            InvalidField: The chat template does not accept the messages.
        """

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens; incomplete code points show as U+FFFD."""

    def generate(self, prompts: Sequence[Sequence[int]], decoding: Decoding, on_token: OnToken) -> None:
        """Generates one answer for each prompt; returns when all rows have ended. Blocks.

        A row ends with a stop token (for which `on_token` is not called), with `decoding.max_tokens`, or when
        `on_token` says so.

        Raises:
            ModelUnavailable: The engine has failed.
        """

    def close(self) -> None:
        """Frees the model. Nothing may run any more."""
