"""The conversation as a model sees it, with as many passages as fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from olo.gateway.v1.run_pb2 import RAG_MODE_OPTIONAL, ChatRequest
from olo.inference.v1.inference_service_pb2 import ChatMessage
from olo_gateway.convert.runs import messages_of, turns_of
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


@dataclass(frozen=True, slots=True)
class Fit:
    """What is put before a model: so many of the best ranked passages, and of those so many with the text around."""

    used: int
    wide: int = 0


class Prompt:
    """What a run may put before its models.

    Args:
        request: What the run was asked.
        passages: The texts that were found, best ranked first.
        around: The text around each, which has it in it; empty: there is none. What several have in common is shown
            with the best ranked of them.
    """

    def __init__(self, request: ChatRequest, passages: Sequence[str] = (), around: Sequence[str] = ()) -> None:
        self._request = request
        self._passages = passages
        self._around = ["" if text in around[:place] else text for place, text in enumerate(around)]
        self._costs = _costs(passages)
        # How much more a passage costs with the text around it.
        self._more = [
            max(0, wide - own) if text else 0
            for text, wide, own in zip(self._around, _costs(self._around), self._costs, strict=False)
        ]
        self._others = 0
        if passages:
            self._others = estimate_turns([message.content for message in conversation(request, [""])])
        # Who requires passages is not given an answer without any.
        self._least = 0 if request.rag.mode == RAG_MODE_OPTIONAL else min(1, len(passages))
        self.budgets: dict[str, Budget] = {}

    def fitting(self, model_id: str, context_limit: int) -> Fit:
        """What fits a model, so that there is room for its answer: passages first, then what stands around them.

        Args:
            model_id: The model, of which more may be known than its limit.
            context_limit: Tokens of its context, answer included; 0: nobody knows.
        """
        if not self._passages:
            return Fit(0)
        longest = self._request.sampling.max_tokens
        budget = self.budgets.setdefault(model_id, Budget(context_limit, longest))
        return self._widened(budget, max(budget.passages(self._others, self._costs), self._least))

    def shown(self, fit: Fit) -> list[str]:
        """For each passage that is put before the model, the text around it that takes its place; empty: none."""
        wide = self._around[: fit.wide]
        return [*wide, *[""] * (fit.used - len(wide))]

    def messages(self, fit: Fit) -> list[ChatMessage]:
        """The messages with the best ranked passages."""
        shown = zip(self.shown(fit), self._passages, strict=False)
        return conversation(self._request, [around or text for around, text in shown])

    def refused(self, model_id: str, fit: Fit, facts: Mapping[str, str]) -> Fit:
        """What to try once a model has refused a prompt as too long; as much: less is not allowed.

        Args:
            model_id: The model.
            fit: What was put before it.
            facts: Of the refusal: what the model has counted, and its limit, where it says so.
        """
        if not fit.used:
            return fit
        budget, used = self.budgets[model_id], fit.used
        counted, limit = _number(facts.get(_COUNTED, "")), _number(facts.get(_LIMIT, ""))
        estimated = self._others + sum(self._costs[:used]) + sum(self._more[: fit.wide])
        self.budgets[model_id] = budget = budget.counted(estimated, counted, limit)
        if fit.wide:
            # What stands around passages goes before a passage does.
            fits = used if not counted else min(used, budget.passages(self._others, self._costs))
            less = self._widened(budget, max(fits, self._least)) if counted else Fit(used)
            return less if less.wide < fit.wide else Fit(less.used)
        # A model that says nothing useful is offered half.
        fewer = used // 2 if not counted else min(used - 1, budget.passages(self._others, self._costs))
        return Fit(min(used, max(fewer, self._least)))

    def _widened(self, budget: Budget, used: int) -> Fit:
        if not any(self._around):
            return Fit(used)
        return Fit(used, budget.passages(self._others + sum(self._costs[:used]), self._more[:used]))


def _costs(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(line_of(number, text)) + 1 for number, text in enumerate(texts, 1)]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
