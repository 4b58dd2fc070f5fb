"""The conversation as a model sees it, with as many passages as fit. Pure; the workflow uses it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from olo.gateway.v1.run_pb2 import RAG_MODE_OPTIONAL, ChatRequest
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_gateway.convert import messages_of, turns_of
from olo_gateway.prompting.budget import Budget, estimate_tokens, estimate_turns
from olo_gateway.prompting.passages import grounded, line_of

_COUNTED: Final = "prompt_tokens"
_LIMIT: Final = "context_limit"
"""Facts that a refusal of a model holds."""
_DIGITS: Final = 9


def conversation(request: ChatRequest, passages: Sequence[str]) -> list[ChatMessage]:
    """The messages for a model.

    Args:
        request: What the run was asked.
        passages: The texts that are put before it, in the order of their numbers from 1.
    """
    asks = request.HasField("rag") or request.recorded_passages
    if not asks or (not passages and request.rag.mode == RAG_MODE_OPTIONAL):
        return list(request.messages)
    return messages_of(grounded(turns_of(request.messages), passages))


class Prompt:
    """What a run may put before its models.

    Args:
        request: What the run was asked.
        passages: The texts that were found, best ranked first.
    """

    def __init__(self, request: ChatRequest, passages: Sequence[str] = ()) -> None:
        self._request = request
        self._passages = passages
        self._costs = [estimate_tokens(line_of(number, text)) + 1 for number, text in enumerate(passages, 1)]
        self._others = 0
        if passages:
            self._others = estimate_turns([message.content for message in conversation(request, [""])])
        # Who requires passages is not given an answer without any.
        self._least = 0 if request.rag.mode == RAG_MODE_OPTIONAL else min(1, len(passages))
        self.budgets: dict[str, Budget] = {}

    def fitting(self, model_id: str, context_limit: int) -> int:
        """How many of the passages fit a model, so that there is room for its answer.

        Args:
            model_id: The model, of which more may be known than its limit.
            context_limit: Tokens of its context, answer included; 0: nobody knows.
        """
        if not self._passages:
            return 0
        longest = self._request.sampling.max_tokens
        budget = self.budgets.setdefault(model_id, Budget(context_limit, longest))
        return max(budget.passages(self._others, self._costs), self._least)

    def messages(self, used: int) -> list[ChatMessage]:
        """The messages with the best ranked passages."""
        return conversation(self._request, self._passages[:used])

    def refused(self, model_id: str, used: int, facts: Mapping[str, str]) -> int:
        """How many passages to try once a model has refused a prompt as too long; as many: less is not allowed.

        Args:
            model_id: The model.
            used: How many there were.
            facts: Of the refusal: what the model has counted, and its limit, where it says so.
        """
        if not used:
            return 0
        budget = self.budgets[model_id]
        counted, limit = _number(facts.get(_COUNTED, "")), _number(facts.get(_LIMIT, ""))
        self.budgets[model_id] = budget = budget.counted(self._others + sum(self._costs[:used]), counted, limit)
        # A model that says nothing useful is offered half.
        fewer = used // 2 if not counted else min(used - 1, budget.passages(self._others, self._costs))
        return min(used, max(fewer, self._least))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
