"""The guard of the RPCs: no handler runs before it is known who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from olo_common.errors import OloError
from olo_common.grpc_draining import drain
from olo_common.grpc_interceptors import Context, Continuation, Handler, wrapped
from olo_common.logs import logger
from olo_common.rpc_status import abort
from olo_gateway.access.caller import Caller, acting
from olo_gateway.access.credentials import permitted
from olo_gateway.access.errors import Forbidden, RateLimited
from olo_gateway.access.keyring import Keyring
from olo_gateway.rpc.needs import need_of
from olo_gateway.telemetry import count_denial


class KeyInterceptor(grpc.aio.ServerInterceptor):
    """Lets calls in by their keys.

    Args:
        keys: Who there is.
    """

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Passes a call on in its caller's name, or refuses it."""
        handler = await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata or ()
        headers = [(key, value) for key, value in metadata if isinstance(value, str)]
        try:
            who = permitted(headers, need_of(handler_call_details.method), self._keys)
            with acting(who), _counted():
                who.charge()
        except RateLimited as error:
            return _refusing(handler, error)
        except OloError as error:
            logger(__name__).info("rpc_refused", code=error.code.name, reason=error.reason)
            count_denial(error.reason)
            return _refusing(handler, error)
        return _acting(handler, who)


def _acting(handler: Handler | None, who: Caller) -> Handler | None:
    async def unary(request: Any, context: Context, behaviour: Any) -> Any:
        with acting(who), _counted():
            return await behaviour(request, context)

    async def stream(request: Any, context: Context, behaviour: Any) -> AsyncIterator[Any]:
        with acting(who), _counted():
            async for response in behaviour(request, context):
                yield response

    return wrapped(handler, unary, stream)


@contextmanager
def _counted() -> Iterator[None]:
    try:
        yield
    except (Forbidden, RateLimited) as error:
        count_denial(error.reason)
        raise


def _refusing(handler: Handler | None, error: OloError) -> Handler | None:
    """A handler of the same kind that refuses; of streams in both directions, too, such as the reflection."""

    async def refuse(_: Any, context: Context) -> Any:
        await abort(context, error)

    async def refuse_upload(requests: Any, context: Context) -> Any:
        await drain(requests)
        await abort(context, error)

    if handler is None:
        return None
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(refuse_upload)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)
