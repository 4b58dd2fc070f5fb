"""Letting the candidates try, one after the other, until one has answered or none is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, is_cancelled_exception

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatRequest
from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse
from olo.router.v1.router_service_pb2 import Candidate, SelectModelsResponse
from olo_common.durations import duration_of
from olo_common.errors import OloError
from olo_common.failures import from_failure
from olo_contracts.queues import SELECT_ACTIVITY
from olo_gateway.convert.prompts import Fit, Prompt
from olo_gateway.convert.routing import select_request
from olo_gateway.runs.attempts import (
    CONTEXT_TOO_LONG,
    NOT_AGAIN_ON_THE_SAME_MODEL,
    RESUMABLE,
    UNREADABLE,
    Verdict,
    conclusion,
    verdict,
    worth_another_round,
)
from olo_gateway.runs.patience import Patience
from olo_gateway.workflows.losses import Losses
from olo_gateway.workflows.parking import Parking
from olo_gateway.workflows.record import Record, add
from olo_gateway.workflows.steps import Deadline, step
from olo_gateway.workflows.tasks import FREE_SLOT_TIMEOUT, generated

MAX_CANDIDATES: Final = 3

RESUME_TIMEOUT: Final = timedelta(seconds=1)
"""How long another instance may take to resume what a lost one has begun; about the least that Temporal can measure."""
TRIES: Final = 2
"""Tries of one candidate: the second resumes what the first hands over, on another instance or on the same one after a
restart."""
PAUSE: Final = timedelta(milliseconds=100)
"""Before the second try, where the instance of the first is still there: what it has failed of may pass."""
TRIES_BY_THE_RUN: Final = "4-tries-by-the-run"
"""Before this patch Temporal repeated tasks itself, unseen by the run, but for those that had lost their worker."""
REFITS: Final = 2
"""How often a model that finds the prompt too long is asked again with fewer passages."""
REFIT_PATCH: Final = "issue-6-refit"


class Generation:
    """The attempts of one run."""

    def __init__(
        self, request: ChatRequest, prompt: Prompt, record: Record, parking: Parking, deadline: Deadline
    ) -> None:
        self._request = request
        self._prompt = prompt
        self._record = record
        self._parking = parking
        self._deadline = deadline
        self._losses = Losses(deadline)
        self._candidate = 0
        self._used = 0
        self._unread_since: datetime | None = None
        self._again = False
        """Whether the model of the failed attempt gets the task once more."""
        self._failures: list[OloError] = []

    async def answer(self) -> GenerateResponse:
        """Gets an answer, parked in between where no model is there and the caller can wait.

        Raises:
            OloError: Why there is none.
        """
        while True:
            try:
                return await self._rounds()
            except OloError as failure:
                if failure.reason in UNREADABLE and await self._keys_may_come():
                    continue
                if self._left() < 1:
                    raise
                await self._parking.outlast(failure)

    async def _keys_may_come(self) -> bool:
        """Waits for workers to get the keys that they lack; no longer where the run's time would be over first."""
        self._unread_since = self._unread_since or workflow.now()
        left = self._deadline.remaining.total_seconds()
        pause = Patience().pause((workflow.now() - self._unread_since).total_seconds(), left)
        if pause >= left:
            return False
        await workflow.sleep(pause)
        return True

    async def _rounds(self) -> GenerateResponse:
        """Asks the router, and once more where all candidates have failed and waiting may help.

        What is dead has lost its lease by then, and what is alive but busy is waited for.
        """
        failed_before = len(self._failures)
        for patient in (False, True):
            for candidate in await self._select():
                self._candidate += 1
                outcome = await self._attempt(candidate, patient=patient)
                if isinstance(outcome, GenerateResponse):
                    return outcome
                if verdict(outcome, other_models=self._others_may_answer) is Verdict.GIVE_UP:
                    raise outcome
            if not worth_another_round(self._failures[failed_before:]):
                break
        raise self._conclusion()

    async def _select(self) -> list[Candidate]:
        """Asks the router; gives the candidates.

        Their numbers, by which they supersede each other, are their places in a list that grows over the whole run.
        """
        began = workflow.now()
        self._record.enter(run_pb2.RUN_PHASE_SELECTING)
        wish = select_request(self._request, self._record.response.run_id, self._deadline.left(), MAX_CANDIDATES)
        takes_hints = self._parking.takes_hints
        selected = await step(SELECT_ACTIVITY, [wish, takes_hints], SelectModelsResponse, self._deadline)
        self._candidate = len(self._record.response.selection.candidates)
        self._record.selected(selected)
        add(self._record.response.timings.select, workflow.now() - began)
        return list(selected.candidates)

    async def _attempt(self, candidate: Candidate, *, patient: bool) -> GenerateResponse | OloError:
        """Lets a candidate try, with fewer passages again where it finds the prompt too long."""
        fit = self._prompt.fitting(candidate.model_id, candidate.context_limit)
        outcome = await self._perhaps_resumed(candidate, fit, patient=patient)
        for _ in range(REFITS):
            if not (isinstance(outcome, OloError) and outcome.reason == CONTEXT_TOO_LONG):
                break
            fewer = self._prompt.refused(candidate.model_id, fit, outcome.metadata)
            if fewer == fit or self._left() < 1 or not workflow.patched(REFIT_PATCH):
                break
            fit = fewer
            self._list_again(candidate)
            outcome = await self._perhaps_resumed(candidate, fit, patient=patient)
        return outcome

    async def _perhaps_resumed(self, candidate: Candidate, fit: Fit, *, patient: bool) -> GenerateResponse | OloError:
        """Lets a candidate try, and once more where its model may do better: that goes on with what was begun.

        Where the first try has lost its worker there may be no other instance, so that one is not waited for long.
        """
        busy = patient or candidate.at_capacity or not candidate.free_slots
        wait = self._deadline.left() if busy else FREE_SLOT_TIMEOUT
        outcome = await self._try(candidate, fit, wait)
        if not isinstance(outcome, OloError) or not self._again:
            return outcome
        if outcome.reason in RESUMABLE:
            wait = RESUME_TIMEOUT
        elif self._left() < 1:
            return outcome
        else:
            await workflow.sleep(min(PAUSE, self._deadline.left()))
        self._list_again(candidate)
        return await self._try(candidate, fit, wait)

    def _list_again(self, candidate: Candidate) -> None:
        """Makes another try of a model a candidate of its own, so that its chunks supersede those of the one before."""
        self._record.response.selection.candidates.insert(self._candidate, candidate)
        self._candidate += 1

    async def _try(self, candidate: Candidate, fit: Fit, wait: timedelta) -> GenerateResponse | OloError:
        """One task for one candidate, with so many of the passages.

        Raises:
            OloError: The run has no attempt or no time left, or is poisoned.
        """
        if self._left() < 1:
            raise self._conclusion()
        number, began, left = self._candidate, workflow.now(), self._deadline.left()
        asked = self._request
        task = GenerateRequest(
            request_id=self._record.response.run_id,
            model_id=candidate.model_id,
            messages=self._prompt.messages(fit),
            sampling=asked.sampling,
            candidate=number,
            stream=asked.stream,
            timeout=duration_of(left),
            prefix_token_ids=self._losses.prefix(candidate.model_id),
            response_format=asked.response_format if asked.HasField("response_format") else None,
            tools=asked.tools,
            tool_choice=asked.tool_choice if asked.HasField("tool_choice") else None,
            n=asked.n,
            isolation=self._losses.isolation,
        )
        self._record.fitted(self._prompt.shown(fit))
        self._record.enter(run_pb2.RUN_PHASE_QUEUED, candidate.model_id)
        outcome: GenerateResponse | OloError
        try:
            outcome = await generated(task, candidate.task_queue, begin=min(wait, left), end=left)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            outcome = from_failure(error)
            self._losses.take(candidate.model_id, outcome, error.cause)
            self._count(error, outcome)
        self._record.attempted(number, candidate, outcome, workflow.now() - began)
        if isinstance(outcome, OloError):
            self._failures.append(outcome)
            await self._losses.quarantine()
        return outcome

    def _count(self, error: ActivityError, outcome: OloError) -> None:
        """Counts an attempt, and decides whether its model gets the task again."""
        may_pass = isinstance(error.cause, ApplicationError) and not error.cause.non_retryable
        self._again = outcome.reason in RESUMABLE
        if outcome.reason in UNREADABLE:
            return
        if workflow.patched(TRIES_BY_THE_RUN):
            self._used += 1
            self._again |= may_pass and outcome.reason not in NOT_AGAIN_ON_THE_SAME_MODEL
        else:
            by_temporal = error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
            self._used += min(TRIES, self._left()) if by_temporal else 1

    def _left(self) -> int:
        """Attempts that are left; runs that began before there was a limit have none."""
        return self._request.max_attempts - self._used if self._request.max_attempts else TRIES

    def _conclusion(self) -> OloError:
        return conclusion(self._failures, named=not self._others_may_answer)

    @property
    def _others_may_answer(self) -> bool:
        return not self._request.model or self._request.allow_fallback
