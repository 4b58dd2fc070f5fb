"""Search requests, made of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from olo.retrieval.v1.retrieval_service_pb2 import (
    Filter,
    FilterComparison,
    FilterGroup,
    FilterOperator,
    SearchRequest,
)
from olo_client.errors import InvalidRequestError


class SearchOptions(TypedDict, total=False):
    """How passages are to be found; what is left out, or None, is left to the service.

    Attributes:
        top_k: How many passages.
        min_score: Least cosine similarity.
        retriever: "dense" (meaning), "sparse" (words), "hybrid" (both), or one that the service has installed.
        where: Metadata that the documents must have: a value, or several of which one must match.
        filter: A condition that `where` cannot say.
        mmr_lambda: 0 to 1; less makes passages differ more from each other.
        rerank: Order the best anew with the reranker.
    """

    top_k: int | None
    min_score: float | None
    retriever: str | None
    where: Mapping[str, str | Sequence[str]] | None
    filter: Filter | None
    mmr_lambda: float | None
    rerank: bool


def search_request(collection: str, query: str, options: SearchOptions) -> SearchRequest:
    """The request message.

    Raises:
        InvalidRequestError: A value does not fit its field.
    """
    try:
        return SearchRequest(
            collection=collection,
            query=query,
            top_k=options.get("top_k") or 0,
            min_score=options.get("min_score"),
            retriever=options.get("retriever") or "",
            filter=condition_of(options.get("where"), options.get("filter")),
            mmr_lambda=options.get("mmr_lambda"),
            rerank=options.get("rerank", False),
        )
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "field_invalid", str(error)) from error


def condition_of(where: Mapping[str, str | Sequence[str]] | None, condition: Filter | None) -> Filter | None:
    """The one condition of both; None where there is none."""
    parts = [
        Filter(comparison=FilterComparison(key=key, operator=FilterOperator.FILTER_OPERATOR_IN, values=_several(value)))
        for key, value in (where or {}).items()
    ]
    parts += [condition] if condition is not None else []
    return Filter(all=FilterGroup(filters=parts)) if parts else None


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
