"""What a request says of passages, and what an answer tells of them."""

from __future__ import annotations

from typing import Any, Final

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import ChatResponse, GroundingState
from olo_common.errors import InvalidField
from olo_gateway.http import rag_schemas as schemas
from olo_gateway.runs.rag import Comparison, Filter, Group, Operator, Rag, RagMode, Rewriting

_DIGITS: Final = 4
_DEEPEST: Final = 4
"""Levels of a filter, as the retrieval service has them."""
_ONE_VALUE: Final = {"eq": Operator.IN, "ne": Operator.NOT_IN}
_WORDS: Final = {operator.value: operator for operator in Operator}
_SEVERAL: Final = (Operator.IN, Operator.NOT_IN)


def rag_of(options: schemas.RagOptions) -> Rag:
    """What a request asks of retrieval.

    Raises:
        InvalidField: A part of the filter is not what it must be.
    """
    return Rag(
        collection=options.collection,
        top_k=options.top_k,
        retriever=options.retriever or "",
        filter=None if options.filter is None else _filter_of(options.filter, "rag.filter", 1),
        min_score=options.min_score,
        mmr_lambda=options.mmr_lambda,
        rerank=bool(options.rerank),
        mode=RagMode(options.mode or "required"),
        rewriting=Rewriting(options.query_rewriting or "none"),
    )


def citation_of(citation: run_pb2.Citation) -> schemas.Citation:
    """A passage that was found."""
    return schemas.Citation(
        index=citation.index,
        document_id=citation.document_id,
        title=citation.title,
        source=citation.source,
        chunk_id=citation.chunk_id,
        score=round(citation.score, _DIGITS),
        text=citation.text,
        cited=citation.cited,
        left_out=citation.left_out,
        start_offset=citation.start_offset,
        end_offset=citation.end_offset,
        page=citation.page or None,
        heading_path=list(citation.heading_path),
        document_version=citation.document_version,
        context_text=citation.context_text or None,
    )


def grounding_of(response: ChatResponse) -> schemas.Grounding | None:
    """On what an answer could be grounded; None where no passages were asked for."""
    if not response.HasField("grounding"):
        return None
    told = response.grounding
    cost = told.rewriting_usage
    return schemas.Grounding(
        state=GroundingState.Name(told.state).removeprefix("GROUNDING_STATE_").lower(),  # type: ignore[arg-type]
        failure_reason=told.failure_reason or None,
        retriever=told.retriever or None,
        queries=list(told.queries),
        rewriting_failure=told.rewriting_failure or None,
        rewriting_tokens=cost.prompt_tokens + cost.completion_tokens,
        passages_used=len(response.citations) - told.passages_left_out,
        passages_left_out=told.passages_left_out,
        marks=[
            schemas.CitationMark(
                index=mark.index,
                start=mark.start_offset,
                end=mark.end_offset,
                supported=mark.supported,
                overlap=round(mark.overlap, _DIGITS),
            )
            for mark in told.marks
        ],
    )


def annotations_of(response: ChatResponse) -> list[schemas.Annotation]:
    """The marks of an answer that have support, as OpenAI's clients know them."""
    passages = {citation.index: citation for citation in response.citations}
    return [
        schemas.Annotation(
            url_citation=schemas.UrlCitation(
                start_index=mark.start_offset,
                end_index=mark.end_offset,
                url=passages[mark.index].source,
                title=passages[mark.index].title,
            )
        )
        for mark in response.grounding.marks
        if mark.supported
    ]


def _filter_of(value: Any, field: str, depth: int) -> Filter:
    if not isinstance(value, dict):
        raise _invalid(field, "must be an object")
    if depth > _DEEPEST:
        raise _invalid(field, f"more than {_DEEPEST} levels")
    kind = value.get("type")
    if kind in ("and", "or"):
        parts = value.get("filters")
        if not isinstance(parts, list) or not parts:
            raise _invalid(f"{field}.filters", "must be a list of filters, with at least one")
        filters = tuple(_filter_of(part, f"{field}.filters[{number}]", depth + 1) for number, part in enumerate(parts))
        return Group(kind == "and", filters)
    operator = _ONE_VALUE.get(kind) or _WORDS.get(kind) if isinstance(kind, str) else None
    if operator is None:
        raise _invalid(f"{field}.type", "must be and, or, eq, ne, in, nin, lt, lte, gt or gte")
    key = value.get("key")
    if not isinstance(key, str):
        raise _invalid(f"{field}.key", "must be a text")
    several = operator in _SEVERAL and kind not in _ONE_VALUE
    given = value.get("value")
    if several != isinstance(given, list):
        raise _invalid(f"{field}.value", "must be a list" if several else "must be a single value")
    values = given if isinstance(given, list) else [given]
    return Comparison(key, operator, tuple(_text(each, f"{field}.value") for each in values))


def _text(value: Any, field: str) -> str:
    """Metadata are texts; what JSON has other words for is spelt as its document would."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise _invalid(field, "must be a text, a number, true or false")
    return str(value)


def _invalid(field: str, problem: str) -> InvalidField:
    return InvalidField(field, problem, reason="filter_invalid")
