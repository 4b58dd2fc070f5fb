"""Checkpoints with random weights: engines of any size to test and to measure, with nothing to download."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file


def random_checkpoint(
    target: Path,
    tokenizer: Path,
    *,
    hidden: int,
    layers: int,
    heads: int,
    inner: int,
    context: int = 2048,
    seed: int = 0,
) -> Path:
    """Writes a Llama-family checkpoint in Hugging Face layout, and returns its directory.

    Args:
        target: The directory to make.
        tokenizer: A directory whose tokenizer.json and special tokens it takes over.
        hidden: Width; a multiple of `heads`.
        layers: Number of layers.
        heads: Attention heads, as many for keys.
        inner: Width of the feed-forward layers.
        context: Context limit in tokens.
        seed: Of the weights.
    """
    target.mkdir(parents=True)
    shutil.copyfile(tokenizer / "tokenizer.json", target / "tokenizer.json")
    config = json.loads((tokenizer / "config.json").read_text(encoding="utf-8"))
    config |= {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": hidden // heads,
        "intermediate_size": inner,
        "max_position_embeddings": context,
    }
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> npt.NDArray[np.float32]:
        return random.standard_normal(shape, dtype=np.float32) * np.float32((2.0 / shape[-1]) ** 0.5)

    one = np.ones(hidden, dtype=np.float32)
    vocabulary = config["vocab_size"]
    tensors = {
        "model.embed_tokens.weight": normal(vocabulary, hidden),
        "lm_head.weight": normal(vocabulary, hidden),
        "model.norm.weight": one,
    }
    for number in range(layers):
        prefix = f"model.layers.{number}"
        for name in ("q", "k", "v", "o"):
            tensors[f"{prefix}.self_attn.{name}_proj.weight"] = normal(hidden, hidden)
        tensors[f"{prefix}.mlp.gate_proj.weight"] = normal(inner, hidden)
        tensors[f"{prefix}.mlp.up_proj.weight"] = normal(inner, hidden)
        tensors[f"{prefix}.mlp.down_proj.weight"] = normal(hidden, inner)
        tensors[f"{prefix}.input_layernorm.weight"] = one
        tensors[f"{prefix}.post_attention_layernorm.weight"] = one
    save_file(tensors, target / "model.safetensors")
    return target
