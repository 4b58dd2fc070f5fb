"""The chat workflow: retrieve passages, select models, let the first one answer that can."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
    from olo.inference.v1.inference_service_pb2 import (
        ROLE_ASSISTANT,
        ChatMessage,
        GenerateProgress,
        GenerateRequest,
        GenerateResponse,
    )
    from olo.retrieval.v1.retrieval_service_pb2 import SearchRequest, SearchResponse
    from olo.router.v1.router_service_pb2 import Candidate, SelectModelsRequest, SelectModelsResponse
    from olo_common.errors import OloError, Unavailable
    from olo_common.temporal import from_failure, to_application_error
    from olo_contracts.queues import CHAT_WORKFLOW, GENERATE_ACTIVITY, RETRIEVE_ACTIVITY, SELECT_ACTIVITY
    from olo_gateway.convert import citation_of, duration_of, messages_of, turns_of
    from olo_gateway.errors import DeadlineExceeded, RequestPoisoned
    from olo_gateway.prompting.citations import cited_numbers
    from olo_gateway.prompting.passages import grounded, query_of
    from olo_gateway.routing import keep, select_request
    from olo_gateway.runs.attempts import (
        MAX_WORKERS_LOST,
        NOT_AGAIN_ON_THE_SAME_MODEL,
        WORKER_LOST,
        Verdict,
        conclusion,
        verdict,
        worth_another_round,
    )

MAX_CANDIDATES: Final = 3

STEP_TIMEOUT: Final = timedelta(seconds=6)
STEPS_TIMEOUT: Final = timedelta(seconds=30)
"""How long the tries of a step may take together: long enough for a peer that is being restarted on a busy machine."""
STEP_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2), maximum_attempts=0
)
STEP_SLOT: Final = timedelta(milliseconds=1)
"""Longer pauses between tries are timers, and these are all pauses: a run that waits for a peer must not hold a slot of
the worker meanwhile, or those whose answers are there already cannot end."""

FREE_SLOT_TIMEOUT: Final = timedelta(seconds=5)
"""How long a model that had a free slot may take to begin; then it is taken for dead."""
RESUME_TIMEOUT: Final = timedelta(seconds=1)
"""How long another instance may take to resume what a lost one has begun; about the least that Temporal can measure."""
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=4)
GENERATE_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=100),
    maximum_attempts=2,
    non_retryable_error_types=NOT_AGAIN_ON_THE_SAME_MODEL,
)
"""The second attempt resumes what an instance that stops hands over, on another one or on itself after a restart."""

R = TypeVar("R")


@workflow.defn(name=CHAT_WORKFLOW)
class ChatWorkflow:
    """One durable run."""

    @workflow.run
    async def run(self, request: ChatRequest) -> ChatResponse:
        """Answers, or fails with the error that the caller gets."""
        self._request = request
        self._deadline: datetime = workflow.info().start_time + request.timeout.ToTimedelta()
        self._response = ChatResponse(run_id=workflow.info().workflow_id)
        self._candidate = 0
        self._prefix: list[int] = []
        self._prefix_model = ""
        self._lost = 0
        try:
            messages = await self._messages()
            generated = await self._generate(messages)
        except OloError as error:
            raise to_application_error(error, retryable=False) from error
        return self._complete(generated)

    async def _messages(self) -> list[ChatMessage]:
        """The conversation, with the passages in it that it is to be answered from."""
        if recorded := self._request.recorded_passages:
            self._response.citations.extend(recorded)
            return messages_of(grounded(turns_of(self._request.messages), [passage.text for passage in recorded]))
        return await self._retrieve() if self._request.HasField("rag") else list(self._request.messages)

    async def _retrieve(self) -> list[ChatMessage]:
        """Finds the passages; gives the conversation with them in it."""
        began = workflow.now()
        turns, rag = turns_of(self._request.messages), self._request.rag
        query = SearchRequest(
            collection=rag.collection, query=query_of(turns), top_k=rag.top_k, tenant=self._request.tenant
        )
        found = await self._step(RETRIEVE_ACTIVITY, query, SearchResponse)
        self._response.citations.extend(citation_of(number, p) for number, p in enumerate(found.passages, 1))
        self._response.timings.retrieve.CopyFrom(duration_of(workflow.now() - began))
        return messages_of(grounded(turns, [passage.text for passage in found.passages]))

    async def _generate(self, messages: Sequence[ChatMessage]) -> GenerateResponse:
        """Lets the candidates try, one after the other, until one has answered.

        Where none has, and waiting may help, the router is asked once more: what is dead has lost its lease by then,
        and what is alive but busy is waited for.
        """
        failures: list[OloError] = []
        for patient in (False, True):
            for candidate in await self._select():
                self._candidate += 1
                outcome = await self._attempt(candidate, messages, patient=patient)
                if isinstance(outcome, OloError) and outcome.reason == WORKER_LOST:
                    failures.append(outcome)
                    self._quarantine()
                    outcome = await self._resume(candidate, messages)
                if isinstance(outcome, GenerateResponse):
                    return outcome
                failures.append(outcome)
                self._quarantine()
                if verdict(outcome, other_models=self._others_may_answer) is Verdict.GIVE_UP:
                    raise outcome
            if not worth_another_round(failures):
                break
        raise conclusion(failures, named=not self._others_may_answer)

    async def _resume(self, candidate: Candidate, messages: Sequence[ChatMessage]) -> GenerateResponse | OloError:
        """Lets another instance of the model continue what a lost one has begun; there may be none, so not for long.

        It is listed as a candidate of its own, so that its chunks supersede those of the lost one, should that wake up.
        """
        self._response.selection.candidates.insert(self._candidate, candidate)
        self._candidate += 1
        return await self._attempt(candidate, messages, patient=False, wait=RESUME_TIMEOUT)

    def _quarantine(self) -> None:
        if self._lost >= MAX_WORKERS_LOST:
            raise RequestPoisoned

    async def _select(self) -> list[Candidate]:
        """Asks the router; gives the candidates.

        Their numbers, by which they supersede each other, are their places in a list that grows over the whole run.
        """
        began = workflow.now()
        wish = select_request(self._request, self._response.run_id, self._left(), MAX_CANDIDATES)
        selected = await self._step(SELECT_ACTIVITY, wish, SelectModelsResponse)
        selection = self._response.selection
        self._candidate = len(selection.candidates)
        for candidate in selected.candidates:
            # Callers learn which model, not where it is.
            candidate.ClearField("address")
        selection.candidates.extend(selected.candidates)
        del selection.rejections[:]
        selection.rejections.extend(selected.rejections)
        keep(selection, selected)
        spent = self._response.timings.select.ToTimedelta() + (workflow.now() - began)
        self._response.timings.select.CopyFrom(duration_of(spent))
        return list(selected.candidates)

    async def _attempt(
        self,
        candidate: Candidate,
        messages: Sequence[ChatMessage],
        *,
        patient: bool,
        wait: timedelta = FREE_SLOT_TIMEOUT,
    ) -> GenerateResponse | OloError:
        """Lets one candidate try, and records how it went."""
        number, began, left = self._candidate, workflow.now(), self._left()
        if patient or candidate.at_capacity or not candidate.free_slots:
            wait = left
        task = GenerateRequest(
            request_id=self._response.run_id,
            model_id=candidate.model_id,
            messages=messages,
            sampling=self._request.sampling,
            candidate=number,
            stream=self._request.stream,
            timeout=duration_of(left),
            prefix_token_ids=self._prefix if candidate.model_id == self._prefix_model else (),
        )
        outcome: GenerateResponse | OloError
        try:
            outcome = await workflow.execute_activity(
                GENERATE_ACTIVITY,
                task,
                result_type=GenerateResponse,
                task_queue=candidate.task_queue,
                schedule_to_start_timeout=min(wait, left),
                start_to_close_timeout=left,
                schedule_to_close_timeout=left,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                retry_policy=GENERATE_RETRY,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            outcome = from_failure(error)
            self._keep(candidate.model_id, error.cause)
        attempt = self._response.attempts.add(candidate=number, model_id=candidate.model_id)
        attempt.failure_reason = outcome.reason if isinstance(outcome, OloError) else ""
        attempt.duration.CopyFrom(duration_of(workflow.now() - began))
        return outcome

    def _keep(self, model_id: str, cause: BaseException | None) -> None:
        """Counts a worker that was lost over the request, and keeps the tokens that it has told of to continue them."""
        told = cause.last_heartbeat_details if isinstance(cause, TimeoutError) else ()
        if not told or not isinstance(told[0], GenerateProgress):
            # It never said a word: a task may also be handed to the open poll of an instance that was paused.
            return
        self._lost += 1
        if told[0].token_ids:
            self._prefix, self._prefix_model = list(told[0].token_ids), model_id

    def _complete(self, generated: GenerateResponse) -> ChatResponse:
        response = self._response
        response.model = generated.model_id
        response.message.CopyFrom(ChatMessage(role=ROLE_ASSISTANT, content=generated.text))
        response.finish_reason = generated.finish_reason
        response.usage.CopyFrom(generated.usage)
        response.selection.chosen_index = response.attempts[-1].candidate - 1
        cited = cited_numbers(generated.text, len(response.citations))
        for citation in response.citations:
            citation.cited = citation.index in cited
        tried = sum((attempt.duration.ToTimedelta() for attempt in response.attempts), timedelta())
        response.timings.generate.CopyFrom(duration_of(tried))
        response.timings.total.CopyFrom(duration_of(workflow.now() - workflow.info().start_time))
        return response

    async def _step(self, name: str, argument: SearchRequest | SelectModelsRequest, result_type: type[R]) -> R:
        """Runs a local activity."""
        try:
            result: R = await workflow.execute_local_activity(
                name,
                argument,
                result_type=result_type,
                start_to_close_timeout=STEP_TIMEOUT,
                schedule_to_close_timeout=min(STEPS_TIMEOUT, self._left()),
                retry_policy=STEP_RETRY,
                local_retry_threshold=STEP_SLOT,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            if isinstance(error.cause, TimeoutError) and workflow.now() < self._deadline:
                raise Unavailable(f"the step {name} was not answered in time", retry_after=1.0) from error
            raise from_failure(error) from error
        return result

    @property
    def _others_may_answer(self) -> bool:
        return not self._request.model or self._request.allow_fallback

    def _left(self) -> timedelta:
        left = self._deadline - workflow.now()
        if left <= timedelta():
            raise DeadlineExceeded("the run's time is over")
        return left
