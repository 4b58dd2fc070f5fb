"""POST /v1/completions: prompts without a conversation, for the tools that still know nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from olo.common.v1.common_pb2 import TokenUsage
from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import InvalidField
from olo_gateway.calls.chats import Chats
from olo_gateway.http.answers import answers_of, finish_reason_of, run_headers, usage_of
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.chat_routes import ANSWER_ERRORS
from olo_gateway.http.completion_prompts import prompt_texts
from olo_gateway.http.completion_schemas import CompletionRequest, TextChoice, TextCompletion
from olo_gateway.http.forms import bias_of, unsupported
from olo_gateway.http.hang_up import until_hang_up
from olo_gateway.http.orders import with_headers
from olo_gateway.http.streaming import StreamPace, streamed
from olo_gateway.http.text_stream import TEXT_PREFIX, TextEncoder, logprobs_of
from olo_gateway.ports import Tokenizing
from olo_gateway.runs.order import ChatOrder, Role, Sampling, Turn
from olo_gateway.runs.validation import MAX_TOP_LOGPROBS


def completion_routes(chats: Chats, tokenizing: Tokenizing, pace: StreamPace) -> APIRouter:
    """The route of legacy completions."""
    router = APIRouter(route_class=StrictRoute, tags=["completions"])

    @router.post(
        "/v1/completions",
        response_model=TextCompletion,
        summary="Complete prompts",
        description="Each prompt is the user's turn of a run of its own.",
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **ANSWER_ERRORS},
    )
    async def create(body: CompletionRequest, request: Request, headers: CallHeaders) -> Response:
        prompts = await prompt_texts(body, tokenizing)
        orders = [with_headers(order_of(body, prompt), headers) for prompt in prompts]
        if body.stream:
            if len(prompts) > 1:
                raise unsupported("stream", "goes with one prompt")
            usage = bool(body.stream_options and body.stream_options.include_usage)
            encoder = TextEncoder(body.model or "auto", usage, prompts[0] if body.echo else "")
            return await until_hang_up(request, streamed(chats.stream(orders[0]), encoder, pace))
        answers = await until_hang_up(request, _all(chats, orders))
        return JSONResponse(completion_of(body, prompts, answers).model_dump(), headers=run_headers(answers[0]))

    return router


async def _all(chats: Chats, orders: Sequence[ChatOrder]) -> list[ChatResponse]:
    """The answers to all orders. The first error ends those that still run."""
    if len(orders) == 1:
        return [await chats.answer(orders[0])]
    numbered = [
        replace(order, request_id=f"{order.request_id}.{number}" if order.request_id else "")
        for number, order in enumerate(orders)
    ]
    tasks = [asyncio.create_task(chats.answer(order)) for order in numbered]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def order_of(body: CompletionRequest, prompt: str) -> ChatOrder:
    """The run of one prompt.

    Raises:
        InvalidField: A parameter whose meaning cannot be kept.
    """
    meant = {
        "suffix": bool(body.suffix),
        "best_of": body.best_of not in (None, 1),
    }
    for name, refused in meant.items():
        if refused:
            raise unsupported(name)
    if not 0 <= (body.logprobs or 0) <= MAX_TOP_LOGPROBS:
        raise InvalidField("logprobs", f"must be from 0 to {MAX_TOP_LOGPROBS}")
    if body.echo and body.logprobs is not None:
        raise unsupported("echo", "does not go with logprobs: those of the prompt are not known")
    return ChatOrder(
        turns=(Turn(Role.USER, prompt),),
        model=body.model or "",
        sampling=Sampling(
            max_tokens=body.max_tokens,
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
            repetition_penalty=body.repetition_penalty,
            seed=body.seed,
            stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
            min_tokens=body.min_tokens,
            presence_penalty=body.presence_penalty or None,
            frequency_penalty=body.frequency_penalty or None,
            logprobs=body.logprobs is not None,
            top_logprobs=body.logprobs or 0,
            logit_bias=bias_of(body.logit_bias),
        ),
        timeout=body.timeout,
        wait_for_model=body.wait_for_model,
        allow_fallback=bool(body.allow_fallback),
        n=1 if body.n is None else body.n,
    )


def completion_of(body: CompletionRequest, prompts: Sequence[str], answers: Sequence[ChatResponse]) -> TextCompletion:
    """The answers to all prompts of a body."""
    choices: list[TextChoice] = []
    usage = TokenUsage()
    for prompt, response in zip(prompts, answers, strict=True):
        before = prompt if body.echo else ""
        for answer in answers_of(response):
            choices.append(
                TextChoice(
                    text=before + answer.text,
                    index=len(choices),
                    logprobs=logprobs_of(answer, len(before)),
                    finish_reason=finish_reason_of(answer.finish_reason),
                )
            )
        usage.prompt_tokens += response.usage.prompt_tokens
        usage.completion_tokens += response.usage.completion_tokens
        usage.cached_tokens += response.usage.cached_tokens
    return TextCompletion(
        id=TEXT_PREFIX + answers[0].run_id,
        created=int(time.time()),
        model=answers[-1].model,
        choices=choices,
        usage=usage_of(usage),
    )
