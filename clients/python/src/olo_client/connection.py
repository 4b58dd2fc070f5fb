"""What both clients know of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from olo_client.settings import chosen_tls
from olo_client.tls import Tls

DEFAULT_TARGET = "127.0.0.1:50051"

CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
    # A gateway that is gone without a word is noticed; servers allow a ping every 30 s.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
]

ABANDON_SECONDS = 2.0
"""How long a reader who leaves early waits for the cancelling of its run, which its deadline would end otherwise."""


def open_channel(target: str, tls: Tls | bool | None = None) -> grpc.Channel:
    """A blocking channel to a gateway; `tls` is explained at `Olo`.

    Raises:
        InvalidRequestError: A file of TLS cannot be used.
    """
    if (used := chosen_tls(tls)) is None:
        return grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
    return grpc.secure_channel(target, used.credentials(), options=[*CHANNEL_OPTIONS, *used.options()])


def open_aio_channel(target: str, tls: Tls | bool | None = None) -> grpc.aio.Channel:
    """A channel of asyncio; else as `open_channel`."""
    if (used := chosen_tls(tls)) is None:
        return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(target, used.credentials(), options=[*CHANNEL_OPTIONS, *used.options()])


class Page(Protocol):
    """An answer with a token of the next one."""

    next_page_token: str


P = TypeVar("P", bound=Page)


@dataclass(frozen=True)
class Patience:
    """How long and how often a call is tried.

    Attributes:
        timeout: Seconds for a call, its retries included, unless the call says otherwise.
        attempts: Tries of a call that can safely be repeated; 1 turns retries off.
    """

    timeout: float = 60.0
    attempts: int = 6

    def attempts_for(self, repeatable: bool) -> int:
        """Tries of a call."""
        return self.attempts if repeatable else 1
