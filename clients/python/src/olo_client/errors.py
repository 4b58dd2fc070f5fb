"""What a call can fail with: one class for each kind of failure, all of them an `OloError`.

OloError                    any failure; INTERNAL and what has no class of its own
+-- InvalidRequestError     the request is wrong; `field` names the part
+-- AuthenticationError     the gateway asks for an API key, and there is none that holds
+-- PermissionDeniedError   the key is not for this
+-- NotFoundError           no such model, collection, document or run
+-- ConflictError           it exists already, or the request id belongs to another request
+-- ExhaustedError          too much at once; `retry_after` says when to come back
+-- UnavailableError        the gateway, or a part behind it, does not answer now
+-- TimeoutError            the deadline has passed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class OloError(Exception):
    """A call has failed.

    Attributes:
        code: Name of the gRPC status, such as `NOT_FOUND`.
        reason: A stable word for programs, such as `model_not_found`.
        message: One sentence for people.
        field: The request field that is wrong, where it is one.
        retry_after: Seconds after which a retry makes sense, where one does.
        metadata: Further facts for programs.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.metadata = dict(metadata or {})

    @property
    def run_failed(self) -> bool:
        """Whether this is the lasting result of a run: the same request id gets it again, another one may do better."""
        return self.metadata.get("run_state") == "failed"


class InvalidRequestError(OloError):
    """The request is wrong; the same one will never succeed."""


class AuthenticationError(OloError):
    """There is no API key, or none that holds."""


class PermissionDeniedError(OloError):
    """The API key is not for this."""


class NotFoundError(OloError):
    """What the request names does not exist."""


class ConflictError(OloError):
    """The request collides with what exists."""


class ExhaustedError(OloError):
    """Too many requests at once."""


class UnavailableError(OloError):
    """A part that the request needs does not answer now."""


class TimeoutError(OloError):
    """The deadline has passed."""


NOT_REACHABLE = "gateway_not_reachable"
"""The reason of an `UnavailableError` that no server has raised: the connection itself failed."""

TLS_FAILED = "tls_failed"
"""The reason of an `UnavailableError` where one side does not accept the certificate of the other, or speaks no TLS."""

TLS_FILES_INVALID = "tls_files_invalid"
"""The reason of an `InvalidRequestError` where the files of TLS here cannot be used."""

_TLS_PROBLEMS = {
    "certificate has expired": "shows a certificate that is expired",
    "CERTIFICATE_VERIFY_FAILED": "shows a certificate of an authority that is not trusted here: set OLO_TLS_CA_FILE "
    "(--ca-file) to the file of its authority",
    "Hostname Verification": "shows a certificate for another name: call it by the name that its certificate holds, or "
    "say that name in OLO_TLS_SERVER_NAME (--server-name)",
    "WRONG_VERSION_NUMBER": "speaks no TLS: leave out --tls and OLO_TLS_CA_FILE, or set OLO_TLS=false",
    "CERTIFICATE_REQUIRED": "asks for a client certificate: set OLO_TLS_CLIENT_CERT_FILE (--client-cert)",
    "handshake failed": "does not agree on TLS: see its log",
}

_CLASSES: dict[grpc.StatusCode, type[OloError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequestError,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ConflictError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: TimeoutError,
}


def error_from_rpc(error: Any, target: str) -> OloError:
    """The error of a failed call, sync or aio, with what its `google.rpc` details say.

    Args:
        error: The `grpc.RpcError`; it must know its code.
        target: Where the call went, for the message of a failed connection.
    """
    code: grpc.StatusCode = error.code()
    kind = _CLASSES.get(code, OloError)
    reason, field, retry_after = code.name.lower(), None, None
    metadata: dict[str, str] = {}
    try:
        status = rpc_status.from_call(error) if error.trailing_metadata() else None
    except (ValueError, DecodeError):
        # Whoever stands between has ended the call in its own way, and left the details of another end.
        status = None
    for detail in status.details if status is not None else ():
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    if status is None and code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN):
        # The gateway says why it ends a call, unless it is being stopped.
        return cut_off()
    if status is None and code is grpc.StatusCode.UNAVAILABLE:
        return _not_reachable(error.details() or "", target)
    message = error.details() or f"the call failed with {code.name}"
    return kind(code.name, reason, message, field=field, retry_after=retry_after, metadata=metadata)


def _not_reachable(details: str, target: str) -> OloError:
    """The error of a connection that did not come about; of what gRPC says, the part that helps."""
    for sign, problem in _TLS_PROBLEMS.items():
        if sign in details:
            return UnavailableError("UNAVAILABLE", TLS_FAILED, f"the gateway at {target} {problem}")
    message = f"no gateway answers at {target}"
    if details.endswith("Socket closed"):
        message += ", or it asks for TLS (--tls, --ca-file) or for a certificate (--client-cert, --client-key)"
    return UnavailableError("UNAVAILABLE", NOT_REACHABLE, message)


def cut_off() -> OloError:
    """The error of a call that ended before its answer was complete."""
    return UnavailableError("UNAVAILABLE", "unavailable", "the call ended before the answer was complete")


def refused_key(key: str) -> str:
    """What to do about a call that was refused for its key, or for want of one."""
    if key:
        return "the gateway does not take this API key: it is wrong, has expired or was revoked"
    return "the gateway asks for an API key: set OLO_API_KEY, or give --api-key-file"
