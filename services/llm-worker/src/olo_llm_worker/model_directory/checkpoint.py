"""Reads a checkpoint in Hugging Face layout: config.json, model.safetensors, tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, deserialize
from tokenizers import Tokenizer

from olo_llm_worker.errors import ModelDirectoryError

Array = npt.NDArray[np.float32]

_ARCHITECTURE: Final = "LlamaForCausalLM"


@dataclass(frozen=True)
class LlamaShape:
    """The numbers of a Llama-family architecture."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    vocabulary_size: int
    rope_theta: float
    norm_epsilon: float
    context_limit: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be converted."""

    path: Path
    shape: LlamaShape
    tokenizer: Tokenizer
    bos_token: str | None
    stop_tokens: list[str]
    chat_template: str | None
    sampling: Mapping[str, Any]
    """What generation_config.json says, if there is one."""

    def weights(self) -> dict[str, Array]:
        """All tensors as float32, by name.

        Raises:
            ModelDirectoryError: The file is no safetensors, or holds a number format that is not understood.
        """
        file = self.path / "model.safetensors"
        try:
            tensors = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]  # it has no annotations
        except FileNotFoundError:
            raise ModelDirectoryError(f"{file} is missing; checkpoints in several parts are not supported") from None
        except (OSError, SafetensorError) as error:
            raise ModelDirectoryError(f"{file} cannot be read as safetensors: {error}") from error
        return {name: _float32(name, tensor) for name, tensor in tensors}


def open_checkpoint(path: Path) -> Checkpoint:
    """Reads everything but the weights.

    Raises:
        ModelDirectoryError: A file is missing, or the architecture is not one that can be converted.
    """
    config = _json(path / "config.json")
    if config is None:
        raise ModelDirectoryError(f"{path} is not a checkpoint: it has no config.json")
    try:
        tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as error:
        raise ModelDirectoryError(f"{path / 'tokenizer.json'} is missing or not a tokenizer") from error
    generation = _json(path / "generation_config.json") or {}
    tokenizer_config = _json(path / "tokenizer_config.json") or {}
    stop_tokens = _tokens(tokenizer, generation.get("eos_token_id", config.get("eos_token_id")))
    if not stop_tokens:
        raise ModelDirectoryError(f"{path} names no token that ends an answer (eos_token_id)")
    bos = _tokens(tokenizer, config.get("bos_token_id"))
    return Checkpoint(
        path=path,
        shape=_shape(config),
        tokenizer=tokenizer,
        bos_token=bos[0] if bos else None,
        stop_tokens=stop_tokens,
        chat_template=_chat_template(path, tokenizer_config),
        sampling=generation,
    )


def _shape(config: Mapping[str, Any]) -> LlamaShape:
    architectures = config.get("architectures") or ["unknown"]
    if architectures != [_ARCHITECTURE]:
        raise ModelDirectoryError(f"the architecture {architectures[0]} is not supported, only {_ARCHITECTURE} is")
    rope = config.get("rope_parameters") or {}
    for said in (rope, config.get("rope_scaling") or {}):
        scaling = said.get("rope_type") or said.get("type") or "default"
        if scaling != "default":
            raise ModelDirectoryError(f"the rope scaling {scaling} is not supported")
    if config.get("hidden_act", "silu") != "silu":
        raise ModelDirectoryError(f"the activation {config['hidden_act']} is not supported, only silu is")
    for bias in ("attention_bias", "mlp_bias"):
        if config.get(bias):
            raise ModelDirectoryError(f"{bias} is not supported")
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        return LlamaShape(
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            hidden_size=hidden,
            intermediate_size=int(config["intermediate_size"]),
            vocabulary_size=int(config["vocab_size"]),
            rope_theta=float(config.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
            norm_epsilon=float(config.get("rms_norm_eps", 1e-6)),
            context_limit=int(config["max_position_embeddings"]),
        )
    except KeyError as error:
        raise ModelDirectoryError(f"config.json does not say {error.args[0]}") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelDirectoryError(f"config.json holds a wrong number: {error}") from None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelDirectoryError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelDirectoryError(f"{path} is not a JSON object")
    return value


def _tokens(tokenizer: Tokenizer, ids: int | list[int] | None) -> list[str]:
    wanted = [ids] if isinstance(ids, int) else ids or []
    return [token for token in (tokenizer.id_to_token(number) for number in wanted) if token is not None]


def _chat_template(path: Path, tokenizer_config: Mapping[str, Any]) -> str | None:
    file = path / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = tokenizer_config.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _float32(name: str, tensor: Mapping[str, Any]) -> Array:
    data, shape = tensor["data"], tensor["shape"]
    match tensor["dtype"]:
        case "F32":
            flat = np.frombuffer(data, dtype="<f4")
        case "F16":
            flat = np.frombuffer(data, dtype="<f2")
        case "BF16":
            # The upper half of a float32; numpy has no type of its own for it.
            flat = (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32)
        case other:
            raise ModelDirectoryError(f"the tensor {name} has the format {other}; only F32, F16 and BF16 are supported")
    return np.ascontiguousarray(flat.reshape(shape), dtype=np.float32)
