"""One batch in the engine. A row that is found to have ended, or that makes place for others, is ended there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from olo_llm_worker.generation.engine import AGAIN, END, Batch, Engine, Token, Top
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.types import Finish

Left = Callable[[Row], None]
"""Called when a row is no longer in the engine."""


class Run:
    """Rows on their way through the engine, once.

    Args:
        rows: The rows; they share options and static prompt.
        quantum: Tokens after which a row makes place for others that wait; 0: never.
        contended: Whether others wait.
        asked_to_go: Whether a row is to make place now, however few tokens it has had.
        left: Hears of each row that leaves the engine.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        *,
        quantum: int,
        contended: Callable[[], bool],
        asked_to_go: Callable[[Row], bool],
        left: Left,
        clock: Callable[[], float],
    ) -> None:
        self._rows = list(rows)
        head = rows[0]
        self._batch = Batch(
            prompts=tuple(row.tokens_to_read() for row in rows),
            decoding=head.decoding,
            limits=tuple(row.room for row in rows),
            static_prompt=head.static,
            answered=len(head.token_ids) if head.decoding.schema else 0,
        )
        self._stays = head.decoding.positional
        self._quantum = quantum
        self._contended = contended
        self._asked_to_go = asked_to_go
        self._left = left
        self._clock = clock
        self._counts = [0] * len(rows)
        self._inside = set(range(len(rows)))
        self._cached = 0

    async def work(self, engine: Engine) -> None:
        """Generates to the end, and settles what is left then; an error of the engine ends all rows that are inside."""
        try:
            await engine.generate(self._batch, self)
        except Exception as error:
            self._settle(error)
        else:
            self._settle(None)

    def began(self, *, cached: bool) -> None:
        """Notes whether the static prompt was there."""
        self._cached = len(self._batch.static_prompt) if cached else 0

    def tokens(self, tokens: Sequence[Token], tops: Sequence[Top] = ()) -> Collection[int]:
        """Gives rows their tokens; returns those that are to end early."""
        now, told, let_go = self._clock(), dict[int, tuple[list[int], list[float], list[Top]]](), dict[int, int]()
        for place, (number, token_id, logprob) in enumerate(tokens):
            ids, logprobs, likeliest = told.setdefault(number, ([], [], []))
            if token_id in (END, AGAIN):
                let_go[number] = token_id
            else:
                ids.append(token_id)
                logprobs.append(logprob)
                likeliest += tops[place : place + 1]
        early = []
        for number, (ids, logprobs, likeliest) in told.items():
            row = self._rows[number]
            if number not in self._inside:
                continue
            row.cached_tokens = row.cached_tokens or self._cached
            row.accept(ids, logprobs, now, likeliest)
            self._counts[number] += len(ids)
            if let_go.get(number) == END:
                row.end(Finish.STOP)
            elif number in let_go or self._counts[number] >= self._batch.limits[number]:
                # The engine knows; the row has ended with its last token, or is to be read again.
                pass
            elif row.ended or self._makes_place(number):
                early.append(number)
            else:
                continue
            self._leave(number)
        return early

    def _makes_place(self, number: int) -> bool:
        if self._stays:
            return False
        return self._asked_to_go(self._rows[number]) or (
            0 < self._quantum <= self._counts[number] and self._contended()
        )

    def _settle(self, error: Exception | None) -> None:
        for number in sorted(self._inside):
            row = self._rows[number]
            if error is not None:
                row.fail(error)
            else:
                row.end(Finish.LENGTH if row.room <= 0 else Finish.STOP)
            self._leave(number)

    def _leave(self, number: int) -> None:
        self._inside.discard(number)
        self._left(self._rows[number])
