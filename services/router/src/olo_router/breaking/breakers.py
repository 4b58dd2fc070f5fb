"""The breakers of all models and instances. Every router hears the same events, so that they agree.

What is lost with a restart is made again by the next failures; until then requests pass, which is safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from olo_router.breaking.breaker import Breaker, BreakerPolicy, State
from olo_router.types import Attempt


@dataclass(frozen=True, slots=True)
class Gate:
    """What the breaker of a model says that is not closed."""

    probe: bool
    """Whether one request may pass to try it."""
    open_for: float
    """Seconds until that may be so."""


@dataclass(frozen=True, slots=True)
class BreakerView:
    """A breaker as it is shown."""

    model_id: str
    instance_id: str
    """Empty: that of the whole model."""
    state: State
    failures: int
    open_for: float
    last_failure: str


class Breakers:
    """See the module.

    Args:
        policy: When they open and close.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._all: dict[tuple[str, str], Breaker] = {}
        self._tripped: set[tuple[str, str]] = set()

    def finished(self, attempt: Attempt, now: float) -> None:
        """Takes the outcome of an attempt; one whose request was wrong says nothing.

        What was under way on an instance when it failed fails with it: a crash is one failure, however many it hits.
        """
        began = now - max(0.0, attempt.duration)
        instance = self._all.get((attempt.model_id, attempt.instance_id))
        if attempt.at_fault and instance is not None and began < instance.failed_at:
            return
        for key in {(attempt.model_id, attempt.instance_id), (attempt.model_id, "")}:
            if attempt.at_fault:
                self._all.setdefault(key, Breaker(self._policy)).failed(began, now, attempt.failure_reason)
            elif (breaker := self._all.get(key)) is not None and attempt.succeeded:
                breaker.succeeded(began, now)
            elif breaker is not None:
                breaker.told_nothing(began)
            if key in self._all and self._all[key].state(now) is not State.CLOSED:
                self._tripped.add(key)
            else:
                self._tripped.discard(key)

    def gates(self, now: float) -> dict[str, Gate]:
        """Of each model whose breaker is not closed."""
        return {
            model_id: Gate(self._all[model_id, instance_id].allows(now), self._all[model_id, instance_id].open_for(now))
            for model_id, instance_id in self._tripped
            if not instance_id
        }

    def probe(self, model_id: str, now: float) -> None:
        """A request is sent to a model; it counts as a probe where its breaker is half open."""
        if (model_id, "") in self._tripped:
            self._all[model_id, ""].probe(now)

    def open_instances(self, now: float) -> set[str]:
        """The instances whose breaker is open."""
        return {key[1] for key in self._tripped if key[1] and self._all[key].state(now) is State.OPEN}

    def tidy(self, now: float) -> None:
        """Forgets those of which nothing would be lost."""
        for key in [key for key, breaker in self._all.items() if breaker.is_idle(now)]:
            del self._all[key]
            self._tripped.discard(key)

    def views(self, now: float) -> Iterator[BreakerView]:
        """Those that are not closed or have counted failures, by model and instance."""
        for (model_id, instance_id), breaker in sorted(self._all.items()):
            state = breaker.state(now)
            if state is not State.CLOSED or breaker.failures:
                yield BreakerView(
                    model_id, instance_id, state, breaker.failures, breaker.open_for(now), breaker.last_failure
                )
