"""The prompts of legacy completions: texts, or tokens whose text the model says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo_common.errors import InvalidField, OloError
from olo_gateway.http.completion_schemas import CompletionRequest
from olo_gateway.http.embedding_routes import model_named
from olo_gateway.http.token_routes import MAX_TOKENIZED
from olo_gateway.ports import Tokenizing

MAX_PROMPTS: Final = 16

Prompt: TypeAlias = str | Sequence[int]
"""A text, or the ids of tokens."""


def prompts_of(body: CompletionRequest) -> list[Prompt]:
    """The prompts of a body.

    Raises:
        InvalidField: Naming the one that is wrong.
    """
    given = body.prompt
    prompts: list[Prompt] = []
    if isinstance(given, str):
        prompts = [given]
    elif given and isinstance(given[0], int):
        prompts = [[token for token in given if isinstance(token, int)]]
    else:
        prompts = [prompt for prompt in given if not isinstance(prompt, int)]
    if not 1 <= len(prompts) <= MAX_PROMPTS:
        raise InvalidField("prompt", f"must be 1 to {MAX_PROMPTS} texts, or as many lists of tokens")
    for number, prompt in enumerate(prompts):
        _check(_field(number, prompts), prompt)
    if model_named(body.model) == "" and not isinstance(prompts[0], str):
        raise InvalidField("model", "tokens need a model by its name: each has others", reason="model_missing")
    return prompts


async def prompt_texts(body: CompletionRequest, tokenizing: Tokenizing) -> list[str]:
    """The texts of the prompts of a body.

    Args:
        body: The body.
        tokenizing: Says what tokens stand for.

    Raises:
        InvalidField: Naming the prompt that is wrong.
        OloError: The model cannot be asked.
    """
    prompts = prompts_of(body)
    return [
        prompt
        if isinstance(prompt, str)
        else await _text(_field(number, prompts), prompt, model_named(body.model), tokenizing)
        for number, prompt in enumerate(prompts)
    ]


async def _text(field: str, tokens: Sequence[int], model: str, tokenizing: Tokenizing) -> str:
    try:
        told = await tokenizing.detokenize(gateway.DetokenizeRequest(model=model, token_ids=tokens))
    except OloError as error:
        if not (error.field or "").startswith("token_ids"):
            raise
        raise InvalidField(field, "the model has no such token") from None
    _check(field, told.text)
    return told.text


def _field(number: int, prompts: Sequence[Prompt]) -> str:
    return f"prompt[{number}]" if len(prompts) > 1 else "prompt"


def _check(field: str, prompt: Prompt) -> None:
    if not (prompt.strip() if isinstance(prompt, str) else prompt):
        raise InvalidField(field, "the text is empty")
    if not isinstance(prompt, str) and len(prompt) > MAX_TOKENIZED:
        raise InvalidField(field, f"at most {MAX_TOKENIZED} tokens are allowed")
