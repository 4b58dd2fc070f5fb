"""Having a model make better queries of the question before anything is searched."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio.exceptions import ActivityError, is_cancelled_exception

from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse, SamplingOptions
from olo.router.v1.router_service_pb2 import Candidate, SelectModelsResponse
from olo_common.durations import duration_of
from olo_common.errors import OloError
from olo_common.failures import from_failure
from olo_contracts.queues import SELECT_ACTIVITY
from olo_gateway.convert.rag import rewriting_of
from olo_gateway.convert.routing import select_request
from olo_gateway.convert.runs import messages_of, turns_of
from olo_gateway.prompting.passages import query_of
from olo_gateway.prompting.rewriting import RewritingTask, queries_of, rewriting_task
from olo_gateway.runs.identity import rewriting_id_of
from olo_gateway.workflows.record import Record
from olo_gateway.workflows.steps import Deadline, step
from olo_gateway.workflows.tasks import FREE_SLOT_TIMEOUT, generated

REWRITING_TIME: Final = timedelta(seconds=10)
"""How long the rewriting may take; at most a quarter of the time that the run has."""
SELECT_PATIENCE: Final = timedelta(seconds=2)
"""How long the router may take to say which model rewrites."""
_NOTHING_USABLE: Final = "output_invalid"


async def queries(request: ChatRequest, record: Record, deadline: Deadline) -> list[str]:
    """What is searched for. Where a model should rewrite the question and cannot, the question itself."""
    turns = turns_of(request.messages)
    plain, rewriting = query_of(turns), rewriting_of(request.rag.query_rewriting)
    task = rewriting_task(rewriting, turns)
    if task is None:
        return [plain]
    try:
        said = await _said(task, request, record, deadline)
    except OloError as error:
        record.not_rewritten(error.reason)
        return [plain]
    record.rewritten(said.usage)
    made = queries_of(rewriting, plain, said.text)
    if not made:
        record.not_rewritten(_NOTHING_USABLE)
    return made or [plain]


async def _said(task: RewritingTask, request: ChatRequest, record: Record, deadline: Deadline) -> GenerateResponse:
    time = min(REWRITING_TIME, deadline.left() / 4)
    run_id = record.response.run_id
    wish = select_request(request, run_id, deadline.left(), max_candidates=1)
    selected = await step(SELECT_ACTIVITY, [wish, False], SelectModelsResponse, deadline, min(SELECT_PATIENCE, time))
    candidate: Candidate = selected.candidates[0]
    generate = GenerateRequest(
        # An id of its own: a worker must not take it for a candidate of the run.
        request_id=rewriting_id_of(run_id),
        model_id=candidate.model_id,
        messages=messages_of(task.turns),
        sampling=SamplingOptions(max_tokens=task.max_tokens, temperature=0.0),
        candidate=1,
        timeout=duration_of(time),
    )
    try:
        return await generated(generate, candidate.task_queue, begin=min(FREE_SLOT_TIMEOUT, time), end=time)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise from_failure(error) from error
