"""The chat workflow: retrieve passages, select models, let the first one answer that can."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from olo.gateway.v1 import run_pb2
    from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse, Run
    from olo.inference.v1.inference_service_pb2 import ChatMessage
    from olo.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
    from olo_common.errors import OloError
    from olo_common.failures import to_application_error
    from olo_contracts.queues import CHAT_WORKFLOW, MODEL_HINT_SIGNAL, RETRIEVE_ACTIVITY, RUN_QUERY
    from olo_gateway.convert import messages_of, turns_of
    from olo_gateway.prompting.passages import grounded, query_of
    from olo_gateway.workflows.generation import Generation
    from olo_gateway.workflows.parking import Parking
    from olo_gateway.workflows.record import Record
    from olo_gateway.workflows.steps import Deadline, step


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
            messages = await self._messages()
            generation = Generation(request, self._record, self._parking, self._deadline)
            generated = await generation.answer(messages)
        except OloError as error:
            raise to_application_error(error, retryable=False, beside=[self._record.post_mortem()]) from error
        return self._record.complete(generated)

    @workflow.signal(name=MODEL_HINT_SIGNAL)
    def model_may_be_there(self) -> None:
        """An instance has announced itself since this run last asked for one."""
        self._parking.hint()

    @workflow.query(name=RUN_QUERY)
    def so_far(self) -> Run:
        """What the run is busy with, and what it has done."""
        return self._record.so_far()

    async def _messages(self) -> list[ChatMessage]:
        """The conversation, with the passages in it that it is to be answered from."""
        if recorded := self._request.recorded_passages:
            self._record.response.citations.extend(recorded)
            return messages_of(grounded(turns_of(self._request.messages), [passage.text for passage in recorded]))
        return await self._retrieve() if self._request.HasField("rag") else list(self._request.messages)

    async def _retrieve(self) -> list[ChatMessage]:
        """Finds the passages; gives the conversation with them in it."""
        began = workflow.now()
        self._record.enter(run_pb2.RUN_PHASE_RETRIEVING)
        turns, rag = turns_of(self._request.messages), self._request.rag
        query = SearchRequest(
            collection=rag.collection, query=query_of(turns), top_k=rag.top_k, tenant=self._request.tenant
        )
        found = await step(RETRIEVE_ACTIVITY, [query], SearchResponse, self._deadline)
        self._record.found(list(found.passages), workflow.now() - began)
        return messages_of(grounded(turns, [passage.text for passage in found.passages]))
