"""Which model has answered a conversation last. Each router remembers its own; what is forgotten is chosen anew."""

from __future__ import annotations

from collections import OrderedDict


class Conversations:
    """See the module.

    Args:
        ttl_seconds: A conversation that was silent for so long is forgotten.
        capacity: More than this many are not remembered; the oldest are forgotten first.
    """

    def __init__(self, ttl_seconds: float, capacity: int = 50_000) -> None:
        self._ttl = ttl_seconds
        self._capacity = capacity
        self._models: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def model_of(self, tenant: str, conversation_id: str, now: float) -> str:
        """The model; empty where none is known. Ids are made up by callers: those of two tenants may be the same."""
        model_id, at = self._models.get((tenant, conversation_id), ("", now))
        return model_id if now - at <= self._ttl else ""

    def remember(self, tenant: str, conversation_id: str, model_id: str, now: float) -> None:
        """The model that was chosen."""
        self._models[tenant, conversation_id] = (model_id, now)
        self._models.move_to_end((tenant, conversation_id))
        if len(self._models) > self._capacity:
            self._models.popitem(last=False)
