"""POST /v1/chat/completions."""

from __future__ import annotations

import time
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from olo_gateway.chats import Chats, Started
from olo_gateway.http.answers import completion_of
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.hang_up import EventStream, until_hang_up
from olo_gateway.http.orders import order_of
from olo_gateway.http.schemas import ChatCompletion, ChatCompletionRequest, ErrorAnswer
from olo_gateway.http.streaming import ChunkEncoder, sse
from olo_gateway.runs.order import ChatOrder
from olo_gateway.streaming.silences import with_silences

RUN_ID_HEADER: Final = "x-olo-run-id"

_ERRORS: Final = {
    400: "A field is wrong; `param` names it.",
    404: "The model or the collection does not exist.",
    409: "The Idempotency-Key was used for another request.",
    413: "The body is too large.",
    429: "Too many requests are in flight; see Retry-After.",
    503: "No model answers now, or a part of the system is away; see Retry-After.",
    504: "The run has not ended in time.",
}


def chat_routes(chats: Chats, keep_alive_seconds: float) -> APIRouter:
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
            "comments say what it is busy with: `: parked`, `: queued`, `: generating`."
        ),
        responses={
            200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **{status: {"model": ErrorAnswer, "description": text} for status, text in _ERRORS.items()},
        },
    )
    async def create(
        body: ChatCompletionRequest,
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(description="The same key returns the same run, for as long as runs are kept.")
        ] = None,
    ) -> Response:
        order = order_of(body, idempotency_key)
        created = int(time.time())
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return await until_hang_up(request, _streamed(order, created, usage))
        response = await until_hang_up(request, chats.answer(order))
        completion = completion_of(response, created)
        return JSONResponse(completion.model_dump(), headers={RUN_ID_HEADER: response.run_id})

    async def _streamed(order: ChatOrder, created: int, include_usage: bool) -> Response:
        """The response, once there is a first piece of the answer; an error until then has its own status."""
        events = with_silences(chats.stream(order), keep_alive_seconds)
        run_id, first = "", None
        try:
            while not run_id or isinstance(first, Started):
                first = await anext(events)
                run_id = first.run_id if isinstance(first, Started) else run_id
                if first is None and run_id:
                    break
        except BaseException:
            await events.aclose()
            raise
        encoder = ChunkEncoder(run_id, order.model or "auto", created, include_usage)
        return EventStream(sse(first, events, encoder), {RUN_ID_HEADER: run_id})

    return router
