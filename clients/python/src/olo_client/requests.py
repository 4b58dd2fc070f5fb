"""Request messages from plain Python values; both clients share them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypedDict

from google.protobuf.duration_pb2 import Duration

from olo.common.v1.common_pb2 import ModelType
from olo.gateway.v1.run_pb2 import ChatRequest, RagOptions, RagSearch
from olo.inference.v1.inference_service_pb2 import ChatMessage, Role, SamplingOptions
from olo.retrieval.v1.retrieval_service_pb2 import Chunking, ChunkStrategy, DocumentInput, Filter
from olo_client.constraints import Constraints, constraints_message
from olo_client.errors import InvalidRequestError
from olo_client.searches import condition_of

Messages = str | Sequence[Mapping[str, str] | ChatMessage]
"""A question, or the turns of a conversation: `{"role": "user", "content": "..."}`."""

_LONGEST_ID = 128
_ROLES = {
    "system": Role.ROLE_SYSTEM,
    "user": Role.ROLE_USER,
    "assistant": Role.ROLE_ASSISTANT,
    "tool": Role.ROLE_TOOL,
}
_HOW_TO_SEARCH = ("rag_mode", "retriever", "where", "filter", "min_score", "mmr_lambda", "rerank", "query_rewriting")
_MODEL_TYPES = {
    None: ModelType.MODEL_TYPE_UNSPECIFIED,
    "llm": ModelType.MODEL_TYPE_LLM,
    "embedding": ModelType.MODEL_TYPE_EMBEDDING,
}


class ChatOptions(TypedDict, total=False):
    """How a chat is to be answered; what is left out, or None, is left to the gateway.

    Attributes:
        model: Model id; "auto" lets the router choose.
        collection: The collection whose passages are put before the model.
        top_k: How many passages.
        rag_mode: "required" (the default): where nothing can be searched the run fails. "optional": it is answered
            without passages, and `grounding.state` says so.
        retriever: "dense" (meaning), "sparse" (words), "hybrid" (both), or one that the service has installed.
        where: Metadata that the documents must have: a value, or several of which one must match.
        filter: A condition that `where` cannot say.
        min_score: Least cosine similarity of a passage.
        mmr_lambda: 0 to 1; less makes passages differ more from each other.
        rerank: Order the best passages anew with the reranker.
        query_rewriting: Have a model ask in other ways ("multi_query"), make up an answer to search with ("hyde"), or
            make one question of the conversation ("condense").
        max_tokens: Longest answer in tokens.
        temperature: 0 to 2; 0 decodes greedily.
        top_p: Above 0, at most 1.
        stop: Strings that end the answer.
        seed: For answers that can be repeated, as far as the engine can.
        allow_fallback: Whether another model may answer where the named one cannot.
        wait_for_model: Seconds that the run may wait for a model to become available.
        priority: Who goes first where there is not enough for all; "batch" is refused first and served last.
        profile: What the choice of a model weighs: "quality", "balanced", "speed", "budget", "long_context" or one that
            the operator has made; "auto" goes by the complexity of the prompt.
        constraints: What the model must offer; see `Constraints`.
        conversation_id: Requests with the same one stay with one model while that can answer.
        request_id: Makes the request idempotent. Left out: a new one is made, so that retries never run it twice.
        store: Let the run go on when the caller leaves its stream early, to be followed later. A run with a request_id
            of the caller does so in any case.
    """

    model: str
    collection: str | None
    top_k: int | None
    rag_mode: Literal["required", "optional"] | None
    retriever: str | None
    where: Mapping[str, str | Sequence[str]] | None
    filter: Filter | None
    min_score: float | None
    mmr_lambda: float | None
    rerank: bool
    query_rewriting: Literal["none", "multi_query", "hyde", "condense"] | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: Sequence[str]
    seed: int | None
    allow_fallback: bool
    wait_for_model: float | None
    priority: Literal["interactive", "normal", "batch"]
    profile: str
    constraints: Constraints
    conversation_id: str
    request_id: str | None
    store: bool


def chat_request(messages: Messages, options: ChatOptions, timeout: float) -> ChatRequest:
    """The request message; `timeout` is in seconds.

    Raises:
        InvalidRequestError: A message has an unknown role, or a value does not fit its field.
    """
    wait = options.get("wait_for_model")
    try:
        return ChatRequest(
            request_id=options.get("request_id") or uuid.uuid4().hex,
            model=options.get("model", "auto"),
            messages=_chat_messages(messages),
            sampling=SamplingOptions(
                max_tokens=options.get("max_tokens"),
                temperature=options.get("temperature"),
                top_p=options.get("top_p"),
                stop=options.get("stop", ()),
                seed=options.get("seed"),
            ),
            rag=rag_options(options),
            timeout=_duration(timeout),
            wait_for_model=_duration(wait) if wait is not None else None,
            allow_fallback=options.get("allow_fallback", False),
            store=options.get("store", False),
            priority=f"REQUEST_PRIORITY_{options.get('priority', 'normal').upper()}",
            profile=options.get("profile", ""),
            constraints=constraints_message(options["constraints"]) if options.get("constraints") else None,
            conversation_id=options.get("conversation_id", ""),
        )
    except (TypeError, ValueError) as error:
        raise InvalidRequestError("INVALID_ARGUMENT", "field_invalid", str(error)) from error


def rag_options(options: ChatOptions) -> RagOptions | None:
    """What is asked of retrieval; None without a collection.

    Raises:
        ValueError: A word is not known.
        InvalidRequestError: It is said how to search, and not where.
    """
    if not (collection := options.get("collection")):
        if lost := [name for name in _HOW_TO_SEARCH if options.get(name)]:
            raise _invalid(lost[0], "needs a collection")
        return None
    search = RagSearch(
        retriever=options.get("retriever") or "",
        filter=condition_of(options.get("where"), options.get("filter")),
        min_score=options.get("min_score"),
        mmr_lambda=options.get("mmr_lambda"),
        rerank=options.get("rerank", False),
    )
    mode, rewriting = options.get("rag_mode"), options.get("query_rewriting")
    return RagOptions(
        collection=collection,
        top_k=options.get("top_k") or 0,
        search=search if search.ByteSize() else None,
        mode=f"RAG_MODE_{mode.upper()}" if mode else None,
        query_rewriting=f"QUERY_REWRITING_{rewriting.upper()}" if rewriting else None,
    )


def time_for(options: ChatOptions, timeout: float | None, usual: float) -> float:
    """Seconds for a chat: what the caller says, or the usual time after that for which it waits for a model."""
    return timeout or usual + (options.get("wait_for_model") or 0.0)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def runs_after(request: ChatRequest) -> Iterator[ChatRequest]:
    """The same request for a second, third and further run, under ids that follow from the first."""
    for number in itertools.count(2):
        request_id = f"{request.request_id}.{number}"
        if len(request_id) > _LONGEST_ID:
            request_id = uuid.uuid5(uuid.NAMESPACE_OID, request_id).hex
        following = ChatRequest()
        following.CopyFrom(request)
        following.request_id = request_id
        yield following


def _chat_messages(messages: Messages) -> Iterable[ChatMessage]:
    if isinstance(messages, str):
        return [ChatMessage(role=Role.ROLE_USER, content=messages)]
    return [message if isinstance(message, ChatMessage) else _chat_message(message) for message in messages]


def _chat_message(message: Mapping[str, str]) -> ChatMessage:
    role = message.get("role", "user")
    if role not in _ROLES:
        raise InvalidRequestError(
            "INVALID_ARGUMENT",
            "field_invalid",
            f"messages.role: {role!r} is none of {', '.join(_ROLES)}",
            field="messages.role",
        )
    return ChatMessage(role=_ROLES[role], content=message.get("content", ""))


def model_type(name: str | None) -> ModelType:
    """The enum value of `llm`, `embedding` or None (all).

    Raises:
        InvalidRequestError: It is another word.
    """
    if name not in _MODEL_TYPES:
        raise InvalidRequestError(
            "INVALID_ARGUMENT",
            "field_invalid",
            f"model_type: {name!r} is neither llm nor embedding",
            field="model_type",
        )
    return _MODEL_TYPES[name]


def document_input(
    content: str | bytes,
    document_id: str | None,
    title: str | None,
    source: str | None,
    metadata: Mapping[str, str] | None,
    *,
    media_type: str | None = None,
) -> DocumentInput:
    """A document to ingest, as text or as the bytes of a file; what is None is left to the service."""
    document = DocumentInput(
        document_id=document_id or "",
        title=title or "",
        source=source or "",
        metadata=metadata or {},
        media_type=media_type or "",
    )
    if isinstance(content, bytes):
        document.data = content
    else:
        document.content = content
    return document


def _invalid(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError("INVALID_ARGUMENT", "field_invalid", f"{field}: {problem}", field=field)


def chunking_message(strategy: str, max_tokens: int, overlap_tokens: int) -> Chunking:
    """How documents are cut. Raises InvalidRequestError where there is no such strategy."""
    name = f"CHUNK_STRATEGY_{strategy.upper()}"
    if name not in ChunkStrategy.keys()[1:]:
        raise InvalidRequestError(
            "INVALID_ARGUMENT", "field_invalid", "strategy must be structure, parent_child or fixed", field="strategy"
        )
    return Chunking(strategy=name, max_tokens=max_tokens, overlap_tokens=overlap_tokens)
