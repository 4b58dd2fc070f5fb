"""Runs a dataset against a stack: ingests its documents, asks its questions, measures what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from olo.retrieval.v1.retrieval_service_pb2 import DocumentState
from olo_client.async_client import AsyncOlo
from olo_client.errors import OloError
from olo_client.evaluation.dataset import Dataset, EvalDocument, EvalQuestion
from olo_client.evaluation.measures import citation_precision, groundedness, mean, ndcg, recall, reciprocal_rank
from olo_client.ingestion import ensure_collection

T = TypeVar("T")
R = TypeVar("R")

K = 10
_PASSAGES = 50
"""Several passages may come from one document; the rank of a document is that of its first one."""
_AT_ONCE = 4
_FIRST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Way:
    """A way to search that is measured."""

    retriever: str
    rerank: bool = False

    @property
    def name(self) -> str:
        """`hybrid`, `hybrid + rerank`."""
        return f"{self.retriever} + rerank" if self.rerank else self.retriever


@dataclass(frozen=True)
class SearchQuality:
    """The means over the questions that can be answered, which are `questions`."""

    ndcg: float
    recall: float
    mrr: float
    questions: int


@dataclass
class AnswerQuality:
    """What became of the answers.

    Attributes:
        citation_precision: Mean over the answerable questions that got citations; None where none did.
        groundedness: Mean over the answers that cite; None where none does.
        supported: Share of the marks whose passage has the words and numbers that they stand for, as the gateway
            finds; None where no answer has a mark.
        answered: Share of the answerable questions whose answer cites a relevant document.
        refused: Share of the unanswerable questions whose answer cites nothing; None where there are none.
        failed: Questions that ended with an error.
    """

    citation_precision: float | None = None
    groundedness: float | None = None
    supported: float | None = None
    answered: float | None = None
    refused: float | None = None
    failed: int = 0


@dataclass
class _Tally:
    precisions: list[float] = field(default_factory=list)
    grounded: list[float] = field(default_factory=list)
    supported: list[bool] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: int = 0


async def ingest_dataset(olo: AsyncOlo, collection: str, dataset: Dataset) -> AsyncIterator[EvalDocument]:
    """Makes the collection if it is missing, ingests every document, and gives each as it becomes searchable.

    Raises:
        OloError: A document is refused, or its indexing fails.
    """
    await ensure_collection(olo, collection)

    async def one(document: EvalDocument) -> EvalDocument:
        found = await olo.documents.ingest(
            collection,
            document.text,
            document_id=document.document_id,
            title=document.title,
            metadata=document.metadata,
        )
        pause = _FIRST_PAUSE_SECONDS
        while found.state == DocumentState.DOCUMENT_STATE_INDEXING:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)
            found = await olo.documents.get(collection, document.document_id)
        if found.state == DocumentState.DOCUMENT_STATE_FAILED:
            raise OloError("ABORTED", "ingest_failed", f"{document.document_id}: {found.error or 'indexing failed'}")
        return document

    async for document in _each(dataset.documents, one):
        yield document


async def measure_search(olo: AsyncOlo, collection: str, questions: Sequence[EvalQuestion], way: Way) -> SearchQuality:
    """How well a way finds the relevant documents of questions that have some."""

    async def ranked(question: EvalQuestion) -> tuple[Mapping[str, int], list[str]]:
        passages = await olo.search(
            collection, question.text, top_k=_PASSAGES, retriever=way.retriever, rerank=way.rerank
        )
        return question.relevant, list(dict.fromkeys(passage.document_id for passage in passages))

    rankings = [(relevant, ranking) async for relevant, ranking in _each(questions, ranked)]
    return SearchQuality(
        ndcg=mean([ndcg(ranking, relevant, K) for relevant, ranking in rankings]) or 0.0,
        recall=mean([recall(ranking, relevant, K) for relevant, ranking in rankings]) or 0.0,
        mrr=mean([reciprocal_rank(ranking, relevant) for relevant, ranking in rankings]) or 0.0,
        questions=len(rankings),
    )


async def measure_answers(
    olo: AsyncOlo, collection: str, questions: Sequence[EvalQuestion], model: str, progress: Callable[[], None]
) -> AnswerQuality:
    """How well a model answers from the passages that it is given."""
    tally = _Tally()

    async def ask(question: EvalQuestion) -> None:
        try:
            response = await olo.chat(question.text, model=model, collection=collection)
        except OloError:
            tally.failed += 1
            return
        tally.supported += [mark.supported for mark in response.grounding.marks]
        cited = [citation for citation in response.citations if citation.cited]
        sources = [citation.document_id for citation in cited]
        if not question.relevant:
            tally.refused.append(not cited)
            return
        tally.answered.append(any(source in question.relevant for source in sources))
        if (precision := citation_precision(sources, question.relevant)) is not None:
            tally.precisions.append(precision)
            grounded = groundedness(response.message.content, [citation.text for citation in cited])
            tally.grounded += [] if grounded is None else [grounded]

    async for _ in _each(questions, ask):
        progress()
    return AnswerQuality(
        citation_precision=mean(tally.precisions),
        groundedness=mean(tally.grounded),
        supported=mean(tally.supported),
        answered=mean(tally.answered),
        refused=mean(tally.refused),
        failed=tally.failed,
    )


async def _each(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> AsyncIterator[R]:
    """The results of a few at once, as they come. What is left is cancelled where one fails."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    tasks = [asyncio.create_task(one(item)) for item in items]
    try:
        for done in asyncio.as_completed(tasks):
            yield await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
