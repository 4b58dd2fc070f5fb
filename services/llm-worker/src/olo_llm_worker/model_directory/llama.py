"""A Llama-family checkpoint as a CTranslate2 specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.checkpoint import Array, Checkpoint, LlamaShape


def build_spec(checkpoint: Checkpoint) -> Any:
    """The specification, validated, with weights in float32.

    Raises:
        ModelDirectoryError: A tensor is missing or has another shape than the configuration says.
    """
    shape = checkpoint.shape
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=shape.rope_theta,
        num_heads_kv=shape.kv_heads,
        head_dim=shape.head_dim,
    )
    weights = _Weights(checkpoint.weights())
    _fill(spec.decoder, weights, shape)
    end = checkpoint.stop_tokens[0]
    spec.config.bos_token = checkpoint.bos_token or end
    spec.config.eos_token = end
    spec.config.unk_token = end
    spec.config.layer_norm_epsilon = shape.norm_epsilon
    spec.register_vocabulary(_vocabulary(checkpoint))
    spec.validate()
    return spec


class _Weights:
    """Tensors by name, checked as they are taken."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self._tensors = tensors

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def take(self, name: str, *dimensions: int) -> Array:
        tensor = self._tensors.get(name)
        if tensor is None:
            raise ModelDirectoryError(f"the checkpoint has no tensor {name}")
        if tensor.shape != dimensions:
            raise ModelDirectoryError(f"the tensor {name} has the shape {tensor.shape} instead of {dimensions}")
        return tensor


def _fill(decoder: Any, weights: _Weights, shape: LlamaShape) -> None:
    hidden, vocabulary = shape.hidden_size, shape.vocabulary_size
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    embeddings = weights.take("model.embed_tokens.weight", vocabulary, hidden)
    decoder.scale_embeddings = False
    decoder.embeddings.weight = embeddings
    untied = "lm_head.weight" in weights
    decoder.projection.weight = weights.take("lm_head.weight", vocabulary, hidden) if untied else embeddings
    decoder.layer_norm.gamma = weights.take("model.norm.weight", hidden)
    for number, layer in enumerate(decoder.layer):
        prefix = f"model.layers.{number}"
        attention, mlp = f"{prefix}.self_attn", f"{prefix}.mlp"
        layer.self_attention.layer_norm.gamma = weights.take(f"{prefix}.input_layernorm.weight", hidden)
        layer.self_attention.linear[0].weight = np.concatenate(
            [
                weights.take(f"{attention}.q_proj.weight", queries, hidden),
                weights.take(f"{attention}.k_proj.weight", keys, hidden),
                weights.take(f"{attention}.v_proj.weight", keys, hidden),
            ]
        )
        layer.self_attention.linear[1].weight = weights.take(f"{attention}.o_proj.weight", hidden, queries)
        layer.ffn.layer_norm.gamma = weights.take(f"{prefix}.post_attention_layernorm.weight", hidden)
        inner = shape.intermediate_size
        layer.ffn.linear_0.weight = weights.take(f"{mlp}.gate_proj.weight", inner, hidden)
        layer.ffn.linear_0_noact.weight = weights.take(f"{mlp}.up_proj.weight", inner, hidden)
        layer.ffn.linear_1.weight = weights.take(f"{mlp}.down_proj.weight", hidden, inner)


def _vocabulary(checkpoint: Checkpoint) -> list[str]:
    """Token strings in the order of their ids, as many as there are embeddings."""
    size = checkpoint.shape.vocabulary_size
    by_id = {number: token for token, number in checkpoint.tokenizer.get_vocab().items()}
    if max(by_id, default=0) >= size:
        raise ModelDirectoryError(f"the tokenizer has more tokens than the {size} embeddings of the checkpoint")
    return [by_id.get(number, f"<|unused-{number}|>") for number in range(size)]
