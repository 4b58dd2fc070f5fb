"""The error table, row by row, and errors on their way over gRPC and through Temporal failures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.exceptions import ActivityError, RetryState, TimeoutError, TimeoutType

from olo_common.errors import ErrorCode, InvalidField, OloError, RemoteError, Unavailable
from olo_common.failures import from_failure, to_application_error
from olo_common.grpc_client import call, channel
from olo_common.grpc_interceptors import ErrorInterceptor, TelemetryInterceptor
from olo_common.rpc_status import from_rpc_error, to_status
from olo_testing.ports import free_port

ROWS = [
    ("INVALID_ARGUMENT", grpc.StatusCode.INVALID_ARGUMENT, 400, "invalid_request_error", False),
    ("FAILED_PRECONDITION", grpc.StatusCode.FAILED_PRECONDITION, 412, "invalid_request_error", False),
    ("OUT_OF_RANGE", grpc.StatusCode.OUT_OF_RANGE, 416, "invalid_request_error", False),
    ("UNAUTHENTICATED", grpc.StatusCode.UNAUTHENTICATED, 401, "authentication_error", False),
    ("PERMISSION_DENIED", grpc.StatusCode.PERMISSION_DENIED, 403, "permission_error", False),
    ("NOT_FOUND", grpc.StatusCode.NOT_FOUND, 404, "not_found_error", False),
    ("ALREADY_EXISTS", grpc.StatusCode.ALREADY_EXISTS, 409, "conflict_error", False),
    ("ABORTED", grpc.StatusCode.ABORTED, 409, "conflict_error", True),
    ("RESOURCE_EXHAUSTED", grpc.StatusCode.RESOURCE_EXHAUSTED, 429, "rate_limit_error", True),
    ("CANCELLED", grpc.StatusCode.CANCELLED, 499, "cancelled_error", False),
    ("INTERNAL", grpc.StatusCode.INTERNAL, 500, "server_error", False),
    ("UNIMPLEMENTED", grpc.StatusCode.UNIMPLEMENTED, 501, "invalid_request_error", False),
    ("UNAVAILABLE", grpc.StatusCode.UNAVAILABLE, 503, "server_error", True),
    ("DEADLINE_EXCEEDED", grpc.StatusCode.DEADLINE_EXCEEDED, 504, "timeout_error", False),
]


def test_the_table_is_complete() -> None:
    assert [row[0] for row in ROWS] == [code.name for code in ErrorCode]


@pytest.mark.parametrize(("name", "status", "http", "openai_type", "retryable"), ROWS)
def test_row(name: str, status: grpc.StatusCode, http: int, openai_type: str, retryable: bool) -> None:
    row = ErrorCode[name].value
    assert (row.grpc, row.http, row.openai_type, row.retryable) == (status.value[0], http, openai_type, retryable)


class Failing(health_pb2_grpc.HealthServicer):
    """Raises what it is told to: in Check at once, in Watch after one message."""

    def __init__(self) -> None:
        self.error: Exception = ValueError("a secret of the implementation")

    async def Check(self, request: health_pb2.HealthCheckRequest, context: object) -> health_pb2.HealthCheckResponse:
        raise self.error

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: object
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        yield health_pb2.HealthCheckResponse()
        raise self.error


@pytest.fixture
async def failing() -> AsyncIterator[tuple[Failing, health_pb2_grpc.HealthStub]]:
    server = grpc.aio.server(interceptors=[TelemetryInterceptor(), ErrorInterceptor()])
    servicer = Failing()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with channel(f"127.0.0.1:{port}") as opened:
        yield servicer, health_pb2_grpc.HealthStub(opened)
    await server.stop(None)


@pytest.mark.parametrize("code", list(ErrorCode))
async def test_every_code_comes_back_whole(
    failing: tuple[Failing, health_pb2_grpc.HealthStub], code: ErrorCode
) -> None:
    servicer, stub = failing
    sent = RemoteError(code, "some_reason", "what went wrong", field="a.b", retry_after=2.5, metadata={"limit": "7"})
    servicer.error = sent
    with pytest.raises(OloError) as caught:
        await call(stub.Check, health_pb2.HealthCheckRequest(), peer="the test", timeout=5)
    got = caught.value
    assert (got.code, got.reason, got.message, got.field, got.retry_after, got.metadata) == (
        code,
        "some_reason",
        "what went wrong",
        "a.b",
        2.5,
        {"limit": "7"},
    )


@pytest.mark.parametrize("letter", ["x", "ü", "語", "🙂", "\ud800", "%"])
async def test_an_error_of_many_words_keeps_its_code_and_its_reason(
    failing: tuple[Failing, health_pb2_grpc.HealthStub], letter: str
) -> None:
    servicer, stub = failing
    long = letter * 20_000
    facts = {f"{number}{long}": long for number in range(50)}
    code = ErrorCode.FAILED_PRECONDITION
    servicer.error = RemoteError(code, "some_reason", long, field=long, retry_after=2.5, metadata=facts)
    with pytest.raises(OloError) as caught:
        await call(stub.Check, health_pb2.HealthCheckRequest(), peer="the test", timeout=5)
    got = caught.value
    assert (got.code, got.reason, got.retry_after) == (code, "some_reason", 2.5)
    assert got.message in long.replace("\ud800", "?")
    assert len(got.message.encode()) > 690
    assert got.field


@pytest.mark.parametrize("details", [to_status(InvalidField("a", "b")).SerializeToString(), b"\xff\xff"])
def test_the_details_of_another_end_than_that_of_the_call_are_no_crash(details: bytes) -> None:
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", details))
    cut = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), trailers, details="too large")
    error = from_rpc_error(cut, peer="the router")
    assert (error.code, error.reason, error.message) == (
        ErrorCode.RESOURCE_EXHAUSTED,
        "resource_exhausted",
        "too large",
    )


async def test_an_unexpected_exception_tells_nothing(failing: tuple[Failing, health_pb2_grpc.HealthStub]) -> None:
    _, stub = failing
    with pytest.raises(OloError) as caught:
        await call(stub.Check, health_pb2.HealthCheckRequest(), peer="the test", timeout=5)
    assert caught.value.code is ErrorCode.INTERNAL
    assert "secret" not in caught.value.message


async def test_a_stream_fails_in_the_middle_with_its_error(
    failing: tuple[Failing, health_pb2_grpc.HealthStub],
) -> None:
    servicer, stub = failing
    servicer.error = InvalidField("top_k", "must be at most 50")
    responses = stub.Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert await responses.read() == health_pb2.HealthCheckResponse()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await responses.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_peer_that_is_away_is_named() -> None:
    async with channel(f"127.0.0.1:{free_port()}") as opened:
        with pytest.raises(OloError) as caught:
            stub = health_pb2_grpc.HealthStub(opened)
            await call(stub.Check, health_pb2.HealthCheckRequest(), peer="the router", timeout=5)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert caught.value.reason == "dependency_unavailable"
    assert caught.value.message == "the router is not reachable"


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE])
def test_a_peer_that_ends_a_call_and_does_not_say_why_is_away(code: grpc.StatusCode) -> None:
    # What a server gives that a call reaches while it stops; which of them depends on the moment.
    cut = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="CANCELLED")
    error = from_rpc_error(cut, peer="the router")
    assert (error.code, error.reason) == (ErrorCode.UNAVAILABLE, "dependency_unavailable")
    assert (error.message, error.retry_after) == ("the router is not reachable", 1.0)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_through_a_temporal_failure_and_back(code: ErrorCode) -> None:
    sent = RemoteError(code, "some_reason", "what went wrong", field="model", retry_after=1.0, metadata={"a": "b"})
    failure = to_application_error(sent)
    assert failure.non_retryable is not code.value.retryable
    got = from_failure(_as_activity_error(failure))
    assert (got.code, got.reason, got.message, got.field, got.retry_after, got.metadata) == (
        code,
        "some_reason",
        "what went wrong",
        "model",
        1.0,
        {"a": "b"},
    )


def test_timeouts_have_reasons() -> None:
    reasons = {
        kind: from_failure(_as_activity_error(TimeoutError("late", type=kind, last_heartbeat_details=[]))).reason
        for kind in TimeoutType
    }
    assert reasons[TimeoutType.SCHEDULE_TO_START] == "schedule_to_start_timeout"
    assert reasons[TimeoutType.HEARTBEAT] == "heartbeat_timeout"
    assert reasons[TimeoutType.START_TO_CLOSE] == "deadline_exceeded"


def test_an_unknown_failure_tells_nothing() -> None:
    got = from_failure(RuntimeError("a secret"))
    assert got.code is ErrorCode.INTERNAL
    assert "secret" not in got.message


def test_leaves_know_their_rows() -> None:
    assert Unavailable("x").retryable
    assert not InvalidField("f", "x").retryable
    assert InvalidField("f", "is bad").message == "f: is bad"


def _as_activity_error(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="a",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error
