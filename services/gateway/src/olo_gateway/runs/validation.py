"""Which orders are accepted, and what they are once they are: defaults filled in, spellings made one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import AUTO_MODEL, COLLECTION, MODEL_ID, REQUEST_ID, is_valid
from olo_gateway.runs.attempts import MAX_ATTEMPTS
from olo_gateway.runs.constraints import check_constraints
from olo_gateway.runs.form_checks import check_forms, check_tool_turn
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn
from olo_gateway.runs.rag import Rag
from olo_gateway.runs.texts import utf8_length

INLINE_CONTENT_BYTES: Final = 256 * 1024
"""Messages that fit the history of a run, whatever is added to them."""
MAX_MESSAGES: Final = 1024
MAX_TOP_K: Final = 50
DEFAULT_TOP_K: Final = 4
MAX_TOKENS: Final = 1_048_576
MAX_STOPS: Final = 16
MAX_STOP_LENGTH: Final = 256
MAX_TOP_LOGPROBS: Final = 20
MAX_BIASES: Final = 300
_PROFILE: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_RETRIEVER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a run may use."""

    default: float
    """Seconds that it takes where its caller says nothing."""
    maximum: float
    """Seconds that it takes at most."""
    attempts: int = MAX_ATTEMPTS
    """Attempts that it makes at most."""
    content_bytes: int = INLINE_CONTENT_BYTES
    """UTF-8 bytes that its messages have together at most."""


def accepted(order: ChatOrder, limits: RunLimits) -> ChatOrder:
    """The order as it is run.

    Raises:
        InvalidField: Naming the field that is wrong.
    """
    if order.request_id and not is_valid(REQUEST_ID, order.request_id):
        raise InvalidField("request_id", "1 to 128 letters, digits and ._:- are allowed")
    model = "" if order.model == AUTO_MODEL else order.model
    if model and not is_valid(MODEL_ID, model):
        raise InvalidField("model", "1 to 128 letters, digits and ._:/- are allowed, beginning with a letter or digit")
    if order.profile and not is_valid(_PROFILE, order.profile):
        raise InvalidField("profile", "1 to 32 of a-z, 0-9, _ and - are allowed, beginning with a letter")
    if order.conversation_id and not is_valid(REQUEST_ID, order.conversation_id):
        raise InvalidField("conversation_id", "1 to 128 letters, digits and ._:- are allowed")
    if order.constraints is not None:
        check_constraints(order.constraints)
    _check_turns(order.turns, limits.content_bytes - check_forms(order))
    _check_sampling(order.sampling)
    _check_probabilities(order.sampling)
    if order.sampling.logit_bias and not model:
        raise InvalidField("model", "logit_bias needs a model by its name: each has others", reason="model_missing")
    if order.sampling.logit_bias and order.allow_fallback:
        raise InvalidField("allow_fallback", "does not go with logit_bias: each model has other tokens")
    rag = None if order.rag is None else _accepted_rag(order.rag, order.turns)
    _check_wait(order.wait_for_model, limits)
    return replace(order, model=model, rag=rag, timeout=_accepted_timeout(order, limits))


def _check_turns(turns: tuple[Turn, ...], max_bytes: int) -> None:
    if not turns:
        raise InvalidField("messages", "at least one message is needed", reason="messages_missing")
    if len(turns) > MAX_MESSAGES:
        raise InvalidField("messages", f"at most {MAX_MESSAGES} messages are allowed")
    size, calls = 0, set[str]()
    for position, turn in enumerate(turns):
        if turn.role is Role.SYSTEM and position > 0:
            raise InvalidField(f"messages[{position}].role", "only the first message may be a system message")
        if turn.role not in (Role.ASSISTANT, Role.TOOL) and not turn.content.strip():
            raise InvalidField(f"messages[{position}].content", "the text is empty")
        size += utf8_length(f"messages[{position}].content", turn.content)
        size += check_tool_turn(f"messages[{position}]", turn, calls)
    if size > max_bytes:
        raise InvalidField("messages", f"together the messages hold {size} bytes; at most {max_bytes} are allowed")


