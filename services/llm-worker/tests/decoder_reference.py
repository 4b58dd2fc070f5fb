"""Tiny random checkpoints, and an independent forward pass of them in numpy: what the engine must compute."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

Array = npt.NDArray[np.float64]

TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}<|assistant|>"
_CONTROL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]


def byte_tokenizer() -> Tokenizer:
    """One token for each byte, after the control tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*_CONTROL, *alphabet])}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.add_special_tokens(_CONTROL)
    return tokenizer


def write_checkpoint(path: Path, architecture: str, *, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """Writes a checkpoint with random weights; gives its config."""
    path.mkdir(parents=True)
    tokenizer = byte_tokenizer()
    tokenizer.save(str(path / "tokenizer.json"))
    config: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": architecture.removesuffix("ForCausalLM").lower(),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": tokenizer.get_vocab_size() + 3,
        "rope_theta": 10_000.0,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 256,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "eos_token_id": 0,
        "torch_dtype": "float32",
    } | changes
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": TEMPLATE, "eos_token": "<|end|>", "tokenizer_class": "PreTrainedTokenizerFast"})
    )
    save_file(random_tensors(config, seed), path / "model.safetensors", metadata={"format": "pt"})
    return config


def random_tensors(config: dict[str, Any], seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Weights large enough that every part of the computation shows in the logits."""
    random = np.random.default_rng(seed)
    hidden, inner, head_dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    family = config["model_type"]
    qkv_bias = family == "qwen2" or config.get("attention_bias", False)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config["vocab_size"], hidden)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    shapes["model.norm.weight"] = (hidden,)
    for number in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{number}"
        shapes[f"{prefix}.input_layernorm.weight"] = shapes[f"{prefix}.post_attention_layernorm.weight"] = (hidden,)
        linears = {
            "self_attn.q_proj": (queries, hidden, qkv_bias),
            "self_attn.k_proj": (keys, hidden, qkv_bias),
            "self_attn.v_proj": (keys, hidden, qkv_bias),
            "self_attn.o_proj": (hidden, queries, config.get("attention_bias", False)),
            "mlp.gate_proj": (inner, hidden, config.get("mlp_bias", False)),
            "mlp.up_proj": (inner, hidden, config.get("mlp_bias", False)),
            "mlp.down_proj": (hidden, inner, config.get("mlp_bias", False)),
        }
        for name, (rows, columns, bias) in linears.items():
            shapes[f"{prefix}.{name}.weight"] = (rows, columns)
            if bias:
                shapes[f"{prefix}.{name}.bias"] = (rows,)
        if family == "qwen3":
            shapes[f"{prefix}.self_attn.q_norm.weight"] = shapes[f"{prefix}.self_attn.k_norm.weight"] = (head_dim,)
    if family == "phi3":
        for number in range(config["num_hidden_layers"]):
            attention, mlp = f"model.layers.{number}.self_attn", f"model.layers.{number}.mlp"
            for part in ("q", "k", "v"):
                del shapes[f"{attention}.{part}_proj.weight"]
            del shapes[f"{mlp}.gate_proj.weight"], shapes[f"{mlp}.up_proj.weight"]
            shapes[f"{attention}.qkv_proj.weight"] = (queries + 2 * keys, hidden)
            shapes[f"{mlp}.gate_up_proj.weight"] = (2 * inner, hidden)
    return {
        name: (1 + 0.3 * random.standard_normal(shape) if "norm" in name else random.standard_normal(shape) / 3).astype(
            np.float32
        )
        for name, shape in shapes.items()
    }


def logits(config: dict[str, Any], tensors: dict[str, npt.NDArray[np.float32]], ids: list[int]) -> Array:
    """The logits at each position, in float64."""
    w = {name: value.astype(np.float64) for name, value in tensors.items()}
    heads, kv_heads, head_dim = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    for name in [name for name in w if name.endswith("qkv_proj.weight")]:
        parts = np.split(w.pop(name), [heads * head_dim, (heads + kv_heads) * head_dim])
        w.update({name.replace("qkv", part): rows for part, rows in zip("qkv", parts, strict=True)})
    for name in [name for name in w if name.endswith("gate_up_proj.weight")]:
        gate, up = np.split(w.pop(name), 2)
        w |= {name.replace("gate_up", "gate"): gate, name.replace("gate_up", "up"): up}
    epsilon, length = config["rms_norm_eps"], len(ids)
    angles = np.outer(np.arange(length), inverse_frequencies(config))
    causal = np.triu(np.full((length, length), -np.inf), 1)

    def linear(x: Array, name: str) -> Array:
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)

    x = w["model.embed_tokens.weight"][ids]
    for number in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{number}"
        normed = rms(x, w[f"{prefix}.input_layernorm.weight"], epsilon)
        split = {
            part: linear(normed, f"{prefix}.self_attn.{part}_proj").reshape(length, -1, head_dim).swapaxes(0, 1)
            for part in "qkv"
        }
        for part in "qk":
            if f"{prefix}.self_attn.{part}_norm.weight" in w:
                split[part] = rms(split[part], w[f"{prefix}.self_attn.{part}_norm.weight"], epsilon)
            split[part] = rotate(split[part], angles)
        keys, values = (np.repeat(split[part], heads // kv_heads, axis=0) for part in "kv")
        scores = split["q"] @ keys.swapaxes(1, 2) / math.sqrt(head_dim) + causal
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        attended = weights / weights.sum(-1, keepdims=True) @ values
        x = x + linear(attended.swapaxes(0, 1).reshape(length, -1), f"{prefix}.self_attn.o_proj")
        normed = rms(x, w[f"{prefix}.post_attention_layernorm.weight"], epsilon)
        gate = linear(normed, f"{prefix}.mlp.gate_proj")
        x = x + linear(gate / (1 + np.exp(-gate)) * linear(normed, f"{prefix}.mlp.up_proj"), f"{prefix}.mlp.down_proj")
    out = w["model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
    return np.asarray(rms(x, w["model.norm.weight"], epsilon) @ out.T)


def rms(x: Array, gain: Array, epsilon: float) -> Array:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * gain


def rotate(x: Array, angles: Array) -> Array:
    """Turns the pairs (i, i + half) of each head."""
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles)], -1)


def inverse_frequencies(config: dict[str, Any]) -> Array:
    """Angle per position of each pair, one by one as the rule for each wavelength says."""
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", "default")
    found = []
    for pair in range(config["head_dim"] // 2):
        frequency = config["rope_theta"] ** (-2 * pair / config["head_dim"])
        wavelength = 2 * math.pi / frequency
        if kind == "linear":
            frequency /= scaling["factor"]
        elif kind == "llama3":
            old = scaling["original_max_position_embeddings"]
            low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
            if wavelength > old / low:
                frequency /= scaling["factor"]
            elif wavelength >= old / high:
                smooth = (old / wavelength - low) / (high - low)
                frequency = (1 - smooth) * frequency / scaling["factor"] + smooth * frequency
        found.append(frequency)
    return np.array(found)
