"""The engine on fastembed and ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from fastembed import SparseTextEmbedding, TextEmbedding
from fastembed.rerank.cross_encoder import TextCrossEncoder
from fastembed.text.text_embedding_base import TextEmbeddingBase
from tokenizers import Tokenizer

from olo_common.errors import OloError, StartupError
from olo_embed_worker.adapters import fastembed_models
from olo_embed_worker.errors import EngineFailed, RerankerNotLoaded, SparseNotLoaded
from olo_embed_worker.types import EngineInfo, InputKind, Rows, SparseVector

# Batches come sorted by length, so that small pieces of them are padded to much less than the longest text of all.
_PIECE: Final = 16
# More than the longest text that is let in can have.
_NO_LIMIT: Final = 65_536


class FastembedEngine:
    """See `EmbeddingEngine`. Loading takes seconds and blocks.

    Args:
        model: A model directory, or a name that fastembed knows.
        sparse: Whether to load BM25.
        reranker: A directory or name of a cross-encoder; empty: none.
        threads: Threads of one computation; 0: all cores.
        cache_dir: Where fetched models are kept; empty: fastembed's place.

    Raises:
        StartupError: A model cannot be found, fetched or read.
    """

    def __init__(self, model: str, *, sparse: bool, reranker: str, threads: int, cache_dir: str) -> None:
        options: dict[str, Any] = {"threads": threads or None, "cache_dir": cache_dir or None}
        self._dense: TextEmbedding = fastembed_models.load_dense(model, options)
        self._sparse: SparseTextEmbedding | None = fastembed_models.load_sparse() if sparse else None
        self._reranker: TextCrossEncoder | None = (
            fastembed_models.load_reranker(reranker, options) if reranker else None
        )
        inner: Any = self._dense.model
        if getattr(inner, "tokenizer", None) is None:
            raise StartupError(f"the embedding model {model} has no tokenizer, without which texts cannot be measured")
        self._tokenizer = Tokenizer.from_str(inner.tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        try:
            # The first run allocates; nobody should wait for it.
            probe = self.embed(["ready"], InputKind.PASSAGE)
        except OloError as error:
            raise StartupError(f"the embedding model {model} does not compute") from error
        providers: list[str] = inner.model.get_providers() if hasattr(inner.model, "get_providers") else []
        self._info = EngineInfo(
            dimension=probe.shape[1],
            context_limit=inner.tokenizer.truncation["max_length"] if inner.tokenizer.truncation else _NO_LIMIT,
            on_gpu="CUDAExecutionProvider" in providers,
            sided=type(inner).query_embed is not TextEmbeddingBase.query_embed,
            reranker_model=os.path.basename(reranker.rstrip("/")),  # noqa: PTH119  # a name is as likely as a path
        )

    def embed(self, texts: Sequence[str], kind: InputKind) -> Rows:
        """One unit vector for each text."""
        run = self._dense.query_embed if kind is InputKind.QUERY else self._dense.passage_embed
        with _wrapped("embedding"):
            return np.ascontiguousarray(np.stack(list(run(list(texts), batch_size=_PIECE))), np.float32)

    def embed_sparse(self, texts: Sequence[str], kind: InputKind) -> list[SparseVector]:
        """One BM25 vector for each text: weights of terms in a passage, 1 for each term of a query."""
        if self._sparse is None:
            raise SparseNotLoaded("sparse vectors are turned off on this instance")
        run = self._sparse.query_embed if kind is InputKind.QUERY else self._sparse.embed
        with _wrapped("sparse embedding"):
            return [_sorted(vector.indices, vector.values) for vector in run(list(texts))]

    def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """The scores of the cross-encoder, as they are."""
        if self._reranker is None:
            raise RerankerNotLoaded("no reranker is loaded on this instance")
        with _wrapped("reranking"):
            return [float(score) for score in self._reranker.rerank(query, list(documents), batch_size=_PIECE)]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, those at its ends included."""
        with _wrapped("tokenizing"):
            return [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

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