def _check_probabilities(sampling: Sampling) -> None:
    field = "sampling.top_logprobs"
    if not 0 <= sampling.top_logprobs <= MAX_TOP_LOGPROBS:
        raise InvalidField(field, f"must be from 0 to {MAX_TOP_LOGPROBS}")
    if sampling.top_logprobs and not sampling.logprobs:
        raise InvalidField(field, "goes with logprobs alone")
    if len(sampling.logit_bias) > MAX_BIASES:
        raise InvalidField("sampling.logit_bias", f"at most {MAX_BIASES} tokens are allowed")
    if not all(-100 <= bias <= 100 for _, bias in sampling.logit_bias):
        raise InvalidField("sampling.logit_bias", "must be from -100 to 100")


def _check_sampling(sampling: Sampling) -> None:
    if sampling.max_tokens is not None and not 1 <= sampling.max_tokens <= MAX_TOKENS:
        raise InvalidField("sampling.max_tokens", f"must be from 1 to {MAX_TOKENS}")
    # Each comparison is false for NaN, so that NaN is refused by it.
    if sampling.temperature is not None and not 0 <= sampling.temperature <= 2:
        raise InvalidField("sampling.temperature", "must be from 0 to 2")
    if sampling.top_p is not None and not 0 < sampling.top_p <= 1:
        raise InvalidField("sampling.top_p", "must be above 0 and at most 1")
    if sampling.top_k is not None and sampling.top_k < 1:
        raise InvalidField("sampling.top_k", "must be at least 1")
    if sampling.repetition_penalty is not None and not 0 < sampling.repetition_penalty <= 10:
        raise InvalidField("sampling.repetition_penalty", "must be above 0 and at most 10")
    if sampling.min_tokens is not None and not 0 <= sampling.min_tokens <= (sampling.max_tokens or MAX_TOKENS):
        raise InvalidField("sampling.min_tokens", "must be from 0 to max_tokens")
    for name in ("presence_penalty", "frequency_penalty"):
        penalty = getattr(sampling, name)
        if penalty is not None and not -2 <= penalty <= 2:
            raise InvalidField(f"sampling.{name}", "must be from -2 to 2")
    if len(sampling.stop) > MAX_STOPS:
        raise InvalidField("sampling.stop", f"at most {MAX_STOPS} strings are allowed")
    for position, stop in enumerate(sampling.stop):
        if not 1 <= len(stop) <= MAX_STOP_LENGTH:
            raise InvalidField(f"sampling.stop[{position}]", f"must have 1 to {MAX_STOP_LENGTH} characters")
        utf8_length(f"sampling.stop[{position}]", stop)


def _accepted_rag(rag: Rag, turns: tuple[Turn, ...]) -> Rag:
    if not is_valid(COLLECTION, rag.collection):
        raise InvalidField(
            "rag.collection", "1 to 63 of a-z, 0-9, _ and - are allowed, beginning with a letter or digit"
        )
    if not 0 <= rag.top_k <= MAX_TOP_K:
        raise InvalidField("rag.top_k", f"must be from 1 to {MAX_TOP_K}")
    if rag.retriever and not is_valid(_RETRIEVER, rag.retriever):
        raise InvalidField("rag.retriever", "1 to 64 letters, digits and ._- are allowed, first a letter or digit")
    # Each comparison is false for NaN, so that NaN is refused by it.
    if rag.min_score is not None and not -1 <= rag.min_score <= 1:
        raise InvalidField("rag.min_score", "must be from -1 to 1")
    if rag.mmr_lambda is not None and not 0 <= rag.mmr_lambda <= 1:
        raise InvalidField("rag.mmr_lambda", "must be from 0 to 1")
    if rag.mmr_lambda is not None and rag.rerank:
        raise InvalidField("rag.mmr_lambda", "cannot be joined with rerank, which orders by another measure")
    if all(turn.role is not Role.USER for turn in turns):
        raise InvalidField("messages", "with rag, one message must be the user's question")
    return replace(rag, top_k=rag.top_k or DEFAULT_TOP_K)


def _check_wait(wait: float | None, limits: RunLimits) -> None:
    if wait is not None and not (math.isfinite(wait) and 0 < wait <= limits.maximum):
        raise InvalidField("wait_for_model", f"must be above 0 and at most {limits.maximum:g} seconds")


def _accepted_timeout(order: ChatOrder, limits: RunLimits) -> float:
    """Who waits for a model and says no more has the usual time on top of that."""
    if order.timeout is None:
        return min(limits.default + (order.wait_for_model or 0.0), limits.maximum)
    if not (math.isfinite(order.timeout) and 0 < order.timeout <= limits.maximum):
        raise InvalidField("timeout", f"must be above 0 and at most {limits.maximum:g} seconds")
    return order.timeout
