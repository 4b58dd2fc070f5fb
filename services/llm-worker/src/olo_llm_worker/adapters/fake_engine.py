"""An engine without a model: each token is one byte, and every answer is the one that was given to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from olo_common.errors import InvalidField
from olo_llm_worker.errors import EngineLost, ModelUnavailable
from olo_llm_worker.generation.engine import CAPABILITIES, END, Batch, EngineInfo, Listener
from olo_llm_worker.generation.types import Message, Sampling, Tool

_ANSWER_BEGINS: Final = 256
"""The one control token: it ends the prompt, so that a resumed prefix can be told from it."""


class FakeEngine:
    """Answers `answer`, or what is left of it after a prefix; all rows of a batch in step.

    With `stepwise`, each token waits for a `permit`. A function
    gives each prompt an answer of its own.
    """

    def __init__(
        self,
        answer: str | Callable[[str], str] = "Hello there.",
        *,
        context_limit: int = 2048,
        stepwise: bool = False,
        batch_tokens: int = 0,
    ) -> None:
        self.answer = answer
        self.dispatched: list[Batch] = []
        self.failure: Exception | None = None
        self.closed = False
        self._context_limit = context_limit
        self._batch_tokens = batch_tokens
        self._permits = asyncio.Semaphore(0) if stepwise else None
        self._lost = asyncio.Event()
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
            batch_tokens=self._batch_tokens,
            capabilities=(*CAPABILITIES, "top_logprobs"),
        )

    def permit(self, tokens: int = 1) -> None:
        """Lets this many tokens be generated."""
        if self._permits is not None:
            for _ in range(tokens):
                self._permits.release()

    def die(self) -> None:
        """Is lost: batches fail at their next step."""
        self._lost.set()
        self.failure = EngineLost()

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """One token for each byte of content, and the one that begins the answer."""
        if any(message.role == "tool" for message in messages):
            raise InvalidField("messages", "the role tool is not supported")
        return [*"".join(message.content for message in messages).encode(), _ANSWER_BEGINS]

    def tokenize_text(self, text: str) -> list[int]:
        """One token for each byte."""
        return list(text.encode())

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The bytes as UTF-8."""
        return bytes(token for token in token_ids if token < _ANSWER_BEGINS).decode(errors="replace")

    def spell(self, token_id: int) -> str:
        """The byte as UTF-8."""
        return self.detokenize([token_id])

    async def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Never asked: this engine does not say that it masks tokens."""
        raise NotImplementedError

    async def generate(self, batch: Batch, listener: Listener) -> None:
        """Gives the answers byte by byte."""
        if self._lost.is_set():
            raise ModelUnavailable("the engine has died before", retry_after=1.0)
        self.dispatched.append(batch)
        listener.began(cached=batch.static_prompt in self._static)
        if batch.static_prompt:
            self._static.add(batch.static_prompt)
        rest = {row: self._rest([*batch.static_prompt, *prompt]) for row, prompt in enumerate(batch.prompts)}
        for step in range(max(batch.limits)):
            await asyncio.sleep(0)
            for row, answer in list(rest.items()):
                if step < len(answer) and self._permits is not None:
                    await self._permits.acquire()
                if self.failure is not None:
                    raise self.failure
                token_id = answer[step] if step < len(answer) else END
                # To it, the bytes that follow are ever less likely.
                top = tuple(((token_id + place) % 256, -float(place)) for place in range(batch.decoding.top_logprobs))
                early = listener.tokens([(row, token_id, 0.0)], [top] if top else [])
                if early or step >= len(answer) or step + 1 >= batch.limits[row]:
                    del rest[row]

    async def lost(self) -> None:
        """Waits for `die` or `close`."""
        await self._lost.wait()

    async def close(self) -> None:
        """Remembers that it was closed."""
        self.closed = True
        self._lost.set()

    def _rest(self, prompt: list[int]) -> bytes:
        begins = prompt.index(_ANSWER_BEGINS)
        question = bytes(prompt[:begins]).decode(errors="replace")
        answer = self.answer if isinstance(self.answer, str) else self.answer(question)
        return answer.encode()[len(prompt) - 1 - begins :]
