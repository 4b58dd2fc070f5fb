"""Which callers a gRPC server lets in, by the names in the certificates that they show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any, Final

import grpc

from olo_common.errors import ErrorCode, OloError
from olo_common.grpc_interceptors import Context, Continuation, Handler, wrapped
from olo_common.occasional_log import OccasionalWarning
from olo_common.rpc_status import abort

_HEALTH: Final = "/grpc.health.v1.Health/"
_NAMES: Final = ("peer_dns", "peer_uri")
"""Where gRPC tells the alternative names of a certificate, by their kind."""
_refused = OccasionalWarning("caller_refused")


class CallerNotAllowed(OloError):
    """The caller's certificate is of the right authority, and of nobody who may call this service."""

    code = ErrorCode.PERMISSION_DENIED
    reason = "caller_not_allowed"

    def __init__(self) -> None:
        super().__init__(
            "the caller's certificate holds none of the names that may call this service (OLO_TLS_ALLOWED_CALLERS)"
        )


class CallerInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls in whose caller has shown a certificate with one of these names, and health checks of everybody.

    Args:
        allowed: Names of hosts and URIs, each of which stands whole in a certificate.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Wraps the handler."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if method.startswith(_HEALTH):
            return handler

        async def unary(request: Any, context: Context, behaviour: Any) -> Any:
            self._check(context, method)
            return await behaviour(request, context)

        async def stream(request: Any, context: Context, behaviour: Any) -> AsyncIterator[Any]:
            self._check(context, method)
            async for response in behaviour(request, context):
                yield response

        if handler is not None and handler.request_streaming and handler.response_streaming:
            return self._guarded_both(handler, method)
        return wrapped(handler, unary, stream)

    def _guarded_both(self, handler: Handler, method: str) -> Handler:
        """Streams in both directions, such as the reflection, whose errors nobody else turns into a status."""
        # Its stubs are those of servers with threads.
        behaviour: Any = handler.stream_stream

        async def both(requests: Any, context: Context) -> AsyncIterator[Any]:
            try:
                self._check(context, method)
            except CallerNotAllowed as error:
                await abort(context, error)
            async for response in behaviour(requests, context):
                yield response

        return grpc.stream_stream_rpc_method_handler(
            both, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )

    def _check(self, context: Context, method: str) -> None:
        names = names_of(context.auth_context())
        if self._allowed.isdisjoint(names):
            _refused(name=min(names, default=""), rpc=method)
            raise CallerNotAllowed


def names_of(shown: Mapping[str, Iterable[bytes]]) -> Collection[str]:
    """The names in the certificate of a caller: of hosts, in lower case, and URIs; none where it has shown none."""
    kinds = [[name.decode("utf-8", "replace") for name in shown.get(kind) or ()] for kind in _NAMES]
    hosts, uris = kinds
    # A host whose name looks like a URI is none, and the other way round.
    return {host.lower() for host in hosts if "://" not in host} | {uri for uri in uris if "://" in uri}
