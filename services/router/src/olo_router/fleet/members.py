"""The instances of all models, and how busy each model is by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
        self._of_model: dict[str, dict[str, Member]] = {}
        self._registry_epoch = ""

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
        for member in list(self._of_model.get(model_id, {}).values()):
            if member.facts.instance_id not in listed and member.listed_in == registry_epoch:
                self._remove(member)
        return concerned

    def drop_model(self, model_id: str) -> None:
        """Forgets a model's instances."""
        for member in list(self._of_model.get(model_id, {}).values()):
            self._remove(member)

    def beat(self, heartbeat: Heartbeat, now: float) -> set[str]:
        """Renews a lease."""
        member = self._all.get(heartbeat.instance_id)
        return {member.facts.model_id} if member is not None and member.beat(heartbeat, now) else set()

    def leave(self, departure: Departure) -> set[str]:
        """Ends a lease at once."""
        member = self._all.get(departure.instance_id)
        if member is None or departure.stamp <= member.stamp:
            return set()
        member.stamp, member.presence = departure.stamp, Presence.LEFT
        return {member.facts.model_id}

    def expire(self, now: float) -> set[str]:
        """Ends the leases that have run out, and the counts of requests that were on their way for a whole lease."""
        concerned: set[str] = set()
        for member in list(self._all.values()):
            silence = now - member.heard_at
            if member.presence is Presence.LIVE and silence >= self._lease_seconds:
                member.presence = Presence.SILENT
                concerned.add(member.facts.model_id)
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
        return {member.facts.model_id}

    def load_of(self, model_id: str) -> Load:
        """How busy a model is."""
        ready = draining = capacity = in_flight = 0
        best: Member | None = None
        most_free = 0
        for member in self._of_model.get(model_id, _NONE).values():
            if member.presence is not Presence.LIVE:
                continue
            if member.draining:
                draining += 1
                continue
            slots, busy = member.facts.max_concurrency, member.in_flight + member.pending
            ready, capacity, in_flight = ready + 1, capacity + slots, in_flight + busy
            if best is None or slots - busy > most_free:
                best, most_free = member, slots - busy
        if best is None:
            return Load(draining=draining)
        return Load(ready, draining, capacity, in_flight, best.facts.instance_id, best.facts.address)

    def _settle(self, now: float) -> set[str]:
        concerned: set[str] = set()
        for member in self._all.values():
            if member.pending and now - member.pending_since >= self._lease_seconds:
                member.pending = 0
                concerned.add(member.facts.model_id)
        return concerned

    def _add(self, member: Member) -> None:
        self._all[member.facts.instance_id] = member
        self._of_model.setdefault(member.facts.model_id, {})[member.facts.instance_id] = member

    def _remove(self, member: Member) -> None:
        del self._all[member.facts.instance_id]
        siblings = self._of_model[member.facts.model_id]
        del siblings[member.facts.instance_id]
        if not siblings:
            del self._of_model[member.facts.model_id]


_NONE: Mapping[str, Member] = {}
