"""The part of a generation that runs in a thread of its own: engine steps in, progress out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from olo_llm_worker.generation.engine import Engine
from olo_llm_worker.generation.generation import Generation
from olo_llm_worker.generation.transcript import Transcript
from olo_llm_worker.generation.types import Decoding, Finish


class Decode:
    """From dispatch to the end: `run` is called in a thread, all else after it on the loop."""

    def __init__(
        self,
        engine: Engine,
        generation: Generation,
        prompt: list[int],
        decoding: Decoding,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._generation = generation
        self._prompt = prompt
        self._decoding = decoding
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._transcript = Transcript(engine.detokenize, generation.job.sampling.stop)
        self.started = self._ended = clock()
        self._first_token: float | None = None

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer, the prefix included."""
        return self._transcript.tokens

    @property
    def stopped_by_string(self) -> bool:
        """Whether a stop string ended the answer."""
        return self._transcript.stopped

    @property
    def first_token_seconds(self) -> float:
        """Seconds from dispatch to the first token; to the end where there was none."""
        return (self._ended if self._first_token is None else self._first_token) - self.started

    @property
    def seconds(self) -> float:
        """Seconds from dispatch to the end."""
        return self._ended - self.started

    def run(self) -> Finish:
        """Generates to the end. Raises what the engine raises."""
        prefix = list(self._generation.job.prefix_token_ids)[: self._decoding.max_tokens]
        self._resume(prefix)
        room = self._decoding.max_tokens - len(prefix)
        if room > 0 and not self._transcript.stopped and not self._generation.stopping:
            decoding = replace(self._decoding, max_tokens=room)
            self._engine.generate([[*self._prompt, *prefix]], decoding, self._on_token)
        self._report([], self._transcript.finish())
        self._ended = self._clock()
        reached = self._transcript.tokens >= self._decoding.max_tokens
        return Finish.LENGTH if reached and not self._transcript.stopped else Finish.STOP

    def _resume(self, prefix: list[int]) -> None:
        if prefix:
            self._report(prefix, "".join([self._transcript.feed(token_id) for token_id in prefix]))

    def _on_token(self, _: int, token_id: int) -> bool:
        if self._generation.stopping:
            return True
        if self._first_token is None:
            self._first_token = self._clock()
        self._report([token_id], self._transcript.feed(token_id))
        return self._transcript.stopped

    def _report(self, token_ids: list[int], text: str) -> None:
        if token_ids or text:
            self._loop.call_soon_threadsafe(self._generation.accept, token_ids, text)
