"""One answer in the making, as the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from olo_llm_worker.generation.engine import Top
from olo_llm_worker.generation.transcript import Transcript
from olo_llm_worker.generation.types import Choice, Decoding, Finish, TokenLogprob


class Row:
    """Waits, is in the engine, waits again where its time slice is over, and ends once.

    Args:
        prompt: Token ids of the whole prompt.
        static: Tokens of the prompt that the engine may keep computed; the rest is never empty.
        decoding: Its options.
        max_tokens: Longest answer, a resumed prefix included.
        stops: Stop strings.
        detokenize: The text of tokens.
        spell: The text of a token that might have been chosen.
        changed: Called when there is more text, or the end.
        party: What it belongs to: rows of one party may be in the engine where others may not.
    """

    def __init__(
        self,
        prompt: Sequence[int],
        static: tuple[int, ...],
        decoding: Decoding,
        *,
        max_tokens: int,
        stops: Sequence[str],
        detokenize: Callable[[Sequence[int]], str],
        spell: Callable[[int], str],
        changed: Callable[[], None],
        party: object = None,
    ) -> None:
        self.key = (static, decoding, id(self) if decoding.solitary else None)
        self.static = static
        self.decoding = decoding
        self.max_tokens = max_tokens
        self.cost = len(prompt) + max_tokens
        self.exact = decoding.positional
        self.arrived = 0.0
        """When it began to wait, for the first time or again."""
        self.began: float | None = None
        self.first_token: float | None = None
        self.cached_tokens = 0
        self.waiting = True
        self.ended = False
        """True ends the row at its next step in the engine."""
        self.spoken = asyncio.Event()
        """The engine has given it a token, or it has ended."""
        self.party = party
        self.outcome: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()
        self._rest = tuple(prompt[len(static) :])
        self._transcript = Transcript(detokenize, stops)
        self._detokenize = detokenize
        self._spell = spell
        self._changed = changed
        self._read = 0
        self._resumed = 0
        self._logprobs: list[float] = []
        self._tops: list[Top] = []
        self._told: list[TokenLogprob] = []
        self._told_read = 0

    @property
    def token_ids(self) -> list[int]:
        """Tokens of the answer so far."""
        return self._transcript.token_ids

    @property
    def text(self) -> str:
        """The answer so far."""
        return self._transcript.text()[0]

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._transcript.stopped

    @property
    def length(self) -> int:
        """Tokens that the engine has to read in."""
        return len(self._rest) + len(self.token_ids)

    @property
    def room(self) -> int:
        """Tokens that may still be generated."""
        return self.max_tokens - len(self.token_ids)

    def tokens_to_read(self) -> tuple[int, ...]:
        """What the engine has to read in behind the static prompt."""
        return (*self._rest, *self.token_ids)

    def resume(self, token_ids: Sequence[int]) -> None:
        """Takes tokens of an earlier attempt; ends the answer where it is complete."""
        if token_ids:
            self._take(token_ids)
            self._resumed = len(self.token_ids)

    def accept(self, token_ids: Sequence[int], logprobs: Sequence[float], now: float, tops: Sequence[Top] = ()) -> None:
        """Takes generated tokens; ends the answer where it is complete."""
        if self.outcome.done() or not token_ids:
            return
        if self.first_token is None:
            self.first_token = now
        self.spoken.set()
        self._logprobs += logprobs
        self._tops += tops
        self._take(token_ids)

    def _take(self, token_ids: Sequence[int]) -> None:
        self._transcript.feed(token_ids)
        if self.stopped:
            self.end(Finish.STOP)
        elif self.room <= 0:
            self.end(Finish.LENGTH)
        else:
            self._changed()

    def end(self, finish: Finish) -> None:
        """Ends the answer."""
        if self.outcome.done():
            return
        self._transcript.finish()
        self.ended, self.waiting = True, False
        self.spoken.set()
        self.outcome.set_result(Finish.STOP if self.stopped else finish)
        self._changed()

    def fail(self, error: BaseException) -> None:
        """Ends the answer with an error."""
        self.ended, self.waiting = True, False
        self.spoken.set()
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def abandon(self) -> None:
        """Nobody wants the answer any more."""
        self.ended, self.waiting = True, False
        self.spoken.set()
        self.outcome.cancel()

    def unread(self) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Text and log probabilities since the last call."""
        text, self._read = self._transcript.text(self._read)
        self._tell()
        logprobs = tuple(self._told[self._told_read :])
        self._told_read += len(logprobs)
        return text, logprobs

    def choice(self) -> Choice:
        """The finished answer."""
        self._tell()
        return Choice(self.text, self.outcome.result(), tuple(self._told))

    def _tell(self) -> None:
        """Spells the tokens that came since the last call. Those of a resumed prefix come without probability."""
        if not self.decoding.logprobs:
            return
        begin = self._resumed + len(self._told)
        # Tokens behind a stop string were given by the engine, and are no part of the answer.
        for number, token_id in enumerate(self.token_ids[begin:], len(self._told)):
            tops = self._tops[number] if self._tops else ()
            top = tuple(TokenLogprob(self._spell(each), logprob) for each, logprob in tops)
            self._told.append(TokenLogprob(self._detokenize([token_id]), self._logprobs[number], top))
