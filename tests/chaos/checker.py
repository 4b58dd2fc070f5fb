"""Which invariant a history breaks. It trusts nothing but what clients were told and what is stored."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.history import Asked, History, Outcome, Stored, Try

TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
POISONED = "request_poisoned"
MAX_KILLS = 2
MAX_TAKEN_ALONG = 1
"""A suspect is taken for the cause where a fault kills its worker while it is alone there: a moment, unless the machine
is starved. More than one in a history is no chance."""
MODEL_BITS = {"chaos-a": 0, "chaos-b": 1}


@dataclass(frozen=True)
class Violation:
    """A broken invariant.

    Attributes:
        invariant: I1 each accepted request ends exactly once; I2 none is accepted before it is durable; I3 one id is
            one run with one answer; I4 it is completed once at most; I10 the stream is the stored answer; I11 no
            superseded attempt is shown or stored; I13 a request that kills its worker kills two at most, and takes
            next to nobody with it.
    """

    invariant: str
    request_id: str
    detail: str


def check(history: History) -> list[Violation]:
    """Every violation, request by request."""
    found = [violation for asked in history.asked for violation in _check(asked, history.stored.get(asked.request_id))]
    return [*found, *_check_poison(history)]


def bystanders(history: History) -> list[Asked]:
    """Requests that were quarantined although they killed nobody."""
    return [asked for asked in history.asked if not asked.poison and _reason(history, asked) == POISONED]


def _check_poison(history: History) -> Iterator[Violation]:
    kills = Counter(history.kills)
    for asked in history.asked:
        if not asked.poison:
            continue
        if not 1 <= kills[asked.number] <= MAX_KILLS:
            yield Violation("I13", asked.request_id, f"it has killed {kills[asked.number]} workers")
        if (reason := _reason(history, asked)) != POISONED:
            yield Violation("I13", asked.request_id, f"it killed its workers and ended with {reason or 'an answer'}")
    for asked in bystanders(history)[MAX_TAKEN_ALONG:]:
        yield Violation("I13", asked.request_id, "it was quarantined and has killed nobody")


def _reason(history: History, asked: Asked) -> str:
    stored = history.stored.get(asked.request_id)
    return stored.reason if stored is not None else ""


def _check(asked: Asked, stored: Stored | None) -> Iterator[Violation]:
    def broken(invariant: str, detail: str) -> Violation:
        return Violation(invariant, asked.request_id, detail)

    if stored is None or not stored.states:
        if asked.accepted:
            yield broken("I2", "accepted, but no run is stored")
        return
    if len(stored.states) > 1:
        yield broken("I3", f"{len(stored.states)} runs have the same id")
    if any(state not in TERMINAL for state in stored.states):
        yield broken("I1", f"the run has not ended: {stored.states}")
    if asked.accepted and asked.last is not None and asked.last.outcome is Outcome.INDETERMINATE:
        yield broken("I1", f"the client never learnt how its request ended, at last {asked.last.reason or 'cut off'}")
    if stored.completions > 1:
        yield broken("I4", f"{stored.completions} generations were completed")
    completed = "COMPLETED" in stored.states
    if completed and stored.completions != 1:
        yield broken("I4", f"the run is completed and has {stored.completions} completed generations")
    for attempt in asked.tries:
        yield from _check_try(asked, attempt, stored, completed)
    answered = asked.last is not None and asked.last.outcome is Outcome.OK
    if completed and answered and asked.stream and asked.repaired != stored.answer:
        yield broken("I10", "what the resuming client shows is not the stored answer")
    if completed and (problem := _splice(stored)):
        yield broken("I11", problem)


def _check_try(asked: Asked, attempt: Try, stored: Stored, completed: bool) -> Iterator[Violation]:
    def broken(invariant: str, detail: str) -> Violation:
        return Violation(invariant, asked.request_id, detail)

    if attempt.outcome is Outcome.OK and not completed:
        yield broken("I1", f"a client has an answer of a run that is stored as {stored.states}")
    if attempt.outcome is Outcome.OK and completed and attempt.answer != stored.answer:
        yield broken("I3", "a client got another answer than is stored")
    if attempt.outcome is Outcome.FAIL and completed and attempt.reason in ENDED_REASONS:
        yield broken("I1", f"a client was told that the run failed ({attempt.reason}), but it is completed")
    if attempt.streamed is not None and attempt.outcome is Outcome.OK and attempt.streamed != attempt.answer:
        yield broken("I10", "the deltas since the last reset are not the answer")
    if attempt.misplaced:
        yield broken("I10", f"{attempt.misplaced} deltas were out of place")


ENDED_REASONS = {"no_model_available", "model_unavailable", "run_cancelled", "request_poisoned"}
"""Reasons that a caller can only hear of a run that has ended for good."""


def _splice(stored: Stored) -> str:
    """Why the stored answer cannot be the work of attempts that continued each other; empty where it can."""
    words = stored.answer.split()
    try:
        parts = [(int(process, 16), int(place)) for process, place in (word.split(".") for word in words)]
    except ValueError:
        return "the answer is not made of tokens"
    if [place for _, place in parts] != list(range(len(parts))):
        return "tokens of the answer are missing, doubled or out of order"
    makers = [process for process, _ in itertools.groupby(process for process, _ in parts)]
    if len(makers) != len(set(makers)):
        return "an attempt that was superseded has written again"
    if any(process % 2 != MODEL_BITS.get(stored.model, process % 2) for process in makers):
        return "the answer has pieces of another model"
    return ""
