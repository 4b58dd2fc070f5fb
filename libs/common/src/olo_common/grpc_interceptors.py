"""Server interceptors: who asks, and what an exception becomes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from olo_common.errors import OloError
from olo_common.failed_calls import FailedCalls
from olo_common.grpc_draining import drain
from olo_common.logs import logger
from olo_common.rpc_status import abort
from olo_common.structlog_library import bound_contextvars
from olo_common.tracing import ENDLESS_STREAMS, TRACE_HEADERS, span, tracing

REQUEST_ID_KEY = "x-request-id"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


def wrapped(
    handler: Handler | None,
    unary: Callable[[Any, Context, Any], Awaitable[Any]],
    stream: Callable[[Any, Context, Any], AsyncIterator[Any]],
) -> Handler | None:
    """The handler with its behaviour wrapped. Streams in both directions are left as they are: no service has one."""
    if handler is None or (handler.request_streaming and handler.response_streaming):
        return handler

    async def call(request: Any, context: Context) -> Any:
        return await unary(request, context, handler.unary_stream or handler.stream_unary or handler.unary_unary)

    async def call_stream(request: Any, context: Context) -> AsyncIterator[Any]:
        async for response in stream(request, context, handler.unary_stream):
            yield response

    if handler.response_streaming:
        # A streaming behaviour may also be a coroutine that writes to the context, as grpcio's own health service is.
        return grpc.unary_stream_rpc_method_handler(
            call_stream if inspect.isasyncgenfunction(handler.unary_stream) else call,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(
            call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
    )


class TelemetryInterceptor(grpc.aio.ServerInterceptor):
    """Tells of each call: its request id and method in every line of the log, and a span in the trace of its caller.

    The id is the caller's, or a new one. Calls that only end with their caller have no span. OpenTelemetry's own
    interceptor does not know streams that are written to the context.
    """

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Wraps the handler."""
        handler = await continuation(handler_call_details)
        metadata = dict(handler_call_details.invocation_metadata or ())
        request_id = str(metadata.get(REQUEST_ID_KEY) or uuid.uuid4().hex)[:128]
        fields = {"request_id": request_id, "rpc": handler_call_details.method}

        def traced() -> Span:
            return _span(handler_call_details.method, metadata)

        async def unary(request: Any, context: Context, behaviour: Any) -> Any:
            with traced() as current, bound_contextvars(**fields):
                try:
                    return await behaviour(request, context)
                finally:
                    _tell_status(current, context)

        async def stream(request: Any, context: Context, behaviour: Any) -> AsyncIterator[Any]:
            with traced() as current, bound_contextvars(**fields):
                try:
                    async for response in behaviour(request, context):
                        yield response
                finally:
                    _tell_status(current, context)

        return wrapped(handler, unary, stream)


def _span(method: str, metadata: Mapping[str, Any]) -> Span:
    service, _, name = method.lstrip("/").partition("/")
    if not tracing() or service.startswith("grpc.") or name in ENDLESS_STREAMS:
        return INVALID_SPAN
    headers = {key: told for key in TRACE_HEADERS if isinstance(told := metadata.get(key), str)}
    facts = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    return span(method, SpanKind.SERVER, facts, headers=headers)


def _tell_status(current: Span, context: Context) -> None:
    if not current.is_recording():
        return
    # A number, whatever its annotation says; 0 where nobody has set one.
    code: Any = context.code()
    current.set_attribute("rpc.grpc.status_code", code.value[0] if isinstance(code, grpc.StatusCode) else code or 0)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns an `OloError` into its status with details, and anything else into INTERNAL, logged once."""

    def __init__(self) -> None:
        self._failed = FailedCalls("rpc_failed")

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Wraps the handler."""
        handler = await continuation(handler_call_details)

        async def unary(request: Any, context: Context, behaviour: Any) -> Any:
            try:
                return await behaviour(request, context)
            except Exception as error:
                if handler is not None and handler.request_streaming:
                    await drain(request)
                await self._end(context, error)

        async def stream(request: Any, context: Context, behaviour: Any) -> AsyncIterator[Any]:
            responses = behaviour(request, context)
            async with contextlib.aclosing(responses):
                try:
                    async for response in responses:
                        yield response
                except Exception as error:
                    await self._end(context, error)

        return wrapped(handler, unary, stream)

    async def _end(self, context: Context, error: Exception) -> None:
        if isinstance(error, asyncio.CancelledError | grpc.aio.AbortError):
            raise error
        if isinstance(error, OloError):
            self._failed.tell(error)
            await abort(context, error)
        logger(__name__).error("rpc_crashed", exc_info=error)
        await abort(context, OloError("internal error; the log of the service has the details"))
