"""POST /api/chat and POST /api/generate."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from olo.common.v1.common_pb2 import MODEL_TYPE_LLM
from olo_common.errors import InvalidField
from olo_gateway.calls.chats import Chats
from olo_gateway.errors import NotOffered
from olo_gateway.http.answers import run_headers
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.extras import extended
from olo_gateway.http.hang_up import until_hang_up
from olo_gateway.http.ollama.answers import LineEncoder, Shape
from olo_gateway.http.ollama.any_type import AnyTypeRoute
from olo_gateway.http.ollama.errors import AS_LINES, responses
from olo_gateway.http.ollama.names import model_of
from olo_gateway.http.ollama.orders import chat_order, generate_order
from olo_gateway.http.ollama.schemas import ChatAnswer, ChatRequest, GenerateAnswer, GenerateRequest
from olo_gateway.http.streaming import StreamPace, streamed
from olo_gateway.ports import Selecting
from olo_gateway.runs.order import ChatOrder

_ERRORS: Final = AS_LINES | responses(400, 404, 409, 413, 415, 429, 501, 503, 504)
_LONGEST: Final = 64
_LENGTH: Final = re.compile(r"-?(\d+(\.\d+)?|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_AS_LINES: Final = (
    " Unless `stream` is false, the answer comes as lines of JSON; the last one has `done` and the figures."
)


def chat_routes(chats: Chats, selecting: Selecting, pace: StreamPace) -> APIRouter:
    """The routes that answer."""
    router = APIRouter(route_class=AnyTypeRoute, tags=["ollama"])

    async def answered(request: Request, order: ChatOrder, shape: Shape, *, stream: bool) -> Response:
        if stream:
            events = chats.stream(order)
            return await until_hang_up(request, streamed(events, LineEncoder(shape), pace))
        response = await until_hang_up(request, chats.answer(order))
        return JSONResponse(shape.whole(response), headers=run_headers(response))

    async def warmed(body: ChatRequest | GenerateRequest, shape: Shape) -> Response:
        """What asks for no text is about the memory of the workers."""
        if body.keep_alive is not None and _is_zero(body.keep_alive):
            raise NotOffered(
                "keep_alive: models are shared, so callers cannot unload them; stop or drain their workers"
            )
        await selecting.explain(model_of(body.model), MODEL_TYPE_LLM)
        return JSONResponse(shape.loaded())

    @router.post(
        "/api/chat",
        response_model=ChatAnswer,
        response_model_exclude_none=True,
        summary="Answer a conversation",
        description="Runs the request durably and answers." + _AS_LINES,
        responses=_ERRORS,
    )
    async def chat(body: ChatRequest, request: Request, headers: CallHeaders) -> Response:
        shape = Shape(chat=True, name=body.model)
        order = extended(chat_order(body), body, headers)
        if not body.messages:
            return await warmed(body, shape)
        return await answered(request, order, shape, stream=body.stream)

    @router.post(
        "/api/generate",
        response_model=GenerateAnswer,
        response_model_exclude_none=True,
        summary="Answer a prompt",
        description="Runs the prompt durably, as a conversation of one turn, and answers." + _AS_LINES,
        responses=_ERRORS,
    )
    async def generate(body: GenerateRequest, request: Request, headers: CallHeaders) -> Response:
        shape = Shape(chat=False, name=body.model)
        order = extended(generate_order(body), body, headers)
        if not body.prompt:
            return await warmed(body, shape)
        return await answered(request, order, shape, stream=body.stream)

    return router


def _is_zero(keep_alive: float | str) -> bool:
    """Whether a length of time, as a number of seconds or such as `0s` and `1h30m`, is zero.

    Raises:
        InvalidField: It is no length of time.
    """
    if not isinstance(keep_alive, str):
        return keep_alive == 0
    if len(keep_alive) > _LONGEST or _LENGTH.fullmatch(keep_alive) is None:
        raise InvalidField("keep_alive", "must be seconds, or a length of time such as 5m")
    return all(float(number) == 0 for number in _NUMBER.findall(keep_alive))
