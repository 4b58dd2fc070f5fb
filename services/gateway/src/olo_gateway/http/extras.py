"""What a request of any dialect may say beside what its dialect knows."""

from __future__ import annotations

from dataclasses import replace

from olo_gateway.http.call_headers import CallHeaders
from olo_gateway.http.forms import unsupported
from olo_gateway.http.orders import with_headers
from olo_gateway.http.rag import rag_of
from olo_gateway.http.rag_schemas import RagOptions
from olo_gateway.http.shapes import RequestShape
from olo_gateway.runs.order import ChatOrder


class ExtendedRequest(RequestShape):
    """The base of requests for answers."""

    rag: RagOptions | None = None
    """Ask for an answer from the passages of a collection."""
    wait_for_model: float | None = None
    """Seconds that the run may wait for a model to become available; without it, there is an error at once."""
    allow_fallback: bool | None = None
    """Whether another model may answer where the named one cannot."""
    routing_profile: str | None = None
    """What the choice of a model weighs, as in the OpenAI dialect."""
    conversation_id: str | None = None
    """Requests with the same one stay with one model while that can answer."""


def extended(order: ChatOrder, body: ExtendedRequest, headers: CallHeaders) -> ChatOrder:
    """The order with what body and headers say beside the dialect.

    Raises:
        InvalidField: A header has a value that is not allowed.
    """
    order = replace(
        order,
        rag=rag_of(body.rag) if body.rag else None,
        wait_for_model=body.wait_for_model,
        allow_fallback=bool(body.allow_fallback),
        profile=body.routing_profile or "",
        conversation_id=body.conversation_id or "",
    )
    return with_headers(order, headers)


def refuse(meant: dict[str, bool]) -> None:
    """Refuses what would silently mean something else.

    Args:
        meant: Of each field, whether it has a value whose meaning cannot be kept.

    Raises:
        InvalidField: Naming the first such field.
    """
    for name, refused in meant.items():
        if refused:
            raise unsupported(name)
