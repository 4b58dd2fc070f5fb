"""The engine on fastembed and ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from fastembed import SparseTextEmbedding
from fastembed.rerank.cross_encoder import TextCrossEncoder

from olo_common.errors import OloError, StartupError
from olo_embed_worker.adapters import fastembed_models
from olo_embed_worker.adapters.dense import DenseModel
from olo_embed_worker.adapters.sessions import on_cuda
from olo_embed_worker.errors import EngineFailed, RerankerNotLoaded, SparseNotLoaded
from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector, Tokenized

# Rows of one run of a sparse model or a reranker.
_PIECE: Final = 16


class FastembedEngine:
    """See `EmbeddingEngine`. Loading takes seconds and blocks.

    Args:
        model: A model directory, or a name that fastembed knows.
        int8: Whether the dense model computes in int8.
        sparse: "bm25", or a directory or name of a SPLADE model; empty: none.
        reranker: A directory or name of a cross-encoder; empty: none.
        threads: Threads of one computation; 0: all cores.
        cache_dir: Where fetched models are kept; empty: fastembed's place.

    Raises:
        StartupError: A model cannot be found, fetched, read or quantized.
    """

    def __init__(self, model: str, *, int8: bool, sparse: str, reranker: str, threads: int, cache_dir: str) -> None:
        options: dict[str, Any] = {"threads": threads or None, "cache_dir": cache_dir or None}
        self._dense = DenseModel(fastembed_models.load_dense(model, options, int8=int8))
        self._sparse: SparseTextEmbedding | None = fastembed_models.load_sparse(sparse, options) if sparse else None
        self._reranker: TextCrossEncoder | None = (
            fastembed_models.load_reranker(reranker, options) if reranker else None
        )
        try:
            # The first run allocates; nobody should wait for it.
            probe = self.embed(self.tokenize(["ready"]), InputKind.PASSAGE)
        except OloError as error:
            raise StartupError(f"the embedding model {model} does not compute") from error
        self._info = EngineInfo(
            dimension=probe.shape[1],
            context_limit=self._dense.context_limit,
            on_gpu=on_cuda(),
            reranker_model=os.path.basename(reranker.rstrip("/")),  # noqa: PTH119  # a name is as likely as a path
        )

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Each text as the dense model reads it, the tokens at its ends included."""
        with _wrapped("tokenizing"):
            return self._dense.tokenize(texts)

    def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
        """One vector for each text, of unit length where the model is made so."""
        with _wrapped("embedding"):
            return self._dense.embed(texts, kind)

    def embed_sparse(self, texts: Sequence[str], kind: InputKind) -> list[SparseVector]:
        """One sparse vector for each text; of BM25: weights of terms in a passage, 1 for each term of a query."""
        if self._sparse is None:
            raise SparseNotLoaded("sparse vectors are turned off on this instance")
        with _wrapped("sparse embedding"):
            if kind is InputKind.QUERY:
                vectors = self._sparse.query_embed(list(texts))
            else:
                vectors = self._sparse.embed(list(texts), batch_size=_PIECE)
            return [_sorted(vector.indices, vector.values) for vector in vectors]

    def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """The scores of the cross-encoder, as they are."""
        if self._reranker is None:
            raise RerankerNotLoaded("no reranker is loaded on this instance")
        with _wrapped("reranking"):
            return [float(score) for score in self._reranker.rerank(query, list(documents), batch_size=_PIECE)]

    def info(self) -> EngineInfo:
        """What is loaded."""
        return self._info

    def close(self) -> None:
        """Lets the sessions go."""
        del self._dense, self._sparse, self._reranker


def _sorted(indices: Any, values: Any) -> SparseVector:
    order = np.argsort(indices)
    return SparseVector(np.asarray(indices)[order].astype(np.uint32), np.asarray(values)[order].astype(np.float32))


@contextmanager
def _wrapped(what: str) -> Iterator[None]:
    """Whatever fastembed, tokenizers or ONNX Runtime raise becomes one error of ours."""
    try:
        yield
    except OloError:
        raise
    except Exception as error:
        raise EngineFailed(f"{what} failed") from error
