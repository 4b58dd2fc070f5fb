"""One instance as the router knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from olo_router.types import Heartbeat, Instance, Stamp


class Presence(Enum):
    """Whether an instance is there."""

    LIVE = "live"
    SILENT = "silent"
    """Its lease has run out; its next heartbeat brings it back."""
    LEFT = "left"
    """It has said so itself; only a newer announcement brings it back."""


@dataclass(slots=True)
class Member:
    """An instance: the registry's facts, and its own newest word.

    `pending` counts the requests that were sent there since its last word; `listed_in` is the life of the registry that
    has listed it last.
    """

    facts: Instance
    stamp: Stamp
    in_flight: int
    draining: bool
    heard_at: float
    listed_in: str
    presence: Presence = Presence.LIVE
    pending: int = 0
    pending_since: float = 0.0
    broken: bool = False
    """Its circuit breaker is open."""

    @property
    def is_held(self) -> bool:
        """Whether it is kept out by others, whatever it says itself."""
        return self.broken or self.facts.quarantined

    @property
    def takes_nothing_new(self) -> bool:
        """Whether it drains, by its own word or by the operator's."""
        return self.draining or self.facts.draining

    @property
    def state(self) -> str:
        """In one word."""
        if self.presence is not Presence.LIVE:
            return "silent" if self.presence is Presence.SILENT else "left"
        if self.facts.quarantined:
            return "quarantined"
        if self.broken:
            return "broken"
        return "draining" if self.takes_nothing_new else "ready"

    def list(self, facts: Instance, registry_epoch: str, now: float) -> None:
        """Takes the registry's word; its load counts only where it is newer than the instance's own."""
        self.facts, self.listed_in = facts, registry_epoch
        if facts.stamp > self.stamp:
            self._hear(facts.stamp, facts.in_flight, facts.draining, now)

    def beat(self, heartbeat: Heartbeat, now: float) -> bool:
        """Takes the instance's own word; False where it is stale, or of another start than the registry has listed."""
        if heartbeat.stamp <= self.stamp or heartbeat.stamp.epoch != self.stamp.epoch:
            return False
        if self.presence is Presence.LEFT or heartbeat.model_id != self.facts.model_id:
            return False
        self._hear(heartbeat.stamp, heartbeat.in_flight, heartbeat.draining, now)
        return True

    def hand_out(self, now: float) -> None:
        """Counts a request that is on its way there."""
        if self.pending == 0:
            self.pending_since = now
        self.pending += 1

    def finish(self) -> None:
        """Takes a request off, wherever it is counted: the instance has told that it is over."""
        if self.pending:
            self.pending -= 1
        elif self.in_flight:
            self.in_flight -= 1

    def _hear(self, stamp: Stamp, in_flight: int, draining: bool, now: float) -> None:
        self.stamp, self.in_flight, self.draining, self.heard_at = stamp, in_flight, draining, now
        self.presence, self.pending = Presence.LIVE, 0


def joining(facts: Instance, registry_epoch: str, now: float) -> Member:
    """An instance that the registry has listed for the first time."""
    return Member(facts, facts.stamp, facts.in_flight, facts.draining, heard_at=now, listed_in=registry_epoch)
