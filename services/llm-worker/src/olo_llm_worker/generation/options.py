"""Validates what a caller asks for, and fills in what was left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from olo_common.errors import InvalidField
from olo_llm_worker.errors import MessagesMissing, UnsupportedParameter
from olo_llm_worker.generation.engine import EngineInfo, steps_at_once
from olo_llm_worker.generation.types import Decoding, Job, ResponseFormat, Sampling

ROLES: Final = ("system", "user", "assistant", "tool")
MAX_STOPS: Final = 16
MAX_STOP_LENGTH: Final = 256
MAX_ANSWERS: Final = 16
MAX_TOP_LOGPROBS: Final = 20
MAX_BIASES: Final = 300
BAN: Final = -100.0
"""The bias with which a token is never chosen."""
MAX_SYSTEM_PROMPTS: Final = 16
MAX_TOKENIZED: Final = 256 * 1024
"""Characters or tokens of one call that only turns one into the other."""
GREEDY_BELOW: Final = 0.01
"""Lower temperatures choose the likeliest token anyway, and divide logits into infinity."""

MAX_CONSTRAINED_TOKENS: Final = 512
"""Each token that is masked may cost another reading of the prompt."""
_ANY_OBJECT: Final = '{"type": "object"}'

_ANY_FORM: Final = ResponseFormat()

_T = TypeVar("_T")


def validate(job: Job, info: EngineInfo, max_concurrency: int) -> None:
    """Checks all that can be checked before the prompt is tokenised.

    Raises:
        InvalidField: Naming the field.
        UnsupportedParameter: Naming what this engine cannot do.
        MessagesMissing: There is no message.
    """
    if not job.messages:
        raise MessagesMissing
    for number, message in enumerate(job.messages):
        if message.role not in ROLES:
            raise InvalidField(f"messages[{number}].role", "must be system, user, assistant or tool")
    most = min(MAX_ANSWERS, max_concurrency)
    if not 1 <= job.n <= most:
        raise InvalidField("n", f"must be from 1 to {most} here")
    if job.n > 1 and job.prefix_token_ids:
        raise InvalidField("prefix_token_ids", "only one answer can be continued, and n asks for more")
    _validate_sampling(job.sampling)
    _validate_seed(job.sampling, info.defaults)
    _validate_top(job.sampling, info)
    _validate_bias(job.sampling, info)
    _validate_prefix(job.prefix_token_ids, info)
    if job.response_format.constrained:
        _validate_constrained(job, info)


def resolve(
    sampling: Sampling,
    defaults: Sampling,
    *,
    room: int,
    max_tokens_default: int,
    prefix: int = 0,
    form: ResponseFormat = _ANY_FORM,
) -> tuple[Decoding, int]:
    """The options to decode with, and the longest answer in tokens.

    Options that change nothing are made equal, so that more answers can share a batch.

    Args:
        sampling: What the caller has set; validated.
        defaults: What the model directory says.
        room: Tokens that the context leaves for the answer.
        max_tokens_default: Length of the answer where nobody says one.
        prefix: Tokens of the answer that an earlier attempt has given.
        form: What the answer must be.
    """
    max_tokens = min(_first(sampling.max_tokens, defaults.max_tokens, max_tokens_default), room)
    temperature = _first(sampling.temperature, defaults.temperature, 0.0)
    if form.constrained:
        max_tokens = min(max_tokens, MAX_CONSTRAINED_TOKENS)
        greedy = Decoding(schema=form.schema or _ANY_OBJECT)
    else:
        greedy = Decoding(
            repetition_penalty=_first(sampling.repetition_penalty, defaults.repetition_penalty, 1.0),
            min_tokens=max(0, min(sampling.min_tokens, max_tokens) - prefix),
            logprobs=sampling.logprobs,
            top_logprobs=sampling.top_logprobs,
            banned=tuple(sorted(token_id for token_id, bias in sampling.logit_bias if bias)),
        )
    if temperature < GREEDY_BELOW:
        return greedy, max_tokens
    top_p = _first(sampling.top_p, defaults.top_p, 1.0)
    top_k = sampling.top_k if sampling.top_k is not None else defaults.top_k
    return replace(greedy, temperature=temperature, top_p=top_p, top_k=top_k), max_tokens


def refuse_long(decoding: Decoding, max_tokens: int, info: EngineInfo) -> None:
    """Refuses an answer whose likeliest tokens cannot be told: only in one go, which is too long.

    Raises:
        InvalidField: Naming the field.
    """
    most = steps_at_once(info.vocabulary_size)
    if decoding.top_logprobs and decoding.positional and max_tokens > most:
        problem = f"goes with min_tokens or a repetition penalty other than 1 in answers of at most {most} tokens"
        raise InvalidField("sampling.top_logprobs", f"{problem}, by max_tokens")


def _validate_sampling(sampling: Sampling) -> None:
    _range("sampling.temperature", sampling.temperature, "must be from 0 to 2", low=0.0, high=2.0)
    _range("sampling.top_p", sampling.top_p, "must be above 0 and at most 1", above=0.0, high=1.0)
    _range("sampling.repetition_penalty", sampling.repetition_penalty, "must be above 0", above=0.0)
    _range("sampling.max_tokens", sampling.max_tokens, "must be at least 1", low=1)
    _range("sampling.top_k", sampling.top_k, "must be at least 1", low=1)
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(sampling, name)
        _range(f"sampling.{name}", value, "must be from -2 to 2", low=-2.0, high=2.0)
        if value:
            raise UnsupportedParameter(f"sampling.{name}", "this engine has no such penalty, only repetition_penalty")
    if sampling.max_tokens is not None and sampling.min_tokens > sampling.max_tokens:
        raise InvalidField("sampling.min_tokens", "must be at most max_tokens")
    if len(sampling.stop) > MAX_STOPS:
        raise InvalidField("sampling.stop", f"at most {MAX_STOPS} strings are allowed")
    for number, stop in enumerate(sampling.stop):
        if not 1 <= len(stop) <= MAX_STOP_LENGTH:
            raise InvalidField(f"sampling.stop[{number}]", f"must have 1 to {MAX_STOP_LENGTH} characters")


def _validate_seed(sampling: Sampling, defaults: Sampling) -> None:
    temperature = _first(sampling.temperature, defaults.temperature, 0.0)
    if sampling.seed is not None and temperature >= GREEDY_BELOW:
        raise UnsupportedParameter("sampling.seed", "this engine repeats an answer only with temperature 0")


def _validate_top(sampling: Sampling, info: EngineInfo) -> None:
    field = "sampling.top_logprobs"
    _range(field, sampling.top_logprobs, f"must be from 0 to {MAX_TOP_LOGPROBS}", low=0, high=MAX_TOP_LOGPROBS)
    if sampling.top_logprobs and not sampling.logprobs:
        raise InvalidField(field, "goes with logprobs alone")
    if sampling.top_logprobs and "top_logprobs" not in info.capabilities:
        raise UnsupportedParameter(field, "this engine tells the probability of the chosen token alone")


def _validate_bias(sampling: Sampling, info: EngineInfo) -> None:
    field = "sampling.logit_bias"
    if len(sampling.logit_bias) > MAX_BIASES:
        raise InvalidField(field, f"at most {MAX_BIASES} tokens are allowed")
    for token_id, bias in sampling.logit_bias:
        if token_id >= info.vocabulary_size:
            raise InvalidField(field, f"the model has no token {token_id}")
        if not abs(bias) <= -BAN:
            raise InvalidField(field, "must be from -100 to 100")
        if bias not in (0.0, BAN):
            raise UnsupportedParameter(field, "this engine can ban tokens, with -100, and nothing else")


def _validate_constrained(job: Job, info: EngineInfo) -> None:
    field = "response_format.constrained"
    if "constrained" not in info.capabilities:
        raise UnsupportedParameter(field, "this engine cannot mask tokens, only check finished answers")
    sampling = job.sampling
    if sampling.max_tokens is not None and sampling.max_tokens > MAX_CONSTRAINED_TOKENS:
        raise InvalidField("sampling.max_tokens", f"must be at most {MAX_CONSTRAINED_TOKENS} with {field}")
    besides = {
        "sampling.stop": sampling.stop,
        "sampling.min_tokens": sampling.min_tokens,
        "sampling.logprobs": sampling.logprobs,
        "sampling.logit_bias": sampling.logit_bias,
        "sampling.repetition_penalty": sampling.repetition_penalty not in (None, 1.0),
    }
    for name, given in besides.items():
        if given:
            raise UnsupportedParameter(name, f"does not go with {field}")


def _range(
    field: str,
    value: float | None,
    problem: str,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    high: float = math.inf,
) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high and value > above):
        raise InvalidField(field, problem)


def _validate_prefix(prefix: Sequence[int], info: EngineInfo) -> None:
    if any(token >= info.vocabulary_size or token in info.control_ids for token in prefix):
        raise InvalidField("prefix_token_ids", "holds a token that cannot be part of an answer of this model")


def _first(*values: _T | None) -> _T:
    return next(value for value in values if value is not None)
