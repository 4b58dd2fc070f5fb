"""What a caller wants of retrieval, between the contracts and the core."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.run_pb2 import Citation, CitationMark, QueryRewriting, RagOptions, RagSearch
from olo.retrieval.v1 import retrieval_service_pb2 as retrieval
from olo_common.errors import InvalidField
from olo_gateway.prompting.citations import Citing
from olo_gateway.runs.order import RecordedPassage
from olo_gateway.runs.rag import Comparison, Filter, Group, Operator, Rag, RagMode, Rewriting

_MODES: Final = {
    run_pb2.RAG_MODE_UNSPECIFIED: RagMode.REQUIRED,
    run_pb2.RAG_MODE_REQUIRED: RagMode.REQUIRED,
    run_pb2.RAG_MODE_OPTIONAL: RagMode.OPTIONAL,
}
_REWRITINGS: Final = {
    run_pb2.QUERY_REWRITING_UNSPECIFIED: Rewriting.NONE,
    run_pb2.QUERY_REWRITING_NONE: Rewriting.NONE,
    run_pb2.QUERY_REWRITING_MULTI_QUERY: Rewriting.MULTI_QUERY,
    run_pb2.QUERY_REWRITING_HYDE: Rewriting.HYDE,
    run_pb2.QUERY_REWRITING_CONDENSE: Rewriting.CONDENSE,
}
_OPERATORS: Final = {
    retrieval.FILTER_OPERATOR_IN: Operator.IN,
    retrieval.FILTER_OPERATOR_NOT_IN: Operator.NOT_IN,
    retrieval.FILTER_OPERATOR_LESS: Operator.LESS,
    retrieval.FILTER_OPERATOR_LESS_OR_EQUAL: Operator.LESS_OR_EQUAL,
    retrieval.FILTER_OPERATOR_GREATER: Operator.GREATER,
    retrieval.FILTER_OPERATOR_GREATER_OR_EQUAL: Operator.GREATER_OR_EQUAL,
}
_MODE_NUMBERS: Final = {mode: number for number, mode in _MODES.items()}
_REWRITING_NUMBERS: Final = {rewriting: number for number, rewriting in _REWRITINGS.items()}
_OPERATOR_NUMBERS: Final = {operator: number for number, operator in _OPERATORS.items()}


def rag_of(message: RagOptions) -> Rag:
    """What a request message asks of retrieval.

    Raises:
        InvalidField: The mode, the rewriting or a part of the filter is not known.
    """
    search = message.search
    if message.mode not in _MODES:
        raise InvalidField("rag.mode", "must be required or optional")
    return Rag(
        collection=message.collection,
        top_k=message.top_k,
        retriever=search.retriever,
        filter=_filter_of(search.filter, "rag.search.filter") if search.HasField("filter") else None,
        min_score=search.min_score if search.HasField("min_score") else None,
        mmr_lambda=search.mmr_lambda if search.HasField("mmr_lambda") else None,
        rerank=search.rerank,
        mode=_MODES[message.mode],
        rewriting=rewriting_of(message.query_rewriting),
    )


def rewriting_of(number: QueryRewriting) -> Rewriting:
    """What is searched for.

    Raises:
        InvalidField: The number is not known.
    """
    if number not in _REWRITINGS:
        raise InvalidField("rag.query_rewriting", "must be none, multi_query, hyde or condense")
    return _REWRITINGS[number]


def rag_message(rag: Rag) -> RagOptions:
    """The message of options that were accepted."""
    search = RagSearch(
        retriever=rag.retriever,
        filter=None if rag.filter is None else _filter_message(rag.filter),
        min_score=rag.min_score,
        mmr_lambda=rag.mmr_lambda,
        rerank=rag.rerank,
    )
    return RagOptions(
        collection=rag.collection,
        top_k=rag.top_k,
        search=search if search.ByteSize() else None,
        mode=_MODE_NUMBERS[rag.mode],
        query_rewriting=_REWRITING_NUMBERS[rag.rewriting],
        recorded=rag.recorded,
    )


def search_request(rag: RagOptions, query: str, tenant: str) -> retrieval.SearchRequest:
    """What retrieval is asked."""
    search = rag.search
    return retrieval.SearchRequest(
        collection=rag.collection,
        query=query,
        top_k=rag.top_k,
        tenant=tenant,
        retriever=search.retriever,
        filter=search.filter if search.HasField("filter") else None,
        min_score=search.min_score if search.HasField("min_score") else None,
        mmr_lambda=search.mmr_lambda if search.HasField("mmr_lambda") else None,
        rerank=search.rerank,
    )


def citation_of(number: int, passage: retrieval.Passage) -> Citation:
    """The passage as it is cited, before it is known whether the answer marks it."""
    return Citation(
        index=number,
        document_id=passage.document_id,
        title=passage.title,
        source=passage.source,
        chunk_id=passage.chunk_id,
        score=passage.score,
        text=passage.text,
        start_offset=passage.start_offset,
        end_offset=passage.end_offset,
        page=passage.page,
        heading_path=passage.heading_path,
        document_version=passage.document_version,
    )


def shown_text(citation: Citation) -> str:
    """What a passage that was put before the model said there."""
    return citation.context_text or citation.text


def recorded_of(citation: Citation) -> RecordedPassage:
    """The passage of an earlier run."""
    return RecordedPassage(
        document_id=citation.document_id,
        title=citation.title,
        source=citation.source,
        chunk_id=citation.chunk_id,
        score=citation.score,
        text=citation.text,
        start_offset=citation.start_offset,
        end_offset=citation.end_offset,
        page=citation.page,
        heading_path=tuple(citation.heading_path),
        document_version=citation.document_version,
        context_text=citation.context_text,
    )


def recorded_message(number: int, passage: RecordedPassage) -> Citation:
    """The passage of an earlier run as the workflow takes it."""
    return Citation(index=number, **asdict(passage))


def mark_message(citing: Citing) -> CitationMark:
    """A mark of an answer, as callers are told of it."""
    return CitationMark(
        index=citing.mark.index,
        start_offset=citing.mark.start,
        end_offset=citing.mark.end,
        supported=citing.support.supported,
        overlap=citing.support.overlap,
    )


def _filter_of(message: retrieval.Filter, field: str) -> Filter:
    kind = message.WhichOneof("kind")
    if kind == "comparison":
        compared = message.comparison
        if compared.operator not in _OPERATORS:
            raise InvalidField(f"{field}.comparison.operator", "is not known", reason="filter_invalid")
        return Comparison(compared.key, _OPERATORS[compared.operator], tuple(compared.values))
    if kind is None:
        raise InvalidField(field, "needs comparison, all or any", reason="filter_invalid")
    parts: retrieval.FilterGroup = getattr(message, kind)
    filters = tuple(_filter_of(part, f"{field}.{kind}[{index}]") for index, part in enumerate(parts.filters))
    return Group(kind == "all", filters)


def _filter_message(condition: Filter) -> retrieval.Filter:
    if isinstance(condition, Comparison):
        operator = _OPERATOR_NUMBERS[condition.operator]
        compared = retrieval.FilterComparison(key=condition.key, operator=operator, values=condition.values)
        return retrieval.Filter(comparison=compared)
    group = retrieval.FilterGroup(filters=[_filter_message(part) for part in condition.filters])
    return retrieval.Filter(all=group) if condition.every else retrieval.Filter(any=group)
