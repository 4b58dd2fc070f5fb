"""TLS for gRPC servers and channels that use rotated files without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self

import grpc

from olo_common.tls import Pem, TlsFiles

_PROBLEMS: Final = {
    "certificate has expired": "the certificate of the peer is expired",
    "CERTIFICATE_VERIFY_FAILED": "the certificate of the peer is of no authority in OLO_TLS_CA_FILE",
    "Hostname Verification": "the certificate of the peer holds another name; see OLO_TLS_SERVER_NAME",
    "WRONG_VERSION_NUMBER": "the peer speaks no TLS; unset OLO_TLS_CA_FILE here or set OLO_TLS_CERT_FILE there",
    "CERTIFICATE_REQUIRED": "the peer asks for a certificate; set OLO_TLS_CLIENT_CERT_FILE",
    "handshake failed": "the peer does not agree on TLS",
}

Open = Callable[[grpc.ChannelCredentials], grpc.aio.Channel]


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Each new connection is served by the files as they are then; those that are open go on as they are."""
    served = files.current()

    def replaced() -> Any:  # None, which the stubs do not know, means that nothing has changed
        nonlocal served
        pem = files.current()
        if pem is served:
            return None
        served = pem
        return _configuration(pem)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(served), replaced, require_client_authentication=files.authorities is not None
    )


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], pem.authorities or None)


def handshake_problem(details: str) -> str:
    """What is wrong between the certificates of two sides, by what gRPC says of a call that was never made."""
    return next((problem for sign, problem in _PROBLEMS.items() if sign in details), "")


class _Inner:
    """A channel with one certificate, and how many calls are on it."""

    def __init__(self, pem: Pem, channel: grpc.aio.Channel) -> None:
        self.pem = pem
        self.channel = channel
        self.calls = 0


class TlsChannel(grpc.aio.Channel):
    """A channel whose new calls go by the files as they are then.

    gRPC gives a channel its certificate once, for life. So another channel takes the place of the one inside when the
    files have changed, and the old one is closed when the last call on it has ended.

    Args:
        files: Of this side of the connection.
        open_inner: Makes a channel.
    """

    def __init__(self, files: TlsFiles, open_inner: Open) -> None:
        self._files = files
        self._open = open_inner
        self._inner = self._opened(files.current())
        self._retired: set[_Inner] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def now(self) -> _Inner:
        """The channel for new calls."""
        pem = self._files.current()
        if pem is not self._inner.pem:
            retired, self._inner = self._inner, self._opened(pem)
            self._retired.add(retired)
            self._close_if_unused(retired)
        return self._inner

    def began(self, inner: _Inner, call: Any) -> None:
        """Counts a call until it ends."""
        inner.calls += 1
        call.add_done_callback(lambda _: self._ended(inner))

    def _ended(self, inner: _Inner) -> None:
        inner.calls -= 1
        self._close_if_unused(inner)

    def _close_if_unused(self, inner: _Inner) -> None:
        if inner in self._retired and not inner.calls:
            self._retired.discard(inner)
            task = asyncio.get_running_loop().create_task(inner.channel.close(), name="retired-channel")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _opened(self, pem: Pem) -> _Inner:
        credentials = grpc.ssl_channel_credentials(pem.authorities, pem.key or None, pem.certificate or None)
        return _Inner(pem, self._open(credentials))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes it, and those that were retired, for which the grace holds as well."""
        left, self._retired = [self._inner, *self._retired], set()
        await asyncio.gather(*(inner.channel.close(grace) for inner in left), *self._closing)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the connection for new calls."""
        return self.now().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until that is another one."""
        await self.now().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits for the connection."""
        await self.now().channel.channel_ready()

    def unary_unary(self, *arguments: Any, **named: Any) -> Any:
        """A method with one request and one response."""
        return _Method(self, "unary_unary", arguments, named)

    def unary_stream(self, *arguments: Any, **named: Any) -> Any:
        """A method with one request and a stream of responses."""
        return _Method(self, "unary_stream", arguments, named)

    def stream_unary(self, *arguments: Any, **named: Any) -> Any:
        """A method with a stream of requests and one response."""
        return _Method(self, "stream_unary", arguments, named)

    def stream_stream(self, *arguments: Any, **named: Any) -> Any:
        """A method with streams of both."""
        return _Method(self, "stream_stream", arguments, named)


class _Method:
    """A method of whichever channel is the current one when it is called."""

    def __init__(self, owner: TlsChannel, kind: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._owner = owner
        self._kind = kind
        self._arguments = arguments
        self._named = named
        self._inner: _Inner | None = None
        self._method: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        inner = self._owner.now()
        if self._method is None or inner is not self._inner:
            self._inner, self._method = inner, getattr(inner.channel, self._kind)(*self._arguments, **self._named)
        call = self._method(*arguments, **named)
        self._owner.began(inner, call)
        return call
