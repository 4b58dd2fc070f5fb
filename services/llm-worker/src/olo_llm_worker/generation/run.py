"""One batch in the engine: `work` and what it calls run in a thread, all else on the event loop.

Each token costs the thread an append. Text, stop strings and results are made on the loop, where tokens arrive in
bundles; a row that is found there to have ended is ended in the engine at its next step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from olo_llm_worker.generation.engine import AGAIN, END, Batch, Engine
from olo_llm_worker.generation.row import Row
from olo_llm_worker.generation.types import Finish

Left = Callable[[Row], None]
"""Called on the loop when a row is no longer in the engine."""


class Run:
    """Rows on their way through the engine, once.

    Args:
        engine: What generates.
        rows: The rows; they share options and static prompt.
        quantum: Tokens after which a row makes place for others that wait; 0: never.
        contended: Whether others wait.
        left: Hears of each row that leaves the engine.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        rows: Sequence[Row],
        *,
        quantum: int,
        contended: Callable[[], bool],
        left: Left,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._rows = list(rows)
        self._rooms = [row.room for row in rows]
        head = rows[0]
        self._batch = Batch(
            prompts=tuple(row.tokens_to_read() for row in rows),
            decoding=head.decoding,
            max_tokens=max(self._rooms),
            static_prompt=head.static,
            answered=tuple(len(row.token_ids) for row in rows),
        )
        self._quantum = 0 if head.decoding.positional else quantum
        self._contended = contended
        self._left = left
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._counts = [0] * len(rows)
        self._inside = set(range(len(rows)))
        self._news: deque[tuple[int, int | None, float, bool]] = deque()
        self._told = False
        self._cached = 0

    def work(self) -> None:
        """Generates to the end. Raises what the engine raises."""
        self._engine.generate(self._batch, self)

    def began(self, *, cached: bool) -> None:
        """Notes whether the static prompt was there."""
        self._cached = len(self._batch.static_prompt) if cached else 0

    def token(self, row: int, token_id: int, logprob: float) -> bool:
        """Takes a token in the engine's thread; True ends the row."""
        if self._rows[row].ended or token_id == AGAIN:
            self._tell(row, None, 0.0, True)
            return True
        if token_id == END:
            self._tell(row, END, 0.0, True)
            return True
        self._counts[row] += 1
        count = self._counts[row]
        leaves = count >= self._rooms[row] or bool(self._quantum and count >= self._quantum and self._contended())
        self._tell(row, token_id, logprob, leaves)
        return leaves

    def finish(self, error: BaseException | None) -> None:
        """Settles what is left when the engine has returned, or failed with `error`."""
        self._drain()
        for number in sorted(self._inside):
            row = self._rows[number]
            if error is not None:
                row.fail(error)
            else:
                row.end(Finish.LENGTH if row.room <= 0 else Finish.STOP, self._clock())
            self._left(row)
        self._inside.clear()

    def _tell(self, row: int, token_id: int | None, logprob: float, leaves: bool) -> None:
        self._news.append((row, token_id, logprob, leaves))
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._told = False
        now = self._clock()
        tokens: dict[int, tuple[list[int], list[float]]] = {}
        leaving: list[tuple[int, bool]] = []
        while self._news:
            number, token_id, logprob, leaves = self._news.popleft()
            ids, logprobs = tokens.setdefault(number, ([], []))
            if token_id is not None and token_id != END:
                ids.append(token_id)
                logprobs.append(logprob)
            if leaves:
                leaving.append((number, token_id == END))
        for number, (ids, logprobs) in tokens.items():
            self._rows[number].cached_tokens = self._rows[number].cached_tokens or self._cached
            self._rows[number].accept(ids, logprobs, now)
        for number, by_model in leaving:
            if number not in self._inside:
                continue
            self._inside.discard(number)
            if by_model:
                self._rows[number].end(Finish.STOP, now)
            self._left(self._rows[number])
