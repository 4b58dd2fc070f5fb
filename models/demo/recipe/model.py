"""A small Llama decoder in plain torch, with the weight names of Hugging Face's Llama."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """The sizes of the decoder; heads are `hidden_size / num_attention_heads` wide."""

    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 640
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


def rotary(positions: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of shape [batch, 1, tokens, head_dim / 2] for integer positions [batch, tokens]."""
    half = torch.arange(0, config.head_dim, 2, device=positions.device).float() / config.head_dim
    angle = (positions[..., None].float() / config.rope_theta**half)[:, None]
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)


class Attention(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads, self.width = config.num_attention_heads, config.head_dim
        self.q_proj = nn.Linear(size, size, bias=False)
        self.k_proj = nn.Linear(size, size, bias=False)
        self.v_proj = nn.Linear(size, size, bias=False)
        self.o_proj = nn.Linear(size, size, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        batch, tokens, size = x.shape
        q, k, v = (
            p(x).view(batch, tokens, self.heads, self.width).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None and past is None)
        return self.o_proj(out.transpose(1, 2).reshape(batch, tokens, size)), q, k, v


class Mlp(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class Layer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = Mlp(config)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        out, q, k, v = self.self_attn(self.input_layernorm(x), cos, sin, mask, past)
        x = x + out
        return x + self.mlp(self.post_attention_layernorm(x)), q, k, v


@dataclass(frozen=True)
class Trace:
    """The queries that each layer asked and the states that it left."""

    queries: list[Tensor]
    states: list[Tensor]


class Decoder(nn.Module):
    """The decoder without its head, whose weights are those of the embedding."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)  # A new layer starts as the identity.

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        past: list[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]], Trace]:
        """Return the last hidden states, the keys and values of each layer, and what else happened on the way."""
        x = self.embed_tokens(ids)
        cos, sin = rotary(positions, self.config)
        cache, trace = [], Trace([], [])
        for index, layer in enumerate(self.layers):
            x, q, k, v = layer(x, cos, sin, mask, past[index] if past else None)
            cache.append((k, v))
            trace.queries.append(q)
            trace.states.append(x)
        return self.norm(x), cache, trace

    def attention(self, layer: int) -> Attention:
        """Return the attention of a layer."""
        found = self.layers[layer]
        assert isinstance(found, Layer)
        return found.self_attn

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embed_tokens.weight)

    @torch.no_grad()
    def generate(self, prompt: list[int], end: int, limit: int = 96) -> list[int]:
        """Return the greedy continuation of one prompt, without the end token."""
        device = self.embed_tokens.weight.device
        ids = torch.tensor([prompt], device=device)
        hidden, cache, _ = self(ids, torch.arange(len(prompt), device=device)[None])
        out: list[int] = []
        while len(out) < limit:
            token = int(self.logits(hidden[0, -1]).argmax())
            if token == end:
                break
            out.append(token)
            position = torch.tensor([[len(prompt) + len(out) - 1]], device=device)
            hidden, cache, _ = self(torch.tensor([[token]], device=device), position, past=cache)
        return out


def load(folder: Path) -> Decoder:
    """Load a decoder from a folder in the layout of Hugging Face's Llama."""
    raw = json.loads((folder / "config.json").read_text())
    config = Config(**{name: raw[name] for name in asdict(Config()) if name in raw})
    model = Decoder(config)
    weights = {k.removeprefix("model."): v.float() for k, v in load_file(folder / "model.safetensors").items()}
    weights.pop("lm_head.weight", None)
    model.load_state_dict(weights)
    return model


def deepen(model: Decoder, order: list[int | None]) -> Decoder:
    """Return a decoder with the layers of `model` in `order`; None is a new layer, which does nothing yet."""
    old = model.config
    grown = Decoder(Config(**{**asdict(old), "num_hidden_layers": len(order)}))
    grown.embed_tokens.load_state_dict(model.embed_tokens.state_dict())
    grown.norm.load_state_dict(model.norm.state_dict())
    for target, source in enumerate(order):
        if source is not None:
            grown.layers[target].load_state_dict(model.layers[source].state_dict())
    return grown


def save(model: Decoder, folder: Path) -> None:
    """Write the decoder as float16 in the layout of Hugging Face's Llama; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "tie_word_embeddings": True,
        "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02,
        "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 2048, "dtype": "float16",
        "head_dim": model.config.head_dim, "num_key_value_heads": model.config.num_attention_heads, "use_cache": True,
        "rope_parameters": {"rope_theta": model.config.rope_theta, "rope_type": "default"},
        **{k: v for k, v in asdict(model.config).items() if k != "rope_theta"},
    }  # fmt: skip
    weights = {f"model.{k}": v.detach().to("cpu", torch.float16).contiguous() for k, v in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors.new", metadata={"format": "pt"})
    (folder / "model.safetensors.new").replace(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
