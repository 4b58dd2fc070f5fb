"""An engine without a model: each token is one byte, and every answer is the one that was given to it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from olo_common.errors import InvalidField
from olo_llm_worker.generation.engine import EngineInfo, OnToken
from olo_llm_worker.generation.types import Decoding, Message, Sampling

_ANSWER_BEGINS: Final = 256
"""The one control token: it ends the prompt, so that a resumed prefix can be told from it."""


class FakeEngine:
    """Answers `answer`, or what is left of it after a prefix.

    With `stepwise`, each token waits for a `permit`; `close` and the end of the row release everything.
    """

    def __init__(self, answer: str = "Hello there.", *, context_limit: int = 2048, stepwise: bool = False) -> None:
        self.answer = answer.encode()
        self.dispatched: list[Decoding] = []
        self.failure: Exception | None = None
        self.closed = False
        self._context_limit = context_limit
        self._permits = threading.Semaphore(0) if stepwise else None

    @property
    def info(self) -> EngineInfo:
        """A model named fake."""
        return EngineInfo(
            name="fake",
            family="fake",
            quantization="none",
            license="Apache-2.0",
            hardware="cpu",
            context_limit=self._context_limit,
            vocabulary_size=_ANSWER_BEGINS + 1,
            control_ids=frozenset({_ANSWER_BEGINS}),
            defaults=Sampling(),
        )

    def permit(self, tokens: int = 1) -> None:
        """Lets this many tokens be generated."""
        if self._permits is not None:
            self._permits.release(tokens)

    def tokenize(self, messages: Sequence[Message]) -> list[int]:
        """One token for each byte of content, and the one that begins the answer."""
        if any(message.role == "tool" for message in messages):
            raise InvalidField("messages", "the role tool is not supported")
        return [*"".join(message.content for message in messages).encode(), _ANSWER_BEGINS]

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The bytes as UTF-8."""
        return bytes(token for token in token_ids if token < _ANSWER_BEGINS).decode(errors="replace")

    def generate(self, prompts: Sequence[Sequence[int]], decoding: Decoding, on_token: OnToken) -> None:
        """Gives the answer byte by byte, one row after the other."""
        self.dispatched.append(decoding)
        for row, prompt in enumerate(prompts):
            begin = len(prompt) - 1 - list(prompt).index(_ANSWER_BEGINS)
            for token_id in self.answer[begin : begin + decoding.max_tokens]:
                if self._permits is not None:
                    self._permits.acquire()
                if self.failure is not None:
                    raise self.failure
                if on_token(row, token_id):
                    break

    def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True
