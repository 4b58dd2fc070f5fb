"""Errors to `google.rpc.Status` and back: ErrorInfo, BadRequest for a field, RetryInfo for a delay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from olo_common.errors import ERROR_DOMAIN, ErrorCode, OloError, RemoteError

_CODE_BY_NUMBER: Final = {code.value.grpc: code for code in ErrorCode}
_LONGEST_MESSAGE: Final = 700
_LONGEST_FIELD: Final = 200
_LONGEST_FACT: Final = 128
_MOST_FACTS: Final = 8
"""Bytes of UTF-8, and entries: trailers of more than 8 KiB are not read, and the status is lost with them. Each byte of
the message is there up to seven times, as it is spelled there."""
_AWAY: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)


def to_status(error: OloError) -> status_pb2.Status:
    """The rich status of an error, its texts cut to what trailers hold."""
    message, facts = _cut(error.message, _LONGEST_MESSAGE), list(error.metadata.items())[:_MOST_FACTS]
    metadata = {_cut(name, _LONGEST_FACT): _cut(value, _LONGEST_FACT) for name, value in facts}
    details: list[any_pb2.Any] = []

    def add(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo) -> None:
        packed = any_pb2.Any()
        packed.Pack(message)
        details.append(packed)

    add(error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata))
    if error.field is not None:
        field = _cut(error.field, _LONGEST_FIELD)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        add(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        retry_info = error_details_pb2.RetryInfo()
        retry_info.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after))
        add(retry_info)
    return status_pb2.Status(code=error.code.value.grpc, message=message, details=details)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: OloError) -> None:
    """Ends a call with the status of the error. Never returns normally."""
    status = rpc_status.to_status(to_status(error))
    await context.abort(status.code, status.details, trailing_metadata=status.trailing_metadata)


def from_rpc_error(error: grpc.aio.AioRpcError, *, peer: str) -> OloError:
    """The error that a call has failed with.

    A status without details (the peer is away, the deadline has passed) becomes one with the reason
    `dependency_unavailable` or the code's own name; `peer` then names who did not answer. CANCELLED or UNKNOWN
    without details is a peer that was stopped in the middle, and so one that is away: it says why it ends a call of its
    own accord, and whoever cancels a call here gets a CancelledError.
    """
    code = _CODE_BY_NUMBER.get(error.code().value[0], ErrorCode.INTERNAL)
    message = error.details() or f"{peer} failed with {error.code().name}"
    reason, field, retry_after = code.name.lower(), None, None
    metadata: dict[str, str] = {}
    status = _status_of(error)
    for detail in status.details if status is not None else ():
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    if status is None and error.code() in _AWAY:
        return RemoteError(ErrorCode.UNAVAILABLE, "dependency_unavailable", f"{peer} is not reachable", retry_after=1.0)
    return RemoteError(code, reason, message, field=field, retry_after=retry_after, metadata=metadata)


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """The rich status of a call; None where it has none, or one of another end: whoever stands between may end it."""
    try:
        return rpc_status.from_call(error) if error.trailing_metadata() else None
    except (ValueError, DecodeError):
        return None


def _cut(text: str, longest: int) -> str:
    """The beginning of a text, of so many bytes at most; what cannot be sent is `?`."""
    return text.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")
