"""The API key in every call of a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc

_NAME = "authorization"


class KeyInCalls(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the key to calls of a blocking channel."""

    def __init__(self, key: str) -> None:
        self._added = (_NAME, f"Bearer {key}")

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """See grpc."""
        return continuation(_with(details, self._added), request)

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """See grpc."""
        return continuation(_with(details, self._added), request)

    def intercept_stream_unary(self, continuation: Callable[..., Any], details: Any, request_iterator: Any) -> Any:
        """See grpc."""
        return continuation(_with(details, self._added), request_iterator)

    def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, request_iterator: Any) -> Any:
        """See grpc."""
        return continuation(_with(details, self._added), request_iterator)


class KeyInUnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the key to calls of an aio channel. There, each kind of call wants a class of its own."""

    def __init__(self, key: str) -> None:
        self._added = (_NAME, f"Bearer {key}")

    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """See grpc."""
        return await continuation(_with_aio(details, self._added), request)


class KeyInAnsweringStreams(grpc.aio.UnaryStreamClientInterceptor):
    """See `KeyInUnaryCalls`."""

    def __init__(self, key: str) -> None:
        self._added = (_NAME, f"Bearer {key}")

    async def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        """See grpc."""
        return await continuation(_with_aio(details, self._added), request)


class KeyInAskingStreams(grpc.aio.StreamUnaryClientInterceptor):
    """See `KeyInUnaryCalls`."""

    def __init__(self, key: str) -> None:
        self._added = (_NAME, f"Bearer {key}")

    async def intercept_stream_unary(
        self, continuation: Callable[..., Any], details: Any, request_iterator: Any
    ) -> Any:
        """See grpc."""
        return await continuation(_with_aio(details, self._added), request_iterator)


def key_in_aio_calls(key: str) -> Sequence[grpc.aio.ClientInterceptor]:
    """What adds the key to every call of an aio channel; nothing where there is no key."""
    return [KeyInUnaryCalls(key), KeyInAnsweringStreams(key), KeyInAskingStreams(key)] if key else []


class _Details(grpc.ClientCallDetails):
    def __init__(self, details: Any, metadata: Any) -> None:
        self.method = details.method
        self.timeout = details.timeout
        self.metadata = metadata
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


def _with(details: Any, added: tuple[str, str]) -> _Details:
    return _Details(details, [*(details.metadata or ()), added])


def _with_aio(details: Any, added: tuple[str, str]) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), added)
    return grpc.aio.ClientCallDetails(
        details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
    )
