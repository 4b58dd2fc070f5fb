"""Profiles: what a choice weighs. `default` is no set of weights but the order by default flag and priority."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from olo_common.errors import InvalidField

DEFAULT_PROFILE: Final = "default"
AUTO_PROFILE: Final = "auto"

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_WEIGHTS: Final = ("quality", "latency", "cost", "context")


@dataclass(frozen=True, slots=True)
class Profile:
    """Weights of the components of a score; they sum to 1."""

    name: str
    quality: float = 0.0
    latency: float = 0.0
    cost: float = 0.0
    context: float = 0.0


BUILT_IN: Final = (
    Profile("quality", quality=0.8, latency=0.1, cost=0.1),
    Profile("balanced", quality=0.4, latency=0.3, cost=0.3),
    Profile("speed", quality=0.1, latency=0.7, cost=0.2),
    Profile("budget", quality=0.1, latency=0.1, cost=0.8),
    # What quality, latency and cost leave of the whole is for the length of the context.
    Profile("long_context", quality=0.3, latency=0.2, cost=0.2, context=0.3),
)


def profile_of(name: str, weights: object) -> Profile:
    """A profile from a configuration; its weights are scaled so that they sum to 1.

    Raises:
        ValueError: In a sentence that names what is wrong.
    """
    if not _NAME.fullmatch(name) or name in (DEFAULT_PROFILE, AUTO_PROFILE):
        raise ValueError(f"profile {name[:64]!r}: a name has 1 to 32 of a-z, 0-9, _ and -, and is not default or auto")
    if not isinstance(weights, Mapping) or not weights or not set(weights) <= set(_WEIGHTS):
        raise ValueError(f"profile {name}: give weights for one or more of {', '.join(_WEIGHTS)}, and nothing else")
    numbers = {key: value for key, value in weights.items() if isinstance(value, int | float)}
    sound = all(not isinstance(v, bool) and math.isfinite(v) and 0 <= v <= 1000 for v in numbers.values())
    if len(numbers) != len(weights) or not sound or not sum(numbers.values()):
        raise ValueError(f"profile {name}: each weight is a number from 0 to 1000, and one is above 0")
    total = sum(numbers.values())
    return Profile(name, **{key: value / total for key, value in numbers.items()})


class Profiles:
    """The profiles by name.

    Args:
        own: The operator's; they replace built-in ones of the same name.
        default: Name of the one that is used where a request names none; it may be `auto`.

    Raises:
        ValueError: There is no profile of that name.
    """

    def __init__(self, own: tuple[Profile, ...] = (), default: str = DEFAULT_PROFILE) -> None:
        self._all = {profile.name: profile for profile in (*BUILT_IN, *own)}
        self.default = default
        if default != AUTO_PROFILE:
            self.require(default)

    @property
    def all(self) -> tuple[Profile, ...]:
        """All sets of weights."""
        return tuple(self._all.values())

    def require(self, name: str) -> None:
        """Raises ValueError where there is no such profile."""
        if name != DEFAULT_PROFILE and name not in self._all:
            raise ValueError(f"there is no profile {name[:64]!r}; there are {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """What a request may name."""
        return (DEFAULT_PROFILE, AUTO_PROFILE, *self._all)

    def weights(self, name: str) -> Profile | None:
        """The weights of a profile; None for the order by default flag and priority.

        Raises:
            InvalidField: There is no such profile.
        """
        if name == DEFAULT_PROFILE:
            return None
        try:
            return self._all[name]
        except KeyError:
            raise InvalidField("profile", f"must be one of {', '.join(self.names)}") from None
