"""POST /v1/chat/completions, and GET of what has become of one."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from olo_gateway.calls.chats import Chats
from olo_gateway.calls.following import ChatEvent, Completed, Started
from olo_gateway.http.answers import completion_of, run_headers, run_id_of
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.chat_schemas import ChatCompletion, ChatCompletionRequest
from olo_gateway.http.chat_stream import ChunkEncoder
from olo_gateway.http.event_ids import LastEventId, point_of
from olo_gateway.http.hang_up import until_hang_up
from olo_gateway.http.orders import order_of, with_headers
from olo_gateway.http.schemas import AN_ERROR, ErrorAnswer
from olo_gateway.http.streaming import StreamPace, streamed

_ERRORS: Final = {
    400: "A field is wrong; `param` names it.",
    404: "The model, the collection or the run does not exist.",
    409: "The Idempotency-Key was used for another request.",
    412: "No model offers what the constraints demand.",
    413: "The body is too large.",
    415: "The body is no plain JSON.",
    416: "The answer has no such place as Last-Event-ID says.",
    429: "Too many requests are in flight; see Retry-After.",
    503: "No model answers now, or a part of the system is away; see Retry-After.",
    504: "The run has not ended in time.",
}
ANSWER_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": text, **AN_ERROR} for status, text in _ERRORS.items()
}
"""What can come of a call for an answer instead of one."""
_RESPONSES: Final = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
    **ANSWER_ERRORS,
    # The one place that gives the model, so that the others can name it.
    400: {"model": ErrorAnswer, "description": _ERRORS[400]},
}


def chat_routes(chats: Chats, pace: StreamPace) -> APIRouter:
    """The routes of chat completions."""
    router = APIRouter(route_class=StrictRoute, tags=["chat"])

    @router.post(
        "/v1/chat/completions",
        response_model=ChatCompletion,
        summary="Answer a conversation",
        description=(
            "Runs the request durably and answers. With `stream`, the answer comes as server-sent events of "
            "`chat.completion.chunk` objects; the last one carries `finish_reason` and `olo`. An event with "
            "`olo.reset` means that the answer starts again. While a run with `wait_for_model` has no text yet, "
            "comments say what it is busy with: `: parked`, `: queued`, `: generating`. A stream that has broken goes "
            "on where the same request is made with its Idempotency-Key and Last-Event-ID."
        ),
        responses=_RESPONSES,
    )
    async def create(
        body: ChatCompletionRequest,
        request: Request,
        *,
        headers: CallHeaders,
        last_event_id: LastEventId = None,
    ) -> Response:
        order = with_headers(order_of(body), headers)
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            events = chats.stream(order, point_of(last_event_id))
            return await until_hang_up(request, streamed(events, ChunkEncoder(order.model or "auto", usage), pace))
        response = await until_hang_up(request, chats.answer(order))
        return _answered(Completed(response), int(time.time()))

    @router.get(
        "/v1/chat/completions/{completion_id}",
        response_model=ChatCompletion,
        summary="Retrieve an answer",
        description=(
            "Waits for the answer of a run that was started before, on whichever instance of the gateway; with "
            "`stream`, gives it as it comes into being, after Last-Event-ID where there is one. Until there is text, "
            "comments say what the run is busy with."
        ),
        responses=_RESPONSES,
    )
    async def retrieve(
        completion_id: str,
        request: Request,
        stream: Annotated[bool, Query(description="Whether the answer comes as server-sent events.")] = False,
        last_event_id: LastEventId = None,
    ) -> Response:
        events = chats.follow(run_id_of(completion_id), point_of(last_event_id))
        if stream:
            return await until_hang_up(request, streamed(events, ChunkEncoder("auto", include_usage=False), pace))
        return await until_hang_up(request, _ended(events))

    return router


async def _ended(events: AsyncGenerator[ChatEvent, None]) -> Response:
    """The response once the run has ended."""
    created = 0
    async with aclosing(events):
        async for event in events:
            match event:
                case Started(_, created):
                    pass
                case Completed():
                    return _answered(event, created)
    raise AssertionError("a run ends with an answer or an error")


def _answered(event: Completed, created: int) -> Response:
    completion = completion_of(event.response, created)
    return JSONResponse(completion.model_dump(), headers=run_headers(event.response))
