"""Services of others at the edge: calls are passed on as they are, in the caller's name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from olo_common.grpc_client import call
from olo_common.grpc_interceptors import REQUEST_ID_KEY
from olo_common.grpc_server import Registration
from olo_gateway.access.caller import caller, tenant
from olo_gateway.access.errors import Forbidden

MAX_SECONDS: Final = 60.0

Context = grpc.aio.ServicerContext[Any, Any]


def forwarded(
    service: ServiceDescriptor, channel: grpc.aio.Channel, peer: str, *, only: Collection[str] = ()
) -> Registration:
    """A registration that passes unary calls of a service on over the channel.

    Args:
        service: The service; where its requests have a field `tenant`, it is the caller's, whatever they say, unless
            they are an operator with a key.
        channel: Where its real server is.
        peer: Who that is, for messages.
        only: The calls that are passed on; empty: all.
    """
    methods = [method for method in service.methods if not only or method.name in only]
    handlers = {method.name: _handler(method, channel, peer) for method in methods}

    def add(_: Any, server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])

    return Registration(service, add, None)


def _handler(method: MethodDescriptor, channel: grpc.aio.Channel, peer: str) -> grpc.RpcMethodHandler[Any, Any]:
    request_class, response_class = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    has_tenant = "tenant" in method.input_type.fields_by_name
    remote = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )

    async def forward(request: Any, context: Context) -> Any:
        if has_tenant:
            request.tenant = _tenant(request.tenant)
        seconds = min(context.time_remaining() or MAX_SECONDS, MAX_SECONDS)
        metadata = tuple((k, v) for k, v in context.invocation_metadata() or () if k == REQUEST_ID_KEY)
        return await call(remote, request, peer=peer, timeout=seconds, metadata=metadata)

    return grpc.unary_unary_rpc_method_handler(
        forward, request_deserializer=request_class.FromString, response_serializer=response_class.SerializeToString
    )


def _tenant(wanted: str) -> str:
    """Whose things a call is about.

    Raises:
        Forbidden: The caller has named a tenant that is not theirs.
    """
    who = caller()
    if not who.key_id or wanted in ("", who.tenant):
        return tenant()
    if not who.admin:
        raise Forbidden("this key is of another tenant", field="tenant")
    return wanted
