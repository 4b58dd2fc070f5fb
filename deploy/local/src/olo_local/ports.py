"""Which port each part listens on, and whether it is free."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from olo_local.errors import PortTaken
from olo_local.settings import LocalSettings

HOST = "127.0.0.1"

_USERS: Mapping[str, str] = {
    "temporal": "Temporal",
    "temporal_ui": "Temporal's web interface",
    "nats": "NATS",
    "gateway": "the gateway (gRPC)",
    "gateway_http": "the gateway (HTTP)",
    "registry": "the registry",
    "router": "the router",
    "retrieval": "the retrieval service",
    "llm_worker": "the first llm-worker",
    "llm_worker_mini": "the second llm-worker",
    "embed_worker": "the embed-worker",
    "prometheus": "Prometheus",
}
_OBSERVER = "prometheus"
_MEASURED = ("gateway", "registry", "router", "retrieval", "llm_worker", "llm_worker_mini", "embed_worker")
"""Who offers metrics, in the order of the metrics ports."""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack: by part, and of the metrics of those parts that have some (0: off)."""

    serving: Mapping[str, int]
    metrics: Mapping[str, int]

    def address(self, part: str) -> str:
        """Host and port of a part."""
        return f"{HOST}:{self.serving[part]}"


@dataclass(frozen=True)
class PortUse:
    """A port that has to be free, who needs it, and the variable that moves it."""

    port: int
    user: str
    variable: str


def choose_ports(settings: LocalSettings) -> Ports:
    """The ports that the settings ask for; all of them are free now.

    Raises:
        PortTaken: Naming the port, who needs it and the variable that moves it.
    """
    if settings.ports == "free":
        return _free_ports(settings)
    for use in uses_of(settings):
        if not is_free(use.port):
            raise PortTaken(
                f"port {use.port} is taken, and {use.user} needs it: stop what listens there, "
                f"or set {use.variable} to a free one"
            )
    return Ports(_serving(settings), _metrics(settings))


def uses_of(settings: LocalSettings) -> Iterator[PortUse]:
    """The fixed ports that are needed."""
    for part, port in _serving(settings).items():
        yield PortUse(port, _USERS[part], f"OLO_LOCAL_{part.upper()}_PORT")
    for part, port in _metrics(settings).items():
        if port:
            yield PortUse(port, f"the metrics of {_USERS[part]}", "OLO_LOCAL_METRICS_PORT")


def is_free(port: int) -> bool:
    """Whether the port can be listened on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port of a connection that has just ended may be taken again at once.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _serving(settings: LocalSettings) -> dict[str, int]:
    return {part: int(getattr(settings, f"{part}_port")) for part in _parts(settings)}


def _parts(settings: LocalSettings) -> list[str]:
    return [part for part in _USERS if part != _OBSERVER or settings.observe]


def _metrics(settings: LocalSettings) -> dict[str, int]:
    first = settings.metrics_port
    return {part: first + index if first else 0 for index, part in enumerate(_MEASURED)}


def _free_ports(settings: LocalSettings) -> Ports:
    serving = _parts(settings)
    measured = _MEASURED if settings.observe else ()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in (*serving, *measured)]
    try:
        for probe in sockets:
            probe.bind((HOST, 0))
        numbers = [int(probe.getsockname()[1]) for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()
    metrics = dict.fromkeys(_MEASURED, 0) | dict(zip(measured, numbers[len(serving) :], strict=True))
    return Ports(dict(zip(serving, numbers[: len(serving)], strict=True)), metrics)
