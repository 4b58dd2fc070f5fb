"""TLS for gRPC servers and channels that use rotated files without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import grpc

from olo_common.tls import Pem, TlsFiles

_RETIREMENT_SECONDS: Final = 86_400.0
"""How long a call may go on over a connection whose certificate was replaced, at most."""

Open = Callable[[grpc.ChannelCredentials], grpc.aio.Channel]


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Each new connection is served by the files as they are then; those that are open go on as they are."""
    served = files.current()

    def replaced() -> grpc.ServerCertificateConfiguration | None:
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


def _credentials(pem: Pem) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(pem.authorities, pem.key or None, pem.certificate or None)


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
        self._pem = files.current()
        self._inner = open_inner(_credentials(self._pem))
        self._retired: dict[asyncio.Task[None], grpc.aio.Channel] = {}

    def now(self) -> grpc.aio.Channel:
        """The channel for new calls."""
        pem = self._files.current()
        if pem is not self._pem:
            retired, self._pem, self._inner = self._inner, pem, self._open(_credentials(pem))
            task = asyncio.get_running_loop().create_task(retired.close(_RETIREMENT_SECONDS), name="channel-retired")
            self._retired[task] = retired
            task.add_done_callback(lambda done: self._retired.pop(done, None))
        return self._inner

    async def __aenter__(self) -> TlsChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes it, and those that were retired, for which the grace holds as well."""
        retired = dict(self._retired)
        for task in retired:
            task.cancel()
        await asyncio.gather(*retired, return_exceptions=True)
        await asyncio.gather(self._inner.close(grace), *(channel.close(grace) for channel in retired.values()))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the connection for new calls."""
        return self.now().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until that is another one."""
        await self.now().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits for the connection."""
        await self.now().channel_ready()

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
        self._channel: grpc.aio.Channel | None = None
        self._method: Callable[..., Coroutine[Any, Any, Any]] | None = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        channel = self._owner.now()
        if self._method is None or channel is not self._channel:
            self._channel, self._method = channel, getattr(channel, self._kind)(*self._arguments, **self._named)
        return self._method(*arguments, **named)
