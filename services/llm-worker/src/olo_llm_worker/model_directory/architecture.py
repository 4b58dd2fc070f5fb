"""What config.json says: the family of a checkpoint, and the numbers of those that are built with numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from olo_llm_worker.errors import ModelDirectoryError

NUMPY_FAMILIES: Final = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Phi3ForCausalLM": "phi3",
}
"""Families that are converted without torch, by architecture."""

TORCH_FAMILIES: Final = {
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3",
}
"""Families that are left to the engine's own converter, which needs torch and transformers."""

_QKV_BIAS: Final = ("qwen2",)
"""Families whose queries, keys and values always have a bias, whatever the configuration says."""


@dataclass(frozen=True)
class Llama3Scaling:
    """Rope scaling as Llama 3.1 introduced it: long wavelengths are stretched by `factor`, short ones are left."""

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context: int


@dataclass(frozen=True)
class Rope:
    """Rotary positions: the base, and how they are stretched; a number stretches all wavelengths alike."""

    theta: float
    scaling: float | Llama3Scaling | None = None


@dataclass(frozen=True)
class DecoderShape:
    """The numbers of a decoder of the Llama kind: RMS norms, gated SiLU, grouped queries, rotary positions."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    vocabulary_size: int
    norm_epsilon: float
    rope: Rope
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    fused: bool
    """Whether queries, keys and values are one tensor, and so gate and up."""
    tied: bool | None
    """Whether the embeddings are the output layer too; None: where there is no other."""


def family_of(config: Mapping[str, Any]) -> str:
    """The family of a checkpoint.

    Raises:
        ModelDirectoryError: No converter knows its architecture, or it has what the engine leaves out.
    """
    architectures = config.get("architectures")
    named = architectures[0] if isinstance(architectures, list) and len(architectures) == 1 else "unknown"
    family = (NUMPY_FAMILIES | TORCH_FAMILIES).get(str(named))
    if family is None:
        known = ", ".join(NUMPY_FAMILIES | TORCH_FAMILIES)
        raise ModelDirectoryError(f"the architecture {named} is not supported; these are: {known}")
    for cap in ("attn_logit_softcapping", "final_logit_softcapping"):
        if config.get(cap) is not None:
            raise ModelDirectoryError(f"{cap} is not supported: the engine would compute another model")
    return family


def context_limit_of(config: Mapping[str, Any]) -> int:
    """Tokens of prompt and answer together that the checkpoint was made for.

    Raises:
        ModelDirectoryError: The configuration does not say it, or says nonsense.
    """
    return _count(config, "max_position_embeddings")


def shape_of(config: Mapping[str, Any]) -> DecoderShape:
    """The numbers of a checkpoint of one of `NUMPY_FAMILIES`.

    Raises:
        ModelDirectoryError: It has something that the engine does not compute, or a number is missing or wrong.
    """
    family = family_of(config)
    if config.get("hidden_act", "silu") != "silu":
        raise ModelDirectoryError(f"the activation {config['hidden_act']} is not supported, only silu is")
    if config.get("quantization_config"):
        raise ModelDirectoryError("the checkpoint is quantised already; convert the original weights")
    _refuse_sliding_window(config, family)
    heads, hidden = _count(config, "num_attention_heads"), _count(config, "hidden_size")
    kv_heads = _count(config, "num_key_value_heads") if config.get("num_key_value_heads") is not None else heads
    if heads % kv_heads:
        raise ModelDirectoryError(f"{heads} attention heads cannot share {kv_heads} key heads")
    if config.get("head_dim") is None and hidden % heads:
        raise ModelDirectoryError(f"{heads} attention heads cannot share a hidden size of {hidden}")
    biased = bool(config.get("attention_bias"))
    return DecoderShape(
        layers=_count(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_count(config, "head_dim") if config.get("head_dim") is not None else hidden // heads,
        hidden_size=hidden,
        intermediate_size=_count(config, "intermediate_size"),
        vocabulary_size=_count(config, "vocab_size"),
        norm_epsilon=_number(config, "rms_norm_eps", 1e-6),
        rope=_rope(config),
        qkv_bias=biased or family in _QKV_BIAS,
        output_bias=biased,
        mlp_bias=bool(config.get("mlp_bias")),
        qk_norm=family == "qwen3",
        fused=family == "phi3",
        tied=config.get("tie_word_embeddings"),
    )


def _refuse_sliding_window(config: Mapping[str, Any], family: str) -> None:
    """No test here holds what the engine makes of one: refused, where it is shorter than the context."""
    window = config.get("sliding_window")
    if family.startswith("qwen") and not config.get("use_sliding_window"):
        return
    if window is not None and window < context_limit_of(config):
        raise ModelDirectoryError(f"a sliding window of {window} tokens is not supported")


def _rope(config: Mapping[str, Any]) -> Rope:
    parameters = config.get("rope_parameters") or {}
    theta = _number(parameters, "rope_theta", _number(config, "rope_theta", 10_000.0))
    said = config.get("rope_scaling") or parameters
    kind = said.get("rope_type") or said.get("type") or "default"
    if _number(said, "partial_rotary_factor", _number(config, "partial_rotary_factor", 1.0)) != 1.0:
        raise ModelDirectoryError("rotary positions on a part of each head are not supported")
    if kind == "default":
        return Rope(theta)
    if kind == "linear":
        return Rope(theta, _number(said, "factor"))
    if kind == "llama3":
        low, high = _number(said, "low_freq_factor"), _number(said, "high_freq_factor")
        if high <= low:
            raise ModelDirectoryError("config.json holds a wrong number for high_freq_factor")
        original = _count(said, "original_max_position_embeddings")
        return Rope(theta, Llama3Scaling(_number(said, "factor"), low, high, original))
    raise ModelDirectoryError(f"the rope scaling {kind} is not supported")


def _count(config: Mapping[str, Any], name: str) -> int:
    value = _said(config, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelDirectoryError(f"config.json holds a wrong number for {name}")
    return value


def _number(config: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = default if default is not None and config.get(name) is None else _said(config, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        raise ModelDirectoryError(f"config.json holds a wrong number for {name}")
    return float(value)


def _said(config: Mapping[str, Any], name: str) -> Any:
    if config.get(name) is None:
        raise ModelDirectoryError(f"config.json does not say {name}")
    return config[name]
