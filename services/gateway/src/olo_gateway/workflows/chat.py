"""The chat workflow: retrieve passages, select models, let the first one answer that can."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run
    from olo_common.errors import OloError
    from olo_common.failures import to_application_error
    from olo_common.payload_room import check_room
    from olo_contracts.queues import CHAT_WORKFLOW, MODEL_HINT_SIGNAL, RUN_QUERY
    from olo_gateway.workflows.generation import Generation
    from olo_gateway.workflows.measuring import CANCELLED, COMPLETED, measure, outcome_of
    from olo_gateway.workflows.parking import Parking
    from olo_gateway.workflows.record import Record
    from olo_gateway.workflows.retrieving import prompt_of
    from olo_gateway.workflows.steps import Deadline


@workflow.defn(name=CHAT_WORKFLOW)
class ChatWorkflow:
    """One durable run."""

    @workflow.init
    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._deadline = Deadline(workflow.info().start_time + request.timeout.ToTimedelta())
        self._record = Record(workflow.info().workflow_id)
        self._parking = Parking(request, self._record, self._deadline)

    @workflow.run
    async def run(self, request: ChatRequest) -> ChatResponse:
        """Answers, or fails with the error that the caller gets and an account of what was tried."""
        try:
            prompt = await prompt_of(request, self._record, self._deadline)
            generation = Generation(request, prompt, self._record, self._parking, self._deadline)
            answer = self._record.complete(await generation.answer())
            check_room(answer)
        except OloError as error:
            measure(self._record.response, outcome_of(error), error.reason, tenant=request.tenant)
            raise to_application_error(error, retryable=False, beside=[self._record.post_mortem()]) from error
        except (Exception, asyncio.CancelledError):
            # A run that leaves the cache of its worker is torn down like a cancelled one, and goes on elsewhere. One
            # that is forgotten without that is closed by the garbage collector, where no workflow could be asked.
            if workflow.cancellation_reason() is not None:
                measure(self._record.response, CANCELLED, tenant=request.tenant)
            raise
        measure(answer, COMPLETED, tenant=request.tenant)
        return answer

    @workflow.signal(name=MODEL_HINT_SIGNAL)
    def model_may_be_there(self) -> None:
        """An instance has announced itself since this run last asked for one."""
        self._parking.hint()

    @workflow.query(name=RUN_QUERY)
    def so_far(self) -> Run:
        """What the run is busy with, and what it has done."""
        return self._record.so_far()
