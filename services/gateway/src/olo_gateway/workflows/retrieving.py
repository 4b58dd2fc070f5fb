"""Finding the passages that a run is to be answered from, or going on without where its caller lets it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio import workflow

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.retrieval.v1.retrieval_service_pb2 import Passage, SearchResponse
from olo_common.errors import ErrorCode, OloError
from olo_contracts.queues import RETRIEVE_ACTIVITY
from olo_gateway.convert.prompts import Prompt
from olo_gateway.convert.rag import search_request
from olo_gateway.prompting.fusion import fused
from olo_gateway.workflows.record import Record
from olo_gateway.workflows.rewriting import queries
from olo_gateway.workflows.steps import Deadline, step

OPTIONAL_PATIENCE: Final = timedelta(seconds=5)
"""How long a run that can do without passages waits for the retrieval service; at most half of the time that it has."""

AROUND_PATCH: Final = "issue-6-text-around-passages"

_AWAY: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.RESOURCE_EXHAUSTED, ErrorCode.INTERNAL})
_MISSING: Final = "collection_not_found"


async def prompt_of(request: ChatRequest, record: Record, deadline: Deadline) -> Prompt:
    """The conversation with its passages: those of an earlier run, or those that are found now.

    Raises:
        OloError: Why there are none, where the caller requires them.
    """
    if request.recorded_passages or request.rag.recorded:
        record.recorded(request.recorded_passages)
        recorded = request.recorded_passages
        return Prompt(request, [each.text for each in recorded], _around([each.context_text for each in recorded]))
    if not request.HasField("rag"):
        return Prompt(request)
    began = workflow.now()
    try:
        found = await _found(request, record, deadline)
    except OloError as error:
        if request.rag.mode != run_pb2.RAG_MODE_OPTIONAL or not (error.code in _AWAY or error.reason == _MISSING):
            raise
        record.unavailable(error.reason, workflow.now() - began)
        return Prompt(request)
    return Prompt(request, [each.text for each in found], _around([each.parent_text for each in found]))


async def _found(request: ChatRequest, record: Record, deadline: Deadline) -> list[Passage]:
    began = workflow.now()
    record.enter(run_pb2.RUN_PHASE_RETRIEVING)
    patience = None
    if request.rag.mode == run_pb2.RAG_MODE_OPTIONAL:
        patience = min(OPTIONAL_PATIENCE, deadline.left() / 2)
    answers: list[SearchResponse] = []
    asked = await queries(request, record, deadline)
    for query in asked:
        search = search_request(request.rag, query, request.tenant)
        answers.append(await step(RETRIEVE_ACTIVITY, [search], SearchResponse, deadline, patience))
    passages = _fused([answer.passages for answer in answers])[: request.rag.top_k]
    record.found(passages, asked, answers[0].retriever, workflow.now() - began)
    return passages


def _around(texts: Sequence[str]) -> Sequence[str]:
    """The texts around passages, for runs that began when these were put before models."""
    return texts if any(texts) and workflow.patched(AROUND_PATCH) else ()


def _fused(rankings: Sequence[Sequence[Passage]]) -> list[Passage]:
    known = {_key(passage): passage for ranking in reversed(rankings) for passage in ranking}
    return [known[key] for key in fused([[_key(passage) for passage in ranking] for ranking in rankings])]


def _key(passage: Passage) -> tuple[str, str]:
    return passage.document_id, passage.chunk_id
