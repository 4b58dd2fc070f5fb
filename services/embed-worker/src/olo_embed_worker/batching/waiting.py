"""The texts that wait, and which of them are next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

from olo_embed_worker.batching.tickets import Entry, Ticket
from olo_embed_worker.types import InputKind

QUERY_BATCHES: Final = 4
"""Batches of queries that may go ahead of a passage that waits."""
_LOOKAHEAD: Final = 512


class Waiting:
    """Queries and passages in two queues, each in the order of arrival.

    Somebody waits for a query; passages come by the hundred. So queries go first, and a passage gets its turn after
    `QUERY_BATCHES` batches of them at the latest.
    """

    def __init__(self) -> None:
        self._queues: dict[InputKind, deque[Entry]] = {kind: deque() for kind in InputKind}
        self._queries_in_a_row = 0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def oldest(self) -> float:
        """When the text that has waited longest arrived; something must be waiting."""
        return min(queue[0].ticket.arrived for queue in self._queues.values() if queue)

    @property
    def tokens(self) -> int:
        """Tokens of all texts that wait."""
        return sum(entry.length for queue in self._queues.values() for entry in queue)

    def add(self, ticket: Ticket) -> None:
        """Takes the texts of a request."""
        self._queues[ticket.kind].extend(ticket.entries())

    def discard(self, ticket: Ticket) -> None:
        """Forgets what still waits of a request."""
        queue = self._queues[ticket.kind]
        self._queues[ticket.kind] = deque(entry for entry in queue if entry.ticket is not ticket)

    def take(self, max_texts: int, max_tokens: int) -> list[Entry]:
        """The next batch, of one side, shortest text first: the one that has waited longest and those most like it.

        The batch holds no more tokens than `max_tokens`, unless its only text does.
        """
        queries, passages = self._queues[InputKind.QUERY], self._queues[InputKind.PASSAGE]
        passages_due = passages and (not queries or self._queries_in_a_row >= QUERY_BATCHES)
        kind = InputKind.PASSAGE if passages_due else InputKind.QUERY
        self._queries_in_a_row = 0 if passages_due or not passages else self._queries_in_a_row + 1
        queue = self._queues[kind]
        chosen = _alike(islice(queue, _LOOKAHEAD), max_texts, max_tokens)
        if len(chosen) == len(queue):
            queue.clear()
        else:
            taken = {(id(entry.ticket), entry.index) for entry in chosen}
            self._queues[kind] = deque(entry for entry in queue if (id(entry.ticket), entry.index) not in taken)
        return sorted(chosen, key=lambda entry: entry.length)


def _alike(entries: Iterable[Entry], max_texts: int, max_tokens: int) -> list[Entry]:
    """The first entry and those whose length is nearest to its own, as many as fit."""
    candidates = list(entries)
    if not candidates:
        return []
    length = candidates[0].length
    chosen, tokens = [candidates[0]], length
    # Sorting is stable: among equals the earlier stays first.
    for entry in sorted(candidates[1:], key=lambda entry: abs(entry.length - length)):
        tokens += entry.length
        if len(chosen) == max_texts or tokens > max_tokens:
            break
        chosen.append(entry)
    return chosen
