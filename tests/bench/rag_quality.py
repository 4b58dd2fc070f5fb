"""How well each retriever finds the documents that answer the questions of `tests/rag/town`.

The engine of the embed-worker (all-MiniLM-L6-v2, BM25), the chunks, stores and retrievers of the service, in this
process; documents are ranked by their first passage. `make bench ARGS=rag_quality`, a minute. With a stack that runs,
`olo rag eval tests/rag/town` gives the same figures through every service, and with --rerank those of its reranker.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.bench.harness import write_csv
from tests.bench.rag_parts import MODEL, LocalEmbedder, local_embedder

from olo_client.evaluation.dataset import Dataset, EvalQuestion, read_dataset
from olo_client.evaluation.measures import ndcg, recall, reciprocal_rank
from olo_embed_worker.minilm import build
from olo_retrieval.adapters.vectors.edge import open_edge
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.chunking import ChunkLimits, chunk_document
from olo_retrieval.ports import Retriever, VectorStore
from olo_retrieval.searching.index import CollectionIndex
from olo_retrieval.searching.retrievers import own_retrievers
from olo_retrieval.types import Collection, InputSide, Piece, Point, Selection

K = 10
_PASSAGES = 50
_COLLECTION = Collection("town", "bench", "town", MODEL, 0)


def main() -> None:
    data = read_dataset(Path(__file__).parents[1] / "rag" / "town")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "minilm"
        build(model)
        asyncio.run(measured(data, model, Path(scratch) / "vectors"))


async def measured(data: Dataset, model: Path, vectors: Path) -> None:
    rows: list[list[object]] = []
    async with local_embedder(model) as embedder, open_edge(vectors, IndexOptions()) as store:
        await fill(data, embedder, store)
        for name, retriever in own_retrievers().items():
            index = CollectionIndex(store, embedder, _COLLECTION, None, sparse=True, with_vectors=False)
            rankings = [(q, await ranking(index, retriever, q)) for q in data.answerable]
            figures = [
                sum(ndcg(found, q.relevant, K) for q, found in rankings) / len(rankings),
                sum(recall(found, q.relevant, K) for q, found in rankings) / len(rankings),
                sum(recall(found, q.relevant, 1) for q, found in rankings) / len(rankings),
                sum(reciprocal_rank(found, q.relevant) for q, found in rankings) / len(rankings),
            ]
            print(f"{name:7}" + "".join(f"  {what} {figure:.3f}" for what, figure in zip(WHAT, figures, strict=True)))
            rows.append([name, len(rankings), *(round(figure, 4) for figure in figures)])
    write_csv("rag_quality", ["retriever", "questions", *WHAT], rows)


WHAT = [f"ndcg@{K}", f"recall@{K}", "recall@1", "mrr"]


async def fill(data: Dataset, embedder: LocalEmbedder, store: VectorStore) -> None:
    scope = Selection(_COLLECTION.tenant, _COLLECTION.uid)
    for document in data.documents:
        chunks = chunk_document(document.text, ChunkLimits())
        texts = [chunk.embedding_text for chunk in chunks]
        dense = await embedder.embed(MODEL, texts, InputSide.PASSAGE)
        sparse = await embedder.embed_sparse(MODEL, texts, InputSide.PASSAGE)
        pieces = [
            Piece(document.document_id, 1, chunk.index, chunk.start, chunk.end, document.title, "", chunk.text)
            for chunk in chunks
        ]
        await store.upsert(MODEL, scope, list(map(Point, pieces, dense, sparse)))


async def ranking(index: CollectionIndex, retriever: Retriever, question: EvalQuestion) -> list[str]:
    found = await retriever.retrieve(index, question.text, _PASSAGES)
    return list(dict.fromkeys(hit.piece.document_id for hit in found.hits))
