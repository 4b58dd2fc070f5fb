"""The score of a model under a profile: the weighted sum of components from 0 to 1, each with what it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from olo_router.learning.learner import Estimate
from olo_router.selection.profiles import Profile
from olo_router.types import Model

NEUTRAL: Final = 0.5
"""The value of what is not known: neither praise nor blame."""
_MEDIUM_SECONDS: Final = 4.0
_MEDIUM_COST: Final = 0.002
_MEDIUM_CONTEXT: Final = 16_384
"""Where the values of latency, cost and context are one half."""
ANSWER_SHARE: Final = 0.25
"""The share of the tokens of a request that belong to the answer, where one price is made of two."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a score: `value` (0 to 1) times `weight`."""

    name: str
    value: float
    weight: float
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model for one size of request. What is None is not known."""

    cost: float | None
    """US dollars for 1000 tokens."""
    seconds: float | None
    """How long the answer takes."""
    error_rate: float = 0.0


def facts_of(model: Model, estimate: Estimate | None, completion_tokens: int) -> Facts:
    """The facts about a model, from catalogue and measurements."""
    cost = None
    if model.input_cost is not None or model.output_cost is not None:
        cost = (1 - ANSWER_SHARE) * (model.input_cost or 0.0) + ANSWER_SHARE * (model.output_cost or 0.0)
    if estimate is None:
        return Facts(cost, None)
    return Facts(cost, estimate.seconds(completion_tokens), estimate.error_rate)


def components_of(model: Model, facts: Facts, profile: Profile) -> tuple[Component, ...]:
    """The parts of a model's score; those without weight are left out."""
    parts = (
        Component("quality", NEUTRAL if model.quality is None else model.quality, profile.quality, _quality(model)),
        Component("latency", _latency(facts), profile.latency, _latency_words(facts)),
        Component("cost", _falling(facts.cost, _MEDIUM_COST), profile.cost, _cost_words(facts.cost)),
        Component(
            "context",
            model.context_limit / (model.context_limit + _MEDIUM_CONTEXT),
            profile.context,
            f"{model.context_limit} tokens",
        ),
    )
    return tuple(part for part in parts if part.weight)


def total(components: tuple[Component, ...]) -> float:
    """The score, 0 to 1."""
    return min(1.0, max(0.0, sum(part.value * part.weight for part in components)))


def _latency(facts: Facts) -> float:
    # A failure is the slowest of all answers.
    return _falling(facts.seconds, _MEDIUM_SECONDS) * (1 - facts.error_rate)


def _falling(amount: float | None, medium: float) -> float:
    return NEUTRAL if amount is None else medium / (medium + amount)


def _quality(model: Model) -> str:
    return "not known" if model.quality is None else f"{model.quality:.2f} of 1"


def _latency_words(facts: Facts) -> str:
    if facts.seconds is None:
        return "not measured yet"
    failing = f", {facts.error_rate:.0%} of attempts fail" if facts.error_rate >= 0.005 else ""
    return f"about {facts.seconds:.2f} s for an answer{failing}"


def _cost_words(cost: float | None) -> str:
    return "not known" if cost is None else f"${cost:.5f} for 1000 tokens"
