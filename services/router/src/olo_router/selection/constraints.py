"""Constraints: what a model must offer, whichever is chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from olo_common.errors import InvalidField
from olo_router.selection.scoring import Facts
from olo_router.types import Model

_MAX_ENTRIES: Final = 16
_MAX_LENGTH: Final = 128
PREFIX: Final = "constraints."


@dataclass(frozen=True, slots=True)
class Constraints:
    """What is None, empty or 0 does not matter."""

    min_quality: float | None = None
    max_seconds: float | None = None
    max_cost: float | None = None
    """US dollars for 1000 tokens, a quarter of them of the answer."""
    min_context: int = 0
    hardware: str = ""
    labels: frozenset[tuple[str, str]] = frozenset()
    capabilities: frozenset[str] = frozenset()

    def check(self) -> None:
        """Raises InvalidField where a value makes no sense."""
        if self.min_quality is not None and not 0 <= self.min_quality <= 1:
            raise InvalidField("constraints.min_quality", "must be from 0 to 1")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise InvalidField("constraints.max_latency", "must be above 0")
        if self.max_cost is not None and not (self.max_cost >= 0 and math.isfinite(self.max_cost)):
            raise InvalidField("constraints.max_cost_per_1k_tokens", "must be 0 or above")
        for name, words in (
            ("labels", [word for label in self.labels for word in label]),
            ("capabilities", list(self.capabilities)),
        ):
            if len(words) > 2 * _MAX_ENTRIES or any(len(word) > _MAX_LENGTH for word in words):
                raise InvalidField(f"constraints.{name}", f"at most {_MAX_ENTRIES} of at most {_MAX_LENGTH} characters")


NONE: Final = Constraints()


def unmet(model: Model, facts: Facts, wanted: Constraints) -> tuple[str, str] | None:
    """The first constraint that a model does not meet, and why; None where it meets all."""
    return next(_unmet(model, facts, wanted), None)


def _unmet(model: Model, facts: Facts, wanted: Constraints) -> Iterator[tuple[str, str]]:
    if wanted.min_quality is not None and (model.quality is None or model.quality < wanted.min_quality):
        yield "min_quality", _known("its quality", model.quality, f"at least {wanted.min_quality:g} is wanted")
    cost = facts.cost
    if wanted.max_cost is not None and (cost is None or cost > wanted.max_cost):
        yield "max_cost_per_1k_tokens", _known("its cost", cost, f"at most {wanted.max_cost:g} is wanted")
    # What was not measured yet passes: nothing would ever be measured otherwise.
    if wanted.max_seconds is not None and facts.seconds is not None and facts.seconds > wanted.max_seconds:
        yield "max_latency", f"an answer takes about {facts.seconds:.1f} s; at most {wanted.max_seconds:g} are wanted"
    if wanted.hardware and model.hardware != wanted.hardware:
        yield "hardware_type", f"it does not run on {wanted.hardware}"
    if missing := sorted(wanted.labels - model.labels):
        yield "labels", f"it has not the label {missing[0][0]}={missing[0][1]}"
    if lacking := sorted(wanted.capabilities - model.capabilities):
        yield "capabilities", f"it cannot do {', '.join(lacking)}"


def _known(what: str, value: float | None, wanted: str) -> str:
    return f"{what} is not known; {wanted}" if value is None else f"{what} is {value:g}; {wanted}"
