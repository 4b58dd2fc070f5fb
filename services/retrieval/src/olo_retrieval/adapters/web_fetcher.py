"""Fetches from the public web: resolves a name once, checks every address, and connects to one that was checked."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.robotparser import RobotFileParser

from olo_common.errors import Unavailable
from olo_retrieval.errors import FetchFailed, FetchLimit, RobotsDisallow, UrlForbidden
from olo_retrieval.fetching import Target, is_public, target_of
from olo_retrieval.types import Fetched

_AGENT: Final = "open-llm-orchestrator"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_READ_BYTES = 64 * 1024
_ROBOTS_BYTES = 512 * 1024
_RETRIED = frozenset((408, 425, 429, *range(500, 600)))

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[tuple[str, int], float], socket.socket]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(slots=True)
class WebFetcher:
    """A Fetcher. One page at a time, with a pause after each, and only what robots.txt allows.

    Args:
        max_bytes: Limit of one body.
        seconds: How long one page may take, redirects and all.
        pause_seconds: Between two pages.
        resolve: Gives the addresses of a host.
        connect: Opens a connection to an address and port, within some seconds.
    """

    max_bytes: int
    seconds: float = 30.0
    pause_seconds: float = 1.0
    resolve: Resolve = resolve
    connect: Connect = socket.create_connection
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fetch(self, url: str) -> Fetched:
        """The body behind a URL, and its media type."""
        target = target_of(url)
        async with self._turn:
            try:
                return await asyncio.to_thread(self._fetch, target, time.monotonic() + self.seconds)
            finally:
                await asyncio.sleep(self.pause_seconds)

    def _fetch(self, target: Target, deadline: float) -> Fetched:
        for _ in range(_MOST_REDIRECTS + 1):
            self._ask_robots(target, deadline)
            status, headers, body = self._get(target, deadline, self.max_bytes)
            if status == http.client.OK:
                return Fetched(body, headers.get("Content-Type", ""))
            if status not in _REDIRECTS:
                raise _away() if status in _RETRIED else FetchFailed(status)
            target = target.joined(headers.get("Location", ""))
        raise FetchLimit

    def _ask_robots(self, target: Target, deadline: float) -> None:
        robots = Target(target.scheme, target.host, target.port, "/robots.txt")
        status, _, body = self._get(robots, deadline, _ROBOTS_BYTES)
        # Without robots.txt everything is allowed. A redirect of it is not followed.
        if status in _RETRIED:
            raise _away()
        if status != http.client.OK:
            return
        rules = RobotFileParser()
        rules.parse(body.decode("utf-8", "replace").splitlines())
        if not rules.can_fetch(_AGENT, target.url):
            raise RobotsDisallow

    def _get(self, target: Target, deadline: float, most: int) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(target.host, target.port)
        sock = self._connected(target, deadline)
        # A timeout of the socket bounds each read alone: a slow server could keep us for ever.
        watchdog = threading.Timer(_left(deadline), _shut, (sock,))
        watchdog.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.sock = sock
            connection.request("GET", target.path, headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"})
            response = connection.getresponse()
            body = bytearray()
            while True:
                part = response.read1(_READ_BYTES)
                _left(deadline)
                if not part:
                    return response.status, response.headers, bytes(body)
                body += part
                if len(body) > most:
                    raise FetchLimit
        except (OSError, http.client.HTTPException, ValueError) as error:
            _left(deadline)
            raise _away() from error
        finally:
            watchdog.cancel()
            connection.close()
            sock.close()

    def _connected(self, target: Target, deadline: float) -> socket.socket:
        try:
            addresses = self.resolve(target.host, target.port)
        except OSError as error:
            raise _away() from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise UrlForbidden
        try:
            sock = self.connect((addresses[0], target.port), _left(deadline))
        except OSError as error:
            raise _away() from error
        if target.scheme == "http":
            return sock
        return ssl.create_default_context().wrap_socket(
            sock, server_hostname=target.host.strip("[]"), do_handshake_on_connect=False
        )


def _away() -> Unavailable:
    return Unavailable("the web server does not answer", retry_after=60.0)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchLimit
    return left
