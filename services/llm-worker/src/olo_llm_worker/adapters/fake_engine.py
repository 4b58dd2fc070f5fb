"""An engine without a model: each token is one byte, and every answer is the one that was given to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from olo_common.errors import InvalidField
from olo_llm_worker.generation.engine import END, Batch, EngineInfo, Listener
from olo_llm_worker.generation.types import Message, Sampling, Tool

_ANSWER_BEGINS: Final = 256
"""The one control token: it ends the prompt, so that a resumed prefix can be told from it."""


class FakeEngine:
    """Answers `answer`, or what is left of it after a prefix; all rows of a batch in step.

    With `stepwise`, each token waits for a `permit`; `close` and the end of the row release everything. A function
    gives each prompt an answer of its own.
    """

    def __init__(
        self,
        answer: str | Callable[[str], str] = "Hello there.",
        *,
        context_limit: int = 2048,
        stepwise: bool = False,
    ) -> None:
        self.answer = answer
        self.dispatched: list[Batch] = []
        self.failure: Exception | None = None
        self.closed = False
        self._context_limit = context_limit
        self._permits = threading.Semaphore(0) if stepwise else None
        self._static: set[tuple[int, ...]] = set()

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

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """One token for each byte of content, and the one that begins the answer."""
        if any(message.role == "tool" for message in messages):
            raise InvalidField("messages", "the role tool is not supported")
        return [*"".join(message.content for message in messages).encode(), _ANSWER_BEGINS]

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The bytes as UTF-8."""
        return bytes(token for token in token_ids if token < _ANSWER_BEGINS).decode(errors="replace")

    def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Never asked: this engine does not say that it masks tokens."""
        raise NotImplementedError

    def generate(self, batch: Batch, listener: Listener) -> None:
        """Gives the answers byte by byte."""
        self.dispatched.append(batch)
        listener.began(cached=batch.static_prompt in self._static)
        if batch.static_prompt:
            self._static.add(batch.static_prompt)
        rest = {row: self._rest([*batch.static_prompt, *prompt]) for row, prompt in enumerate(batch.prompts)}
        for step in range(batch.max_tokens):
            for row, answer in list(rest.items()):
                if step < len(answer) and self._permits is not None:
                    self._permits.acquire()
                if self.failure is not None:
                    raise self.failure
                if listener.token(row, answer[step] if step < len(answer) else END, 0.0) or step >= len(answer):
                    del rest[row]

    def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True

    def _rest(self, prompt: list[int]) -> bytes:
        begins = prompt.index(_ANSWER_BEGINS)
        question = bytes(prompt[:begins]).decode(errors="replace")
        answer = self.answer if isinstance(self.answer, str) else self.answer(question)
        return answer.encode()[len(prompt) - 1 - begins :]
