"""Whether the tensors of a model fit each other and its vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.model_bin import StoredModel

EMBEDDINGS: Final = "decoder/embeddings/weight"
_PROJECTION: Final = "decoder/projection/weight"
_PACKED: Final = ("weight_zero", "weight_scale_and_zero")
"""Beside weights of 4 bits, whose shape is not that of the layer."""


def check_shapes(model: StoredModel, vocabulary_size: int) -> int:
    """Checks embeddings, output and each layer; gives the number of layers.

    Raises:
        ModelDirectoryError: Naming the first tensor that does not fit.
    """
    embeddings = model.shapes.get(EMBEDDINGS, ())
    if len(embeddings) != 2 or embeddings[0] != vocabulary_size:
        raise ModelDirectoryError(f"{EMBEDDINGS} has the shape {embeddings} for a vocabulary of {vocabulary_size}")
    hidden = embeddings[1]
    _expect(model, _PROJECTION, (vocabulary_size, hidden))
    layers = len({name.split("/")[1] for name in model.shapes if name.startswith("decoder/layer_")} - {"layer_norm"})
    if not layers:
        raise ModelDirectoryError("the model has no layers")
    for number in range(layers):
        for name, shape in _layer(model, f"decoder/layer_{number}", hidden):
            _expect(model, name, shape)
    return layers


def cache_values_per_token(model: StoredModel) -> int:
    """Numbers that the model keeps for each token of a batch: keys and values of all layers.

    Where weights are packed, and their shapes do not tell, it is what a model without shared heads keeps.
    """
    hidden, values = model.shapes[EMBEDDINGS][1], 0
    layers = {"/".join(name.split("/")[:2]) for name in model.shapes if name.startswith("decoder/layer_")}
    for layer in layers - {"decoder/layer_norm"}:
        attention = f"{layer}/self_attention"
        joined = model.shapes.get(f"{attention}/linear_0/weight", ())
        queries = model.shapes.get(f"{attention}/linear_1/weight", ())
        known = len(joined) == 2 and joined[1] == hidden and len(queries) == 2 and joined[0] > queries[1]
        values += joined[0] - queries[1] if known else 2 * hidden
    return values


def _layer(model: StoredModel, prefix: str, hidden: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of one layer, with the shapes that follow from those before them."""
    norms = [name for name in model.shapes if name.startswith(f"{prefix}/") and name.endswith("layer_norm/gamma")]
    if not norms:
        raise ModelDirectoryError(f"{prefix} has no norm")
    yield from ((name, (hidden,)) for name in norms)
    if any(f"{prefix}/ffn/linear_0/{packed}" in model.shapes for packed in _PACKED):
        return
    queries = model.shapes.get(f"{prefix}/self_attention/linear_1/weight", (0, 0))[-1]
    yield f"{prefix}/self_attention/linear_1/weight", (hidden, queries)
    if (head_dim := model.integer(f"{prefix}/self_attention/head_dim")) is not None:
        kv_heads = model.integer(f"{prefix}/self_attention/num_heads_kv") or queries // head_dim
        yield f"{prefix}/self_attention/linear_0/weight", (queries + 2 * kv_heads * head_dim, hidden)
    inner = model.shapes.get(f"{prefix}/ffn/linear_0/weight", (0,))[0]
    yield f"{prefix}/ffn/linear_0/weight", (inner, hidden)
    yield f"{prefix}/ffn/linear_1/weight", (hidden, inner)
    if f"{prefix}/ffn/linear_0_noact/weight" in model.shapes:
        yield f"{prefix}/ffn/linear_0_noact/weight", (inner, hidden)


def _expect(model: StoredModel, name: str, shape: tuple[int, ...]) -> None:
    actual = model.shapes.get(name)
    if actual is None:
        raise ModelDirectoryError(f"the model has no tensor {name}")
    if actual != shape:
        raise ModelDirectoryError(f"{name} has the shape {actual} instead of {shape}")
