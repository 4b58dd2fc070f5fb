"""Requests of the Ollama dialect as orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from olo_common.errors import InvalidField
from olo_gateway.http.extras import refuse
from olo_gateway.http.ollama.conversation import Conversation, tools_of
from olo_gateway.http.ollama.names import model_of
from olo_gateway.http.ollama.schemas import ChatRequest, GenerateRequest, Options
from olo_gateway.runs.forms import ANY_TEXT, Format, FormatKind
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn


def chat_order(body: ChatRequest) -> ChatOrder:
    """The order of a conversation.

    Raises:
        InvalidField: A field whose meaning cannot be kept; its name is the field.
    """
    _refuse_common(body)
    conversation = Conversation()
    for message in body.messages or ():
        conversation.add(message)
    return replace(_order(body, tuple(conversation.turns)), tools=tools_of(body.tools or []))


def generate_order(body: GenerateRequest) -> ChatOrder:
    """The order of one prompt.

    Raises:
        InvalidField: A field whose meaning cannot be kept; its name is the field.
    """
    _refuse_common(body)
    refuse(
        {
            "suffix": bool(body.suffix),
            "template": bool(body.template),
            "raw": bool(body.raw),
            "context": bool(body.context),
            "images": bool(body.images),
        }
    )
    if body.prompt and not body.prompt.strip():
        raise InvalidField("prompt", "the text is empty")
    system = (Turn(Role.SYSTEM, body.system),) if body.system else ()
    return _order(body, (*system, Turn(Role.USER, body.prompt or "")))


def _order(body: ChatRequest | GenerateRequest, turns: tuple[Turn, ...]) -> ChatOrder:
    if not model_of(body.model):
        raise InvalidField("model", "is missing")
    sampling = replace(
        _sampling(body.options or Options()), logprobs=bool(body.logprobs), top_logprobs=body.top_logprobs or 0
    )
    return ChatOrder(turns, model_of(body.model), sampling, response_format=_format(body.format))


def _format(given: str | dict[str, Any] | None) -> Format:
    if not given:
        return ANY_TEXT
    if isinstance(given, str):
        return Format(FormatKind.JSON_OBJECT)
    return Format(FormatKind.JSON_SCHEMA, orjson.dumps(given).decode())


def _refuse_common(body: ChatRequest | GenerateRequest) -> None:
    options = body.options or Options()
    refuse(
        {
            "think": body.think not in (None, False, ""),
            "options.min_p": bool(options.min_p),
            "options.typical_p": options.typical_p not in (None, 1.0),
            "options.tfs_z": options.tfs_z not in (None, 1.0),
            "options.mirostat": bool(options.mirostat),
        }
    )


def _sampling(options: Options) -> Sampling:
    stop = (options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ())
    return Sampling(
        max_tokens=_above_zero(options.num_predict),
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=_above_zero(options.top_k),
        repetition_penalty=options.repeat_penalty,
        seed=options.seed if options.seed is not None and options.seed >= 0 else None,
        stop=stop,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
    )


def _above_zero(number: int | None) -> int | None:
    """In this dialect 0 and below mean that there is no limit."""
    return number if number is not None and number > 0 else None
