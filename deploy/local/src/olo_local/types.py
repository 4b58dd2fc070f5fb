"""What a child is, and what is known of it while it runs."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Probe = Callable[[], Awaitable[bool]]
"""Whether a child serves now."""


@dataclass(frozen=True)
class ChildSpec:
    """A child of the supervisor.

    Attributes:
        name: Its name, also that of its log file.
        command: Program and arguments.
        address: Where it serves, for people.
        probe: Whether it serves now.
        env: What is added to the environment of the supervisor.
        needs: Children that must be ready before it starts, and that end after it.
        uses: Children that it can wait for by itself, and that end after it.
    """

    name: str
    command: tuple[str, ...]
    address: str
    probe: Probe
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


class ChildState(enum.StrEnum):
    """How a child fares."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass
class ChildStatus:
    """What is known of a child. Times are seconds since the epoch; the pid is 0 while none runs."""

    name: str
    address: str
    state: ChildState = ChildState.WAITING
    pid: int = 0
    pid_created: float = 0.0
    restarts: int = 0
    started_at: float = 0.0
    note: str = ""
