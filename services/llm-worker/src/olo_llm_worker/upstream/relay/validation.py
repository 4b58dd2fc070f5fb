"""Refuses by name what the engine would not obey."""

from __future__ import annotations

import math
from typing import Final

from olo_common.errors import InvalidField
from olo_llm_worker.errors import ContextTooLong, MessagesMissing
from olo_llm_worker.upstream.relay.engine import EngineFacts
from olo_llm_worker.upstream.relay.estimate import least_tokens
from olo_llm_worker.upstream.relay.types import Options, TextRequest

MAX_STOP_LENGTH: Final = 256
MAX_TOOLS: Final = 128
_UNSUPPORTED: Final = "the engine of this model has no such option"


def validate(request: TextRequest, facts: EngineFacts) -> None:
    """Checks a request before anything is sent.

    Raises:
        InvalidField: Naming the field.
        MessagesMissing: There is no message.
        ContextTooLong: The prompt cannot fit, however it is tokenised.
    """
    if not request.turns:
        raise MessagesMissing
    _options(request.options, facts)
    if request.json_object and not facts.json_object:
        raise InvalidField("response_format", _UNSUPPORTED)
    if request.schema is not None and not facts.json_schema:
        raise InvalidField("response_format", _UNSUPPORTED)
    if len(request.tools) > MAX_TOOLS:
        raise InvalidField("tools", f"at most {MAX_TOOLS} are allowed")
    choice = request.tool_choice
    if choice.mode == "required" and not request.tools:
        raise InvalidField("tool_choice", "there is no tool that could be called")
    if choice.name and choice.name not in {tool.name for tool in request.tools}:
        raise InvalidField("tool_choice.name", "is none of the tools")
    if (least := least_tokens(request.turns, request.tools)) >= facts.context_limit:
        raise ContextTooLong(least, facts.context_limit)


def _options(options: Options, facts: EngineFacts) -> None:
    _range("max_tokens", options.max_tokens, 1, math.inf)
    _range("temperature", options.temperature, 0, facts.highest_temperature)
    _range("top_p", options.top_p, math.ulp(0), 1)
    _range("top_k", options.top_k, 1, math.inf)
    _range("repetition_penalty", options.repetition_penalty, math.ulp(0), 100)
    _range("min_tokens", options.min_tokens, 0, options.max_tokens or math.inf)
    _range("presence_penalty", options.presence_penalty, -2, 2)
    _range("frequency_penalty", options.frequency_penalty, -2, 2)
    _range("top_logprobs", options.top_logprobs, 0, 20)
    if options.top_logprobs and not options.logprobs:
        raise InvalidField("sampling.top_logprobs", "goes with logprobs alone")
    for _, bias in options.logit_bias:
        _range("logit_bias", bias, -100, 100)
    if len(options.stop) > facts.most_stops:
        raise InvalidField("sampling.stop", f"at most {facts.most_stops} strings are allowed")
    for number, stop in enumerate(options.stop):
        if not 1 <= len(stop) <= MAX_STOP_LENGTH:
            raise InvalidField(f"sampling.stop[{number}]", f"must have 1 to {MAX_STOP_LENGTH} characters")
    unset = Options()
    for name in Options.__dataclass_fields__:
        if name != "max_tokens" and name not in facts.options and getattr(options, name) != getattr(unset, name):
            raise InvalidField(f"sampling.{name}", _UNSUPPORTED)


def _range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        shown = "above 0" if low == math.ulp(0) else f"at least {low:g}"
        limit = "" if math.isinf(high) else f" and at most {high:g}"
        raise InvalidField(f"sampling.{name}", f"must be {shown}{limit}")
