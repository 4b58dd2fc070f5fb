"""A checkpoint of the Llama kind as a CTranslate2 specification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from ctranslate2.specs import attention_spec, common_spec, transformer_spec

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.architecture import DecoderShape, Llama3Scaling, Rope
from olo_llm_worker.model_directory.checkpoint import Checkpoint
from olo_llm_worker.model_directory.tensors import Array, Tensors

_UNSCALED: Final = 1
"""Where the engine is given this as original and as longest context, it leaves the size of positions alone."""


def build_spec(checkpoint: Checkpoint, shape: DecoderShape, tensors: Tensors) -> Any:
    """The specification, validated, with weights in float32.

    Raises:
        ModelDirectoryError: A tensor is missing or has another shape than the configuration says.
    """
    vocabulary = _vocabulary(checkpoint, shape.vocabulary_size)
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=shape.head_dim,
        rotary_interleave=False,
        rotary_base=shape.rope.theta,
        num_heads_kv=shape.kv_heads,
        head_dim=shape.head_dim,
        qk_norm=shape.qk_norm,
        **_scaling(shape.rope),
    )
    _fill(spec.decoder, tensors, shape)
    end = checkpoint.stop_tokens[0]
    spec.config.bos_token = checkpoint.bos_token or end
    spec.config.eos_token = end
    spec.config.unk_token = end
    spec.config.layer_norm_epsilon = shape.norm_epsilon
    spec.register_vocabulary(vocabulary)
    spec.validate()
    return spec


def _scaling(rope: Rope) -> dict[str, Any]:
    match rope.scaling:
        case None:
            return {}
        case Llama3Scaling():
            # The engine's own Llama 3 scaling knows one factor and one context. Its scaling by a factor for each
            # frequency says the same, for all factors and contexts.
            return {
                "rotary_scaling_type": attention_spec.RotaryScalingType.Su,
                "original_max_position_embeddings": _UNSCALED,
                "max_position_embeddings": _UNSCALED,
            }
        case factor:
            return {
                "rotary_scaling_type": attention_spec.RotaryScalingType.Linear,
                "rotary_scaling_factor": factor,
            }


def frequency_factors(rope: Rope, head_dim: int) -> Array:
    """By how much each wavelength is stretched: those beyond the old context by `factor`, short ones not at all.

    Between the two, the factor passes from one to the other as the number of turns within the old context does.
    """
    scaling = rope.scaling
    if not isinstance(scaling, Llama3Scaling):
        return np.ones(head_dim // 2, np.float32)
    wavelengths = 2 * math.pi * rope.theta ** (np.arange(0, head_dim, 2) / head_dim)
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    smooth = np.clip((scaling.original_context / wavelengths - low) / (high - low), 0.0, 1.0)
    return np.asarray(1 / ((1 - smooth) / scaling.factor + smooth), np.float32)


def _fill(decoder: Any, tensors: Tensors, shape: DecoderShape) -> None:
    hidden, vocabulary, inner = shape.hidden_size, shape.vocabulary_size, shape.intermediate_size
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    embeddings = tensors.take("model.embed_tokens.weight", vocabulary, hidden)
    decoder.scale_embeddings = False
    decoder.embeddings.weight = embeddings
    tied = shape.tied if shape.tied is not None else "lm_head.weight" not in tensors
    decoder.projection.weight = embeddings if tied else tensors.take("lm_head.weight", vocabulary, hidden)
    decoder.layer_norm.gamma = tensors.take("model.norm.weight", hidden)
    for number, layer in enumerate(decoder.layer):
        prefix = f"model.layers.{number}"
        attention, mlp, target = f"{prefix}.self_attn", f"{prefix}.mlp", layer.self_attention
        target.layer_norm.gamma = tensors.take(f"{prefix}.input_layernorm.weight", hidden)
        parts = [(f"{attention}.q_proj", queries), (f"{attention}.k_proj", keys), (f"{attention}.v_proj", keys)]
        if shape.fused:
            parts = [(f"{attention}.qkv_proj", queries + 2 * keys)]
        _linear(target.linear[0], tensors, parts, hidden, bias=shape.qkv_bias)
        _linear(target.linear[1], tensors, [(f"{attention}.o_proj", hidden)], queries, bias=shape.output_bias)
        if shape.qk_norm:
            target.q_norm.gamma = tensors.take(f"{attention}.q_norm.weight", shape.head_dim)
            target.k_norm.gamma = tensors.take(f"{attention}.k_norm.weight", shape.head_dim)
        if isinstance(shape.rope.scaling, Llama3Scaling):
            factors = frequency_factors(shape.rope, shape.head_dim)
            target.rotary_scaling_long_factor = target.rotary_scaling_short_factor = factors
        layer.ffn.layer_norm.gamma = tensors.take(f"{prefix}.post_attention_layernorm.weight", hidden)
        if shape.fused:
            both = tensors.take(f"{mlp}.gate_up_proj.weight", 2 * inner, hidden)
            layer.ffn.linear_0.weight, layer.ffn.linear_0_noact.weight = both[:inner].copy(), both[inner:].copy()
        else:
            _linear(layer.ffn.linear_0, tensors, [(f"{mlp}.gate_proj", inner)], hidden, bias=shape.mlp_bias)
            _linear(layer.ffn.linear_0_noact, tensors, [(f"{mlp}.up_proj", inner)], hidden, bias=shape.mlp_bias)
        _linear(layer.ffn.linear_1, tensors, [(f"{mlp}.down_proj", hidden)], inner, bias=shape.mlp_bias)


def _linear(target: Any, tensors: Tensors, parts: Sequence[tuple[str, int]], width: int, *, bias: bool) -> None:
    """Fills a linear layer from one, or from several whose outputs stand one after the other."""
    target.weight = np.concatenate([tensors.take(f"{name}.weight", rows, width) for name, rows in parts])
    if bias:
        target.bias = np.concatenate([tensors.take(f"{name}.bias", rows) for name, rows in parts])
    elif stray := next((name for name, _ in parts if f"{name}.bias" in tensors), None):
        raise ModelDirectoryError(f"the checkpoint has the tensor {stray}.bias, of which config.json does not say")


def _vocabulary(checkpoint: Checkpoint, size: int) -> list[str]:
    """Token strings in the order of their ids, as many as there are embeddings."""
    by_id = {number: token for token, number in checkpoint.tokenizer.get_vocab().items()}
    if max(by_id, default=0) >= size:
        raise ModelDirectoryError(f"the tokenizer has more tokens than the {size} embeddings of the checkpoint")
    return [by_id.get(number, f"<|unused-{number}|>") for number in range(size)]
