"""The catalogue in memory: what a change would make of it is computed first, stored by the caller, then applied."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from olo_registry.catalogue.entry import Entry, PolicyChange
from olo_registry.catalogue.validation import validate_change
from olo_registry.errors import ModelNotFound
from olo_registry.types import Announcement, HardwareType, ModelType


class Catalogue:
    """All models, in the order of their ids.

    Args:
        entries: What is known already.
        max_announced_priority: A wish for a higher priority than this is lowered to it.
    """

    def __init__(self, entries: Iterable[Entry] = (), *, max_announced_priority: int = 1000) -> None:
        self._max_announced_priority = max_announced_priority
        self._entries: dict[str, Entry] = {}
        self._ids: list[str] = []
        self.apply(entries)

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._entries

    def get(self, model_id: str) -> Entry:
        """The model.

        Raises:
            ModelNotFound: There is none.
        """
        try:
            return self._entries[model_id]
        except KeyError:
            raise ModelNotFound("the catalogue has no such model", field="model_id") from None

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return list(self._ids)

    def page(self, after: str, size: int, model_type: ModelType | None) -> tuple[list[Entry], bool]:
        """At most `size` models whose ids come after `after`, and whether there are more."""
        found: list[Entry] = []
        for model_id in self._ids[bisect_right(self._ids, after) :]:
            entry = self._entries[model_id]
            if model_type is None or entry.model_type is model_type:
                if len(found) == size:
                    return found, True
                found.append(entry)
        return found, False

    def admitting(self, said: Announcement, types: tuple[ModelType, HardwareType], now: datetime) -> list[Entry]:
        """What an announcement changes: a new model, or the facts of a known one; never the policy of a known one.

        For an announcement that no other live instance contradicts.
        """
        model_type, hardware_type = types
        known = self._entries.get(said.model_id)
        default_taken = self._default_of(model_type, other_than=said.model_id) is not None
        if known is None:
            new = Entry(
                model_id=said.model_id,
                model_name=said.model_name or said.model_id,
                model_type=model_type,
                priority=min(said.priority, self._max_announced_priority),
                default_flag=said.default_flag and not default_taken,
                enabled=True,
                context_limit=said.context_limit,
                hardware_type=hardware_type,
                embedding_dimension=said.embedding_dimension,
                create_time=now,
                update_time=now,
            )
            return [new]
        changed = replace(
            known,
            model_type=model_type,
            context_limit=said.context_limit,
            hardware_type=hardware_type,
            embedding_dimension=said.embedding_dimension,
            # A model that has changed its type must not become the second default of the new one.
            default_flag=known.default_flag and not (known.model_type is not model_type and default_taken),
        )
        return [] if changed == known else [replace(changed, update_time=now)]

    def changing(self, model_id: str, change: PolicyChange, now: datetime) -> list[Entry]:
        """What the operator's change makes of the catalogue: the model, and the former default where it replaces one.

        Raises:
            ModelNotFound: There is no such model.
            InvalidField: A value is out of range.
        """
        validate_change(change)
        known = self.get(model_id)
        changed = _changed(known, change)
        if changed == known:
            return []
        former = self._default_of(known.model_type, other_than=model_id) if changed.default_flag else None
        cleared = [] if former is None else [replace(former, default_flag=False, update_time=now)]
        return [*cleared, replace(changed, update_time=now)]

    def apply(self, entries: Iterable[Entry]) -> None:
        """Takes over what has been stored."""
        for entry in entries:
            if entry.model_id not in self._entries:
                insort(self._ids, entry.model_id)
            self._entries[entry.model_id] = entry

    def _default_of(self, model_type: ModelType, *, other_than: str) -> Entry | None:
        for entry in self._entries.values():
            if entry.default_flag and entry.model_type is model_type and entry.model_id != other_than:
                return entry
        return None


def _changed(known: Entry, change: PolicyChange) -> Entry:
    values: dict[str, Any] = change.values()
    return replace(known, **values)
