"""How close the indexing of documents comes to what the embedding model alone can do.

Subject: the service's indexer, four documents at a time as its workflow worker runs them: chunks, dense and sparse
vectors, Qdrant's engine on disk, rows in SQLite. Peer: fastembed with the texts of the same chunks, as the indexer
makes them, in the batches that the indexer forms, dense vectors alone, with as many threads as there are cores.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from tests.bench.harness import Comparison, CpuClock, compare, write_csv
from tests.bench.rag_parts import MODEL, local_embedder

from olo_client.evaluation.dataset import read_dataset
from olo_embed_worker.minilm import build
from olo_retrieval.adapters.sql.collections import SqlCollections
from olo_retrieval.adapters.sql.documents import SqlDocuments
from olo_retrieval.adapters.sql.migrating import SqlMigrations
from olo_retrieval.adapters.sql.store import document_store
from olo_retrieval.adapters.sql.versions import SqlVersions
from olo_retrieval.adapters.vectors.edge import open_edge
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.chunking import ChunkLimits, chunk_document
from olo_retrieval.drafts import make_draft
from olo_retrieval.ingestion.indexing import Indexer
from olo_retrieval.ingestion.texts import Texts
from olo_retrieval.ingestion.writing import EMBED_BATCH, PointWriter
from olo_retrieval.migrating.copying import Copier

ROUNDS = 4
AT_ONCE = 4
DOCUMENTS = 4
"""Each of them a part of the dataset that fills a batch."""


def main() -> None:
    data = read_dataset(Path(__file__).parents[1] / "rag" / "town")
    texts = [f"# {document.title}\n\n{document.text}" for document in data.documents]
    contents = ["\n\n".join(texts[number % 2 :: 2]) for number in range(DOCUMENTS)]
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "minilm"
        build(model)
        comparison, chunks = asyncio.run(measured(contents, model, Path(scratch)))
    faster = [1 / ratio for ratio in comparison.ratios("p50")]
    middle = statistics.median(faster)
    rate = chunks / statistics.median(r.p50 for r in comparison.subject)
    print(
        f"{chunks} chunks: {middle:.2f}x as fast as fastembed alone ({min(faster):.2f} to {max(faster):.2f}); "
        f"{rate:.0f} chunks/s; CPU time {statistics.median(comparison.ratios('cpu')):.2f}x"
    )
    pairs = zip(comparison.subject, comparison.peer, strict=True)
    rows = [[n, chunks, s.p50, s.cpu, p.p50, p.cpu] for n, (s, p) in enumerate(pairs, 1)]
    write_csv("rag_ingest", ["round", "chunks", "subject_s", "subject_cpu_s", "peer_s", "peer_cpu_s"], rows)


async def measured(contents: list[str], model: Path, scratch: Path) -> tuple[Comparison, int]:
    name = "bench/rag-minilm"
    TextEmbedding.add_custom_model(name, PoolingType.MEAN, True, ModelSource(hf=name), dim=384, model_file="model.onnx")
    raw = TextEmbedding(name, specific_model_path=str(model), threads=len(os.sched_getaffinity(0)))
    limits = ChunkLimits()
    texts = [[chunk.embedding_text for chunk in chunk_document(content, limits)] for content in contents]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(document_store(f"sqlite:///{scratch}/documents.db"))
        store = await stack.enter_async_context(open_edge(scratch / "vectors", IndexOptions()))
        embedder = await stack.enter_async_context(local_embedder(model))
        collections, documents, versions = SqlCollections(database), SqlDocuments(database), SqlVersions(database)
        collection = await collections.create("default", "bench", MODEL)
        unused: Any = None
        cutter = Texts(versions, unused, limits.max_tokens)
        writer = PointWriter(store, embedder, cutter)
        indexer = Indexer(
            collections=collections, versions=versions, vectors=store, texts=cutter, writer=writer,
            copier=Copier(SqlMigrations(database), versions, store, writer),
        )  # fmt: skip
        slots, round_number = asyncio.Semaphore(AT_ONCE), 0

        async def ingest(number: int, content: str) -> None:
            async with slots:
                # Another version each time: what is unchanged is not indexed again.
                draft = make_draft(
                    document_id=f"d{number}", title="", source="", content=content + f" {round_number}", metadata={},
                    max_bytes=10**7,
                )  # fmt: skip
                record, _ = await documents.stage(collection, draft)
                await indexer.index(record.ref, lambda _: None)
                await indexer.swap(record.ref)
                await indexer.remove_stale(record.ref)

        async def subject() -> None:
            nonlocal round_number
            round_number += 1
            await asyncio.gather(*(ingest(number, content) for number, content in enumerate(contents)))

        async def peer() -> None:
            for document in texts:
                for start in range(0, len(document), EMBED_BATCH):
                    await asyncio.to_thread(lambda batch: list(raw.embed(batch)), document[start : start + EMBED_BATCH])

        comparison = await compare(subject, peer, rounds=ROUNDS, times=1, clock=CpuClock())
    return comparison, sum(map(len, texts))
