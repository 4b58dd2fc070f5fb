"""What a run has done so far: the one account that its answer, its failure and whoever asks meanwhile are told from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio import workflow

from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import (
    ChatResponse,
    Citation,
    Grounding,
    Run,
    RunDetails,
    RunPhase,
    RunProgress,
)
from olo.inference.v1.inference_service_pb2 import ROLE_ASSISTANT, ChatMessage, GenerateResponse
from olo.retrieval.v1.retrieval_service_pb2 import Passage
from olo.router.v1.router_service_pb2 import Candidate, SelectModelsResponse
from olo_common.durations import duration_of
from olo_common.errors import OloError
from olo_contracts.queues import PROGRESS_MEMO
from olo_gateway.convert.rag import citation_of, mark_message, shown_text
from olo_gateway.convert.routing import keep
from olo_gateway.convert.runs import failed_attempt
from olo_gateway.prompting.citations import checked_marks
from olo_gateway.runs.attempts import NOT_TAKEN


class Record:
    """The account of one run."""

    def __init__(self, run_id: str) -> None:
        self.response = ChatResponse(run_id=run_id)
        self._progress = RunProgress()
        self._parked = False

    def enter(self, phase: RunPhase, model_id: str = "") -> None:
        """Says what the run is busy with. One that is parked stays so until a model gets a task."""
        if self._parked and phase == run_pb2.RUN_PHASE_SELECTING:
            return
        if self._parked:
            self._parked = False
            workflow.upsert_memo({PROGRESS_MEMO: None})
        self._progress = RunProgress(phase=phase, model_id=model_id)
        self._progress.since_time.FromDatetime(workflow.now())

    def park(self, longest: timedelta) -> None:
        """Says that the run waits for a model, from now on and at most so long."""
        if self._parked:
            return
        self.enter(run_pb2.RUN_PHASE_PARKED)
        self._progress.parked_until_time.FromDatetime(workflow.now() + longest)
        self._parked = True
        workflow.upsert_memo({PROGRESS_MEMO: self._progress})

    @property
    def parked(self) -> bool:
        """Whether the run waits for a model."""
        return self._parked

    def found(self, passages: Sequence[Passage], queries: Sequence[str], retriever: str, spent: timedelta) -> None:
        """Takes down what retrieval has found, and what it was asked."""
        self.response.citations.extend(citation_of(number, passage) for number, passage in enumerate(passages, 1))
        grounding = self._ground()
        grounding.queries.extend(queries)
        grounding.retriever = retriever
        add(self.response.timings.retrieve, spent)

    def recorded(self, passages: Sequence[Citation]) -> None:
        """Takes down the passages of an earlier run."""
        self.response.citations.extend(passages)
        self._ground()

    def unavailable(self, reason: str, spent: timedelta) -> None:
        """Says why nothing could be searched."""
        add(self.response.timings.retrieve, spent)
        grounding = self.response.grounding
        grounding.state, grounding.failure_reason = run_pb2.GROUNDING_STATE_UNAVAILABLE, reason

    def rewritten(self, usage: TokenUsage) -> None:
        """Takes down what the rewriting has cost."""
        self.response.grounding.rewriting_usage.CopyFrom(usage)

    def not_rewritten(self, reason: str) -> None:
        """Says why the question itself is searched for."""
        self.response.grounding.rewriting_failure = reason

    def fitted(self, shown: Sequence[str]) -> None:
        """Says how many passages are put before the model whose turn it is.

        Args:
            shown: For each of them the text around it that takes its place; empty: there is none.
        """
        citations = self.response.citations
        if not citations:
            return
        used = len(shown)
        for citation in citations:
            citation.left_out = citation.index > used
            citation.context_text = "" if citation.left_out else shown[citation.index - 1]
        grounding = self.response.grounding
        grounding.passages_left_out = len(citations) - used
        fits = run_pb2.GROUNDING_STATE_GROUNDED, run_pb2.GROUNDING_STATE_NOTHING_FITS
        grounding.state = fits[not used]

    def _ground(self) -> Grounding:
        grounding = self.response.grounding
        found = run_pb2.GROUNDING_STATE_NOTHING_FOUND, run_pb2.GROUNDING_STATE_GROUNDED
        grounding.state = found[bool(self.response.citations)]
        return grounding

    def selected(self, selected: SelectModelsResponse) -> None:
        """Takes down what the router has said; candidates of earlier rounds stay, so that numbers stay true."""
        selection = self.response.selection
        for candidate in selected.candidates:
            # Callers learn which model, not where it is.
            candidate.ClearField("address")
        selection.candidates.extend(selected.candidates)
        del selection.rejections[:]
        selection.rejections.extend(selected.rejections)
        keep(selection, selected)

    def attempted(
        self, number: int, candidate: Candidate, outcome: GenerateResponse | OloError, spent: timedelta
    ) -> None:
        """Takes down how one candidate has done."""
        attempt, queue = self.response.attempts.add(), None
        if isinstance(outcome, OloError):
            attempt.CopyFrom(failed_attempt(outcome))
            queue = spent if outcome.reason == NOT_TAKEN else None
        elif outcome.timings.HasField("total"):
            queue = max(timedelta(), spent - outcome.timings.total.ToTimedelta())
        attempt.candidate, attempt.model_id = number, candidate.model_id
        attempt.duration.CopyFrom(duration_of(spent))
        add(self.response.timings.generate, spent)
        if queue is not None:
            attempt.queue.CopyFrom(duration_of(queue))
            add(self.response.timings.queue, queue)

    def complete(self, generated: GenerateResponse) -> ChatResponse:
        """The finished answer."""
        response = self.response
        response.model = generated.model_id
        message = ChatMessage(role=ROLE_ASSISTANT, content=generated.text, tool_calls=generated.tool_calls)
        response.message.CopyFrom(message)
        response.logprobs.extend(generated.logprobs)
        response.alternatives.extend(generated.alternatives)
        response.finish_reason = generated.finish_reason
        response.usage.CopyFrom(generated.usage)
        response.selection.chosen_index = response.attempts[-1].candidate - 1
        shadow = response.selection.shadow
        if response.selection.HasField("shadow") and shadow.model_id == generated.model_id:
            shadow.skipped = "it has answered itself"
        if response.HasField("grounding"):
            self._check_marks()
        self._end()
        return response

    def _check_marks(self) -> None:
        """Holds the marks of the answer against the passages that the model was given."""
        response = self.response
        given = [shown_text(citation) for citation in response.citations if not citation.left_out]
        marks = checked_marks(response.message.content, given)
        response.grounding.marks.extend(mark_message(citing) for citing in marks)
        cited = {citing.mark.index for citing in marks}
        for citation in response.citations:
            citation.cited = citation.index in cited and not citation.left_out

    def so_far(self) -> Run:
        """What can be told of a run that has not ended."""
        return Run(progress=self._progress, details=self._details())

    def post_mortem(self) -> RunDetails:
        """What a failure carries, without the texts of passages, which would make it large."""
        self._end()
        details = self._details()
        for citation in details.citations:
            citation.ClearField("text")
            citation.ClearField("context_text")
        return details

    def _details(self) -> RunDetails:
        told = self.response
        return RunDetails(
            selection=told.selection,
            attempts=told.attempts,
            citations=told.citations,
            timings=told.timings,
            grounding=told.grounding if told.HasField("grounding") else None,
        )

    def _end(self) -> None:
        self.response.timings.total.CopyFrom(duration_of(workflow.now() - workflow.info().start_time))


def add(total: Duration, spent: timedelta) -> None:
    """Adds a time to a sum."""
    total.CopyFrom(duration_of(total.ToTimedelta() + spent))
