"""Dense vectors: fastembed's model, tokenizer and pooling around a session and a padding of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from fastembed import TextEmbedding
from fastembed.common.onnx_model import OnnxOutputContext
from fastembed.text.text_embedding_base import TextEmbeddingBase
from tokenizers import Tokenizer

from olo_embed_worker.types import InputKind, Rows, Tokenized

# More than the longest text that is let in can have.
_NO_LIMIT: Final = 65_536


class DenseModel:
    """Tokenizes each text once and pads a run to its longest text only. May be used by several threads at once.

    Args:
        model: A loaded model, with a tokenizer.
    """

    def __init__(self, model: TextEmbedding) -> None:
        self._model = model
        inner: Any = model.model
        self._inner = inner
        # Models that embed queries otherwise than passages prepare texts in ways of their own.
        self._sided = type(inner).query_embed is not TextEmbeddingBase.query_embed
        cutting = inner.tokenizer
        self._padding: dict[str, Any] = cutting.padding or {}
        self.context_limit: int = cutting.truncation["max_length"] if cutting.truncation else _NO_LIMIT
        self._tokenizer = Tokenizer.from_str(cutting.to_str())
        self._tokenizer.no_padding()
        self._specials: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._inputs = {node.name for node in inner.model.get_inputs()}

    def tokenize(self, texts: Sequence[str]) -> list[Tokenized]:
        """Each text cut at the limit; what is cut off is counted."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        return [
            Tokenized(text, np.array(encoding.ids, np.int64), len(encoding.ids) + self._beyond(encoding))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _beyond(self, encoding: Any) -> int:
        return sum(len(rest.ids) - self._specials for rest in encoding.overflowing)

    def embed(self, texts: Sequence[Tokenized], kind: InputKind) -> Rows:
        """One vector for each text."""
        if self._sided:
            run = self._model.query_embed if kind is InputKind.QUERY else self._model.passage_embed
            vectors = list(run([text.text for text in texts], batch_size=len(texts)))
        else:
            ids, mask = self._padded(texts)
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            prepared = self._inner._preprocess_onnx_input({name: feed[name] for name in feed if name in self._inputs})
            output = self._inner.model.run(self._inner.ONNX_OUTPUT_NAMES, prepared)[0]
            context = OnnxOutputContext(model_output=output, attention_mask=mask, input_ids=ids)
            vectors = list(self._inner._post_process_onnx_output(context))
        return np.ascontiguousarray(np.stack(vectors), np.float32)

    def _padded(self, texts: Sequence[Tokenized]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Tokens and mask, [texts, longest]."""
        longest = max(len(text.ids) for text in texts)
        ids = np.full((len(texts), longest), self._padding.get("pad_id", 0), np.int64)
        mask = np.zeros_like(ids)
        left = self._padding.get("direction") == "left"
        for row, text in enumerate(texts):
            place = slice(longest - len(text.ids), None) if left else slice(0, len(text.ids))
            ids[row, place] = text.ids
            mask[row, place] = 1
        return ids, mask
