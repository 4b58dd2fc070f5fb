"""POST /v1/messages, and POST /v1/messages/count_tokens."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from olo_gateway.calls.chats import Chats
from olo_gateway.http.answers import run_headers
from olo_gateway.http.anthropic.answers import MessageEncoder, message_of
from olo_gateway.http.anthropic.orders import conversation_of, order_of
from olo_gateway.http.anthropic.schemas import AnthropicError, Counted, CountRequest, Message, MessageRequest
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.extras import extended
from olo_gateway.http.hang_up import until_hang_up
from olo_gateway.http.streaming import StreamPace, streamed
from olo_gateway.ports import Inspecting

_ERRORS: Final = {
    400: "A field is wrong; the message names it.",
    404: "The model or the collection does not exist.",
    409: "The Idempotency-Key was used for another request.",
    413: "The body is too large.",
    415: "The body is no plain JSON.",
    429: "Too many requests are in flight; see Retry-After.",
    503: "No model answers now, or a part of the system is away; see Retry-After.",
    504: "The run has not ended in time.",
}


def _responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": AnthropicError, "description": _ERRORS[status]} for status in statuses}


_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


def anthropic_routes(chats: Chats, inspecting: Inspecting, pace: StreamPace) -> APIRouter:
    """The routes of the Anthropic dialect."""
    router = APIRouter(route_class=StrictRoute, tags=["anthropic"])

    @router.post(
        "/v1/messages",
        response_model=Message,
        summary="Answer a conversation, in Anthropic's dialect",
        description=(
            "Runs the request durably and answers. With `stream`, the answer comes as the dialect's typed events, "
            "from `message_start` to `message_stop`; `ping` fills silences."
        ),
        responses=_STREAM | _responses(*_ERRORS),
    )
    async def create(body: MessageRequest, request: Request, headers: CallHeaders) -> Response:
        order = extended(order_of(body), body, headers)
        if body.stream:
            return await until_hang_up(request, streamed(chats.stream(order), MessageEncoder(body.model), pace))
        response = await until_hang_up(request, chats.answer(order))
        return JSONResponse(message_of(response).model_dump(), headers=run_headers(response))

    @router.post(
        "/v1/messages/count_tokens",
        summary="Count the tokens of a conversation",
        description="As the model reads it, its template included; passages that `rag` would add are not counted.",
        responses=_responses(400, 404, 413, 415, 503, 504),
    )
    async def count(body: CountRequest) -> Counted:
        return Counted(input_tokens=await inspecting.count(conversation_of(body)))

    return router
