"""What the losses of a run say of it: when it is suspected, and what its next attempt goes on with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError, TimeoutError, TimeoutType

from olo.inference.v1 import inference_service_pb2 as inference
from olo.inference.v1.inference_service_pb2 import COMPANY_ALONE, COMPANY_OUTSIDE, COMPANY_SHARED, GenerateProgress
from olo_common.errors import ErrorCode, RemoteError
from olo_common.failures import from_failure, to_application_error
from olo_gateway.workflows.losses import Losses
from olo_gateway.workflows.steps import Deadline

NOT_AT_ALL = inference.ISOLATION_UNSPECIFIED
FIRST_TOKEN = inference.ISOLATION_FIRST_TOKEN
WHOLE_ANSWER = inference.ISOLATION_WHOLE_ANSWER


def silence(
    tokens: int | None, company: inference.Company = COMPANY_SHARED, kind: TimeoutType = TimeoutType.HEARTBEAT
) -> TimeoutError:
    """A worker falls silent; None: it has never said a word."""
    told = GenerateProgress(token_ids=range(tokens or 0), company=company, instance_id="i")
    return TimeoutError("silent", type=kind, last_heartbeat_details=[] if tokens is None else [told])


def failure(reason: str, tokens: int, company: inference.Company = COMPANY_SHARED) -> ApplicationError:
    error = RemoteError(ErrorCode.UNAVAILABLE, reason, "it is")
    return to_application_error(error, beside=[GenerateProgress(token_ids=range(tokens), company=company)])


def after(*causes: TimeoutError | ApplicationError) -> Losses:
    losses = Losses(Deadline(datetime.now(UTC) + timedelta(minutes=1)))
    for cause in causes:
        losses.take("m", from_failure(cause), cause)
    return losses


@pytest.mark.parametrize(
    ("causes", "isolation"),
    [
        ([], NOT_AT_ALL),
        ([failure("worker_stopping", 3)], NOT_AT_ALL),
        ([failure("generation_stalled", 0)], NOT_AT_ALL),
        ([failure("engine_lost", 3)], FIRST_TOKEN),
        ([silence(None)], FIRST_TOKEN),
        ([silence(0)], FIRST_TOKEN),
        ([silence(3)], NOT_AT_ALL),
        ([silence(3), silence(3)], FIRST_TOKEN),
        ([silence(3), failure("worker_stopping", 5), silence(5)], FIRST_TOKEN),
        ([silence(3, kind=TimeoutType.SCHEDULE_TO_START)] * 2, NOT_AT_ALL),
        ([silence(3, kind=TimeoutType.START_TO_CLOSE)] * 2, NOT_AT_ALL),
        ([failure("engine_lost", 3), failure("engine_lost", 5)], WHOLE_ANSWER),
        ([failure("engine_lost", 3), failure("engine_lost", 3, COMPANY_ALONE)], FIRST_TOKEN),
        ([silence(0), silence(0, COMPANY_OUTSIDE), silence(None)], FIRST_TOKEN),
        ([silence(0), silence(0, COMPANY_OUTSIDE), silence(4)], WHOLE_ANSWER),
    ],
)
def test_who_was_in_a_dead_engine_is_suspected_and_who_was_there_again_the_more(
    causes: Sequence[TimeoutError | ApplicationError], isolation: inference.Isolation
) -> None:
    assert after(*causes).isolation == isolation


@pytest.mark.parametrize(
    ("cause", "tokens"),
    [
        (silence(3), 3),
        (failure("engine_lost", 3), 3),
        (failure("worker_stopping", 3), 3),
        (failure("generation_stalled", 3), 3),
        (failure("output_invalid", 3), 0),
    ],
)
def test_tokens_are_handed_over_by_who_may_have_been_right(cause: TimeoutError | ApplicationError, tokens: int) -> None:
    losses = after(cause)
    assert len(losses.prefix("m")) == tokens
    assert not losses.prefix("another")
