"""The shapes of what a request says of passages, and of what an answer tells of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from olo_gateway.http.shapes import AnswerShape, RequestShape


class RagOptions(RequestShape):
    collection: str
    """The collection whose passages are put before the model."""
    top_k: Annotated[int, Field(ge=1, le=50)] = 4
    """How many passages."""
    mode: Literal["required", "optional"] | None = None
    """`required`: where nothing can be searched, the run fails with the reason. `optional`: it is answered without
    passages, and `olo.grounding.state` says so."""
    retriever: str | None = None
    """`dense` (meaning), `sparse` (words), `hybrid` (both), or one that is installed beside them."""
    filter: dict[str, Any] | None = None
    """What the metadata of the documents must be like: `{"type": "eq", "key": "topic", "value": "museum"}`, with `eq`,
    `ne`, `in`, `nin`, `lt`, `lte`, `gt` or `gte`; `{"type": "and", "filters": [...]}`, or `or`."""
    min_score: float | None = None
    """Least cosine similarity of a passage."""
    mmr_lambda: float | None = None
    """0 to 1; less makes passages differ more from each other."""
    rerank: bool | None = None
    """Order the best anew with the reranker."""
    query_rewriting: Literal["none", "multi_query", "hyde", "condense"] | None = None
    """Have a model ask the question in other ways (`multi_query`), make up an answer to search with (`hyde`), or make
    one question of the conversation (`condense`). Where that fails, the question itself is searched for."""


class UrlCitation(AnswerShape):
    start_index: int
    """Where the mark begins, in characters (Unicode code points) of the content."""
    end_index: int
    """Behind where it ends."""
    url: str
    """The source of the passage."""
    title: str


class Annotation(AnswerShape):
    """A mark such as `[1]` in the content, with the passage that it names."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class Citation(AnswerShape):
    index: int
    """The number that marks the passage in the answer, from 1."""
    document_id: str
    title: str
    source: str
    chunk_id: str
    score: float
    text: str
    cited: bool
    """Whether the answer marks it as its source."""
    left_out: bool
    """It was found, and not put before the model, because it does not fit its context."""
    start_offset: int
    """Where the text stands in the document, in characters."""
    end_offset: int
    page: int | None
    heading_path: list[str]
    """The headings above it, outermost first."""
    document_version: int
    context_text: str | None
    """The text around it, where that was put before the model in its place; the offsets are those of `text`."""


class CitationMark(AnswerShape):
    index: int
    """The number that stands there; perhaps no passage has it."""
    start: int
    """Where it begins, in characters (Unicode code points) of the content."""
    end: int
    """Behind where it ends."""
    supported: bool
    """Whether the passage has enough of the words, and all the numbers, of what the mark stands for."""
    overlap: float
    """0 to 1: share of those words that the passage has."""


class Grounding(AnswerShape):
    """On what the answer could be grounded, and how far its marks hold."""

    state: Literal["grounded", "nothing_found", "unavailable", "nothing_fits"]
    failure_reason: str | None
    """Why nothing could be searched."""
    retriever: str | None
    queries: list[str]
    """What was searched for."""
    rewriting_failure: str | None
    """Why no model has rewritten the question, where one was to."""
    rewriting_tokens: int
    """What the rewriting has cost; `usage` does not count it."""
    passages_used: int
    passages_left_out: int
    """Those that do not fit the context of the model."""
    marks: list[CitationMark]
