"""Latency, errors and throughput of each model and instance by prompt size, learned from attempts and from storage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from olo_router.learning.decay import DecayedMean, DecayedRate, kept_after
from olo_router.learning.sizes import NEAREST, PromptSize, size_of
from olo_router.types import Attempt

_LEAST_WEIGHT = 0.05
"""What stands for less than this many attempts is forgotten."""


class Key(NamedTuple):
    """What a measurement is about."""

    model_id: str
    instance_id: str
    """Empty: all instances together."""
    size: PromptSize


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is known about a key. Seconds; rates from 0 to 1; `throughput` in tokens per second."""

    key: Key
    weight: float
    timed_weight: float
    first_token: float
    per_token: float
    error_rate: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What may be expected of a model."""

    first_token: float
    per_token: float
    error_rate: float

    def seconds(self, completion_tokens: int) -> float:
        """How long an answer of so many tokens takes."""
        return self.first_token + self.per_token * completion_tokens


class _Stats:
    __slots__ = ("errors", "first_token", "per_token", "tokens")

    def __init__(self, now: float) -> None:
        self.first_token = DecayedMean()
        self.per_token = DecayedMean()
        self.errors = DecayedMean()
        self.tokens = DecayedRate(began=now)


class Learner:
    """See the module. Time is given by the caller, in seconds that never go back.

    Args:
        half_life: After so many seconds an attempt counts half.
        max_keys: More than this many keys are not kept.
    """

    def __init__(self, half_life: float, max_keys: int = 50_000) -> None:
        self._half_life = half_life
        self._max_keys = max_keys
        self._stats: dict[Key, _Stats] = {}
        self._changed: set[Key] = set()
        self.version = 0
        """Grows with everything that is learned."""

    def finished(self, attempt: Attempt, now: float) -> None:
        """Learns from an attempt; one whose request was wrong teaches nothing."""
        if not (attempt.succeeded or attempt.at_fault):
            return
        # A failure does not tell how long its prompt was; it is held against prompts of every size.
        sizes = (size_of(attempt.prompt_tokens),) if attempt.prompt_tokens else tuple(PromptSize)
        for size in sizes:
            for instance_id in {attempt.instance_id, ""}:
                self._learn(Key(attempt.model_id, instance_id, size), attempt, now)
        self.version += 1

    def estimate(self, model_id: str, size: PromptSize) -> Estimate | None:
        """What may be expected of a model for prompts of this size, or of the nearest one that was measured."""
        for near in NEAREST[size]:
            stats = self._stats.get(Key(model_id, "", near))
            if stats is not None and stats.first_token.weight:
                return Estimate(stats.first_token.mean, stats.per_token.mean, stats.errors.mean)
        return None

    def changed(self, now: float, limit: int) -> list[Measurement]:
        """What has changed since it was asked for, at most `limit`."""
        keys = [self._changed.pop() for _ in range(min(limit, len(self._changed)))]
        return [self._measurement(key, now) for key in keys if key in self._stats]

    def not_stored(self, measurements: Iterable[Measurement]) -> None:
        """Takes back what could not be stored; `changed` will give it again."""
        self._changed.update(measurement.key for measurement in measurements)

    def recall(self, measurement: Measurement, age: float, now: float) -> None:
        """Takes what was stored `age` seconds ago."""
        left = kept_after(age, self._half_life)
        weight, timed = measurement.weight * left, measurement.timed_weight * left
        if weight < _LEAST_WEIGHT:
            return
        stats = self._stats_of(measurement.key, now)
        if stats is None:
            return
        stats.errors.add(measurement.error_rate, now, self._half_life, weight)
        if timed:
            stats.first_token.add(measurement.first_token, now, self._half_life, timed)
            stats.per_token.add(measurement.per_token, now, self._half_life, timed)
        self.version += 1

    def tidy(self, now: float) -> None:
        """Forgets what stands for next to nothing."""
        for key, stats in list(self._stats.items()):
            if stats.errors.weight_at(now, self._half_life) < _LEAST_WEIGHT:
                del self._stats[key]

    def _learn(self, key: Key, attempt: Attempt, now: float) -> None:
        stats = self._stats_of(key, now)
        if stats is None:
            return
        stats.errors.add(0.0 if attempt.succeeded else 1.0, now, self._half_life)
        if attempt.succeeded and attempt.first_token > 0:
            stats.first_token.add(attempt.first_token, now, self._half_life)
            further = max(attempt.completion_tokens - 1, 1)
            stats.per_token.add(max(0.0, attempt.generation - attempt.first_token) / further, now, self._half_life)
        stats.tokens.add(attempt.completion_tokens, now, self._half_life)
        self._changed.add(key)

    def _stats_of(self, key: Key, now: float) -> _Stats | None:
        stats = self._stats.get(key)
        if stats is None and len(self._stats) < self._max_keys:
            stats = self._stats[key] = _Stats(now)
        return stats

    def _measurement(self, key: Key, now: float) -> Measurement:
        stats = self._stats[key]
        return Measurement(
            key,
            stats.errors.weight_at(now, self._half_life),
            stats.first_token.weight_at(now, self._half_life),
            stats.first_token.mean,
            stats.per_token.mean,
            stats.errors.mean,
            stats.tokens.per_second(now, self._half_life),
        )
