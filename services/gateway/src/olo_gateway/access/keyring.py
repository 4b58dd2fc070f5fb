"""The keys that hold now, and whose they are."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from olo_contracts.api_keys import hash_of, id_of
from olo_gateway.access.allowance import Allowance
from olo_gateway.access.caller import Caller
from olo_gateway.access.errors import KeyRefused
from olo_gateway.access.records import KeyRecord, utc_now
from olo_gateway.runs.admission.priority import Priority

_NOBODY: Final = hash_of("")
"""What keys are compared with that have no record, so that it takes as long."""


class Keyring:
    """Finds callers by their keys.

    Args:
        now: The time of day, in UTC.
        clock: Monotonic seconds.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, clock: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._clock = clock
        self._callers: Mapping[str, tuple[KeyRecord, Caller]] = {}

    def replace(self, records: Mapping[str, KeyRecord]) -> None:
        """Puts other keys in the place of all. One that stays has used what it has used."""
        self._callers = {key_id: (record, self._caller(record)) for key_id, record in records.items()}

    @property
    def size(self) -> int:
        """Keys that hold now."""
        now = self._now()
        return sum(record.holds(now) for record, _ in self._callers.values())

    def find(self, key: str) -> Caller:
        """Whose key this is.

        Raises:
            KeyRefused: It is nobody's, or no longer; it says not which.
        """
        record, found = self._callers.get(id_of(key), (None, None))
        same = hmac.compare_digest(hash_of(key), record.hash if record else _NOBODY)
        if not same or record is None or found is None or not record.holds(self._now()):
            raise KeyRefused
        return found

    def _caller(self, record: KeyRecord) -> Caller:
        limits = record.limits.limits
        _, before = self._callers.get(record.id, (None, None))
        kept = before.allowance if before else None
        return Caller(
            tenant=record.tenant,
            admin="admin" in record.roles,
            key_id=record.id,
            models=frozenset(record.models),
            highest=Priority[record.limits.priority.upper()],
            allowance=kept if kept is not None and kept.limits == limits else Allowance(limits, self._clock),
        )
