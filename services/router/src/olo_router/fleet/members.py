"""The instances of all models, and how busy each model is by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from olo_router.fleet.group import Group
from olo_router.fleet.member import Member, Presence, joining
from olo_router.types import Departure, Heartbeat, Instance, Load

_KEPT_LEASES = 10


class Members:
    """Every method that changes something gives the ids of the models concerned.

    Args:
        lease_seconds: An instance that was silent for so long is not chosen.
    """

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._all: dict[str, Member] = {}
        self._groups: dict[str, Group] = {}
        self._registry_epoch = ""
        self._broken: set[str] = set()

    def list(self, model_id: str, instances: Iterable[Instance], registry_epoch: str, now: float) -> set[str]:
        """Takes the registry's list of one model's instances.

        What this life of the registry has listed before and lists no more is gone. What only an earlier life has listed
        stays until its lease runs out: a registry that has just started does not know everybody yet.
        """
        self._registry_epoch = registry_epoch
        concerned = {model_id}
        listed: set[str] = set()
        for facts in instances:
            listed.add(facts.instance_id)
            known = self._all.get(facts.instance_id)
            if known is not None and known.facts.model_id != model_id:
                concerned.add(known.facts.model_id)
                self._remove(known)
                known = None
            if known is None:
                self._add(joining(facts, registry_epoch, now))
            else:
                known.list(facts, registry_epoch, now)
                self._groups[model_id].count(known)
        for member in self._of_model(model_id):
            if member.facts.instance_id not in listed and member.listed_in == registry_epoch:
                self._remove(member)
        return concerned

    def drop_model(self, model_id: str) -> None:
        """Forgets a model's instances."""
        for member in self._of_model(model_id):
            self._remove(member)

    def beat(self, heartbeat: Heartbeat, now: float) -> set[str]:
        """Renews a lease."""
        member = self._all.get(heartbeat.instance_id)
        return self._changed(member) if member is not None and member.beat(heartbeat, now) else set()

    def leave(self, departure: Departure) -> set[str]:
        """Ends a lease at once."""
        member = self._all.get(departure.instance_id)
        if member is None or departure.stamp <= member.stamp:
            return set()
        member.stamp, member.presence = departure.stamp, Presence.LEFT
        return self._changed(member)

    def expire(self, now: float) -> set[str]:
        """Ends the leases that have run out, and the counts of requests that were on their way for a whole lease."""
        concerned: set[str] = set()
        for member in list(self._all.values()):
            silence = now - member.heard_at
            if member.presence is Presence.LIVE and silence >= self._lease_seconds:
                member.presence = Presence.SILENT
                concerned |= self._changed(member)
            # Whom this life of the registry lists, it will also strike off its list.
            if silence >= _KEPT_LEASES * self._lease_seconds and member.listed_in != self._registry_epoch:
                self._remove(member)
        return concerned | self._settle(now)

    def renew_all(self, now: float) -> set[str]:
        """Gives every live instance a full lease from now on."""
        for member in self._all.values():
            if member.presence is Presence.LIVE:
                member.heard_at = now
        return self._settle(now)

    def hand_out(self, instance_id: str, now: float) -> set[str]:
        """Counts a request that is on its way to an instance."""
        member = self._all.get(instance_id)
        if member is None:
            return set()
        member.hand_out(now)
        return self._changed(member)

    def finish(self, instance_id: str) -> set[str]:
        """Takes a request off that has ended there."""
        member = self._all.get(instance_id)
        if member is None:
            return set()
        member.finish()
        return self._changed(member)

    def hold_broken(self, broken: set[str]) -> set[str]:
        """Keeps out those whose circuit breaker is open, and no others."""
        concerned: set[str] = set()
        for instance_id in (broken | self._broken) & self._all.keys():
            member = self._all[instance_id]
            if member.broken != (instance_id in broken):
                member.broken = instance_id in broken
                concerned |= self._changed(member)
        self._broken = broken
        return concerned

    def knows(self, instance_id: str, model_id: str) -> bool:
        """Whether this instance serves this model."""
        member = self._all.get(instance_id)
        return member is not None and member.facts.model_id == model_id

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._all.values())

    def load_of(self, model_id: str) -> Load:
        """How busy a model is."""
        group = self._groups.get(model_id)
        return Load() if group is None else group.load()

    def _settle(self, now: float) -> set[str]:
        concerned: set[str] = set()
        for member in self._all.values():
            if member.pending and now - member.pending_since >= self._lease_seconds:
                member.pending = 0
                concerned |= self._changed(member)
        return concerned

    def _changed(self, member: Member) -> set[str]:
        self._groups[member.facts.model_id].count(member)
        return {member.facts.model_id}

    def _of_model(self, model_id: str) -> tuple[Member, ...]:
        group = self._groups.get(model_id)
        return () if group is None else tuple(group.members.values())

    def _add(self, member: Member) -> None:
        self._all[member.facts.instance_id] = member
        self._groups.setdefault(member.facts.model_id, Group()).add(member)

    def _remove(self, member: Member) -> None:
        del self._all[member.facts.instance_id]
        group = self._groups[member.facts.model_id]
        group.remove(member.facts.instance_id)
        if not group.members:
            del self._groups[member.facts.model_id]
