"""/v1/responses: create, retrieve, cancel, delete, and what went in."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Response as HttpResponse
from fastapi.responses import JSONResponse

from olo_common.errors import InvalidField
from olo_gateway.calls.chats import Chats
from olo_gateway.calls.stored_responses import Responses
from olo_gateway.errors import OffsetInvalid
from olo_gateway.http.answers import RUN_ID_HEADER, run_headers
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.chat_routes import ANSWER_ERRORS
from olo_gateway.http.hang_up import until_hang_up
from olo_gateway.http.orders import with_headers
from olo_gateway.http.responses import answers
from olo_gateway.http.responses.events import STARTING_AFTER, ResponseEncoder, is_beyond
from olo_gateway.http.responses.orders import whole_order_of
from olo_gateway.http.responses.schemas import CreateResponse, DeletedResponse, InputItems, Response
from olo_gateway.http.schemas import AN_ERROR
from olo_gateway.http.streaming import StreamPace, streamed
from olo_gateway.streaming.events import ResumePoint

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "The response does not exist, was not stored, or was deleted.", **AN_ERROR},
    503: {"description": "A part of the system is away; see Retry-After.", **AN_ERROR},
}
_STREAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


def response_routes(chats: Chats, responses: Responses, pace: StreamPace) -> APIRouter:
    """The routes of responses."""
    router = APIRouter(route_class=StrictRoute, tags=["responses"])
    _answering_routes(router, chats, responses, pace)
    _stored_routes(router, responses)
    return router


def _answering_routes(router: APIRouter, chats: Chats, responses: Responses, pace: StreamPace) -> None:
    @router.post(
        "/v1/responses",
        response_model=Response,
        summary="Create a response",
        description=(
            "Runs the request durably. With `background`, the answer is a response that is `queued`; it goes on "
            "whatever becomes of its caller and of the gateway. With `stream`, typed events come in OpenAI's order. "
            "The numbers of events grow, and may leave some out."
        ),
        responses=_STREAMED | ANSWER_ERRORS,
    )
    async def create(body: CreateResponse, request: Request, headers: CallHeaders) -> HttpResponse:
        order = with_headers(await whole_order_of(body, responses), headers)
        if body.stream:
            events = chats.stream(order)
            return await until_hang_up(request, streamed(events, ResponseEncoder(order), pace))
        if body.background:
            begun = await chats.begin(order)
            shown = answers.described(order, begun.run_id, begun.created, "queued")
            return JSONResponse(shown.model_dump(), headers={RUN_ID_HEADER: begun.run_id})
        answer = await until_hang_up(request, chats.answer(order))
        whole = answers.answered(order, int(time.time()), answer)
        return JSONResponse(whole.model_dump(), headers=run_headers(answer))

    @router.get(
        "/v1/responses/{response_id}",
        response_model=Response,
        summary="Retrieve a response",
        description="With `stream`, its events, on whichever instance of the gateway: those after `starting_after`.",
        responses=_STREAMED | ANSWER_ERRORS,
    )
    async def retrieve(
        response_id: str,
        request: Request,
        stream: Annotated[bool, Query(description="Whether it comes as server-sent events.")] = False,
        starting_after: Annotated[
            int | None, Query(ge=0, lt=2**31, description="The `sequence_number` of the last event that was seen.")
        ] = None,
    ) -> HttpResponse:
        run_id = answers.run_id_of(response_id)
        found = await responses.get(run_id)
        if not stream:
            return JSONResponse(answers.stored(found).model_dump(), headers={RUN_ID_HEADER: run_id})
        encoder = ResponseEncoder(found.order, starting_after)
        if found.run.HasField("response") and is_beyond(starting_after or 0, found.run.response):
            raise OffsetInvalid(STARTING_AFTER)
        events = chats.follow(run_id, ResumePoint(0))
        return await until_hang_up(request, streamed(events, encoder, pace, at_once=True))


def _stored_routes(router: APIRouter, responses: Responses) -> None:
    @router.post(
        "/v1/responses/{response_id}/cancel",
        summary="Cancel a response",
        description="One that has ended is left as it is.",
        responses=_UNKNOWN,
    )
    async def cancel(response_id: str) -> Response:
        return answers.stored(await responses.cancel(answers.run_id_of(response_id)))

    @router.delete(
        "/v1/responses/{response_id}",
        summary="Delete a response",
        description="Its run is forgotten, and ended where it runs. Those that have continued it keep what was said.",
        responses=_UNKNOWN,
    )
    async def delete(response_id: str) -> DeletedResponse:
        await responses.delete(answers.run_id_of(response_id))
        return DeletedResponse(id=response_id)

    @router.get("/v1/responses/{response_id}/input_items", summary="List what went into a response", responses=_UNKNOWN)
    async def input_items(
        response_id: str,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
        after: Annotated[str | None, Query(description="The id of the item before the first one.")] = None,
    ) -> InputItems:
        items = answers.input_items(await responses.get(answers.run_id_of(response_id)))
        return _page(items if order == "asc" else items[::-1], limit, after)


def _page(items: list[dict[str, Any]], limit: int, after: str | None) -> InputItems:
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidField("after", "this response has no such item")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    return InputItems(
        data=page,
        first_id=page[0]["id"] if page else None,
        last_id=page[-1]["id"] if page else None,
        has_more=len(items) > len(page),
    )
