"""What is computed next, and how a batch is cut: properties over random orders."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from olo_embed_worker.batching.pieces import RUN_TOKENS, cut
from olo_embed_worker.batching.tickets import Ticket
from olo_embed_worker.batching.waiting import QUERY_BATCHES, Waiting
from olo_embed_worker.types import InputKind, Tokenized

arrivals = st.tuples(st.sampled_from(InputKind), st.lists(st.integers(1, 300), min_size=1, max_size=20))
takes = st.tuples(st.integers(1, 16), st.integers(1, 600))
steps = st.lists(st.one_of(arrivals, takes), max_size=40)


def ticket(kind: InputKind, lengths: list[int]) -> Ticket:
    return Ticket([Tokenized("", np.zeros(length, np.int64), length) for length in lengths], kind)


@given(steps)
@settings(max_examples=200)
def test_no_text_is_lost_doubled_or_starved(steps: list[Any]) -> None:
    asyncio.run(_follow(steps))


async def _follow(steps: list[Any]) -> None:
    waiting = Waiting()
    model: dict[InputKind, list[tuple[Ticket, int]]] = {kind: [] for kind in InputKind}
    ahead = 0
    for step in [*steps, *[(16, 600)] * 500]:
        if isinstance(step[0], InputKind):
            arrived = ticket(*step)
            waiting.add(arrived)
            model[arrived.kind] += [(arrived, index) for index in range(len(arrived.texts))]
            continue
        max_texts, max_tokens = step
        batch = waiting.take(max_texts, max_tokens)
        if not batch:
            assert not any(model.values())
            continue
        (kind,) = {entry.ticket.kind for entry in batch}
        assert len(batch) <= max_texts
        assert len(batch) == 1 or sum(entry.length for entry in batch) <= max_tokens
        assert all(a.length <= b.length for a, b in pairwise(batch))
        # The one that has waited longest is among them, and a query goes first, but not for ever.
        assert model[kind][0] in [(entry.ticket, entry.index) for entry in batch]
        if kind is InputKind.QUERY:
            ahead = ahead + 1 if model[InputKind.PASSAGE] else 0
            assert ahead <= QUERY_BATCHES
        else:
            assert not model[InputKind.QUERY] or ahead == QUERY_BATCHES
            ahead = 0
        for entry in batch:
            model[kind].remove((entry.ticket, entry.index))
        assert len(waiting) == sum(map(len, model.values()))
    assert not len(waiting)


async def test_a_request_that_is_given_up_leaves_at_once() -> None:
    waiting = Waiting()
    kept, given_up = ticket(InputKind.QUERY, [1, 2]), ticket(InputKind.QUERY, [1, 2, 3])
    waiting.add(kept)
    waiting.add(given_up)
    waiting.discard(given_up)
    assert len(waiting) == 2
    assert {entry.ticket for entry in waiting.take(16, 600)} == {kept}


def cost(lengths: list[int], ends: list[int]) -> int:
    return sum((end - start) * lengths[end - 1] + RUN_TOKENS for start, end in pairwise([0, *ends]))


@given(st.lists(st.integers(0, 80), min_size=1, max_size=9).map(sorted))
@settings(max_examples=200)
def test_no_other_cut_costs_less(lengths: list[int]) -> None:
    ends = cut(lengths)
    assert ends[-1] == len(lengths)
    assert all(a < b for a, b in pairwise([0, *ends]))
    inner = range(1, len(lengths))
    every = [[*(i for i in inner if chosen >> (i - 1) & 1), len(lengths)] for chosen in range(2 ** len(inner))]
    assert cost(lengths, ends) == min(cost(lengths, other) for other in every)
