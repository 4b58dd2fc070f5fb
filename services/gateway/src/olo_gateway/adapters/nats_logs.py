"""The last lines of all services' logs, as they tell them on NATS; those of this process without it, too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, Final

from olo_common.journal import BATCH, LOGS_ASKED_SUBJECT, LOGS_SUBJECT, Journal, journal
from olo_common.log_fields import FIELDS, plain
from olo_common.nats_bus import NatsBus
from olo_gateway.ports import LogQuestion

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
KEPT: Final = 2000
"""Lines of each service."""
_SERVICES: Final = 32
_BYTES: Final = 1024 * 1024
"""Of one batch."""

Line = Mapping[str, Any]


class NatsLogs:
    """Rings of lines, one for each service.

    Args:
        own: The journal of this process.
    """

    def __init__(self, own: Journal | None) -> None:
        self._own = own
        self._rings: dict[str, dict[object, Line]] = {}
        self._dropped = 0

    async def heard(self, _: str, payload: bytes) -> None:
        """Takes a batch. What is no line of a log is left out: anyone on the bus may have sent it."""
        if len(payload) > _BYTES:
            return
        told = json.loads(payload)
        dropped = told["dropped"]
        self._dropped += dropped if isinstance(dropped, int) and dropped > 0 else 0
        for each in told["lines"][:BATCH]:
            line = _checked(each)
            if line is None or (self._own is not None and line.get("process") == self._own.process):
                continue
            ring = self._ring(line["service"])
            # Lines are sent again where another gateway asks for them.
            ring.setdefault((line.get("process"), line.get("number")), line)
            if len(ring) > KEPT:
                del ring[next(iter(ring))]

    def _ring(self, service: str) -> dict[object, Line]:
        if service not in self._rings and len(self._rings) >= _SERVICES:
            # Whoever was silent longest makes room.
            del self._rings[min(self._rings, key=lambda name: max(map(_moment, self._rings[name].values())))]
        return self._rings.setdefault(service, {})

    def lines(self, question: LogQuestion) -> Sequence[Line]:
        """See `ports.RecentLogs`."""
        least = LEVELS.index(question.level) if question.level else 0
        fitting = (
            line
            for line in self._all()
            if LEVELS.index(line["level"]) >= least
            and question.service in ("", line["service"])
            and question.run_id in ("", line.get("run_id"), line.get("request_id"))
        )
        return sorted(fitting, key=_moment)[-question.limit :]

    @property
    def services(self) -> Sequence[str]:
        """See `ports.RecentLogs`."""
        return sorted({str(line["service"]) for line in self._all()})

    @property
    def dropped(self) -> int:
        """See `ports.RecentLogs`."""
        return self._dropped

    def _all(self) -> Iterable[Line]:
        own = list(self._own.lines) if self._own is not None else []
        return chain(filter(None, map(_checked, own)), *(list(ring.values()) for ring in self._rings.values()))


@asynccontextmanager
async def nats_logs(bus: NatsBus) -> AsyncIterator[NatsLogs]:
    """Hears lines while entered."""
    logs = NatsLogs(journal())
    subscription = await bus.subscribe(f"{LOGS_SUBJECT}.*", logs.heard)

    async def ask() -> None:
        await bus.publish_quietly(LOGS_ASKED_SUBJECT, b"")

    bus.on_connect(ask)
    if bus.connected:
        await ask()
    try:
        yield logs
    finally:
        await subscription.close()


def _moment(line: Line) -> str:
    return str(line["timestamp"])


def _checked(line: object) -> Line | None:
    """The listed fields of a line; None where it is none."""
    if not isinstance(line, Mapping) or line.get("level") not in LEVELS:
        return None
    if not all(isinstance(line.get(name), str) for name in ("timestamp", "event", "service")):
        return None
    return {name: plain(name, value) for name, value in line.items() if name in FIELDS and _is_plain(value)}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
