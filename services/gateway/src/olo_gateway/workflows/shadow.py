"""The shadow workflow: another model answers a request that was answered already, and the two are compared."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from olo.gateway.v1.run_pb2 import (
        RUN_STATE_COMPLETED,
        RUN_STATE_FAILED,
        AnswerComparison,
        MirroredAnswer,
        MirroredRequest,
        ShadowRequest,
        ShadowRun,
    )
    from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse
    from olo_common.durations import duration_of
    from olo_common.errors import OloError
    from olo_common.failures import from_failure
    from olo_contracts.queues import MIRROR_ACTIVITY, SHADOW_WORKFLOW
    from olo_gateway.convert.mirroring import GRACE
    from olo_gateway.convert.runs import failed_attempt
    from olo_gateway.runs.comparison import similarity
    from olo_gateway.workflows.steps import Deadline, step
    from olo_gateway.workflows.tasks import FREE_SLOT_TIMEOUT, generated

_FIRST_PAUSE: Final = timedelta(milliseconds=200)
_LONGEST_PAUSE: Final = timedelta(seconds=5)
_MOST_LOOKS: Final = 1000
"""After the answer of one run, about: each is some events of a history. After runs of hours the pauses are longer."""


@workflow.defn(name=SHADOW_WORKFLOW)
class ShadowWorkflow:
    """One mirrored request. A shadow that fails is an outcome, no failure of the workflow, and is not tried again."""

    @workflow.run
    async def run(self, request: ShadowRequest) -> ShadowRun:
        """Waits for the run, lets the shadow answer; gives the comparison, or why there is none."""
        record = ShadowRun(state=RUN_STATE_COMPLETED)
        record.shadow.model_id = request.shadow.model_id
        try:
            mirrored = await _mirrored(request)
        except OloError as error:
            record.skipped = error.message
            return record
        record.answer.CopyFrom(mirrored.answer)
        began = workflow.now()
        try:
            generated = await _generate(request, mirrored)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            failed = failed_attempt(from_failure(error))
            record.state = RUN_STATE_FAILED
            record.failure_reason, record.cause = failed.failure_reason, failed.cause
        else:
            _compare(record, generated)
        record.shadow.duration.CopyFrom(duration_of(workflow.now() - began))
        return record


async def _mirrored(request: ShadowRequest) -> MirroredRequest:
    deadline = Deadline(workflow.info().start_time + request.run_timeout.ToTimedelta() + GRACE)
    pause, longest = _FIRST_PAUSE, max(_LONGEST_PAUSE, request.run_timeout.ToTimedelta() / _MOST_LOOKS)
    while True:
        mirrored = await step(MIRROR_ACTIVITY, [request], MirroredRequest, deadline)
        if mirrored.HasField("answer"):
            return mirrored
        await workflow.sleep(min(pause, deadline.left()))
        pause = min(2 * pause, longest)


async def _generate(request: ShadowRequest, mirrored: MirroredRequest) -> GenerateResponse:
    time = mirrored.timeout.ToTimedelta()
    # An id of its own: a worker must take it neither for the run nor for another candidate of the run.
    task = GenerateRequest(
        request_id=workflow.info().workflow_id,
        model_id=request.shadow.model_id,
        messages=mirrored.messages,
        sampling=mirrored.sampling,
        candidate=1,
        timeout=mirrored.timeout,
    )
    # It had a free slot. Where others have taken that meanwhile, the shadow gives way.
    return await generated(task, request.shadow.task_queue, begin=min(FREE_SLOT_TIMEOUT, time), end=time)


def _compare(record: ShadowRun, generated: GenerateResponse) -> None:
    answer, text = record.answer.text, generated.text
    record.shadow.CopyFrom(
        MirroredAnswer(
            model_id=generated.model_id, text=text, finish_reason=generated.finish_reason, usage=generated.usage
        )
    )
    record.comparison.CopyFrom(
        AnswerComparison(
            equal=answer == text,
            similarity=similarity(answer, text),
            answer_characters=len(answer),
            shadow_characters=len(text),
        )
    )
