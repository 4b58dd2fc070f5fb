"""A BERT encoder as an ONNX graph of standard operators, in the patterns that ONNX Runtime fuses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

Weights = Mapping[str, npt.NDArray[Any]]

OPSET: Final = 17
_IR_VERSION: Final = 9
# Far below any attention score, so that a masked one becomes exactly 0; ONNX Runtime's attention knows this value.
_MASKED: Final = -10000.0


@dataclass(frozen=True)
class BertShape:
    """The sizes of an encoder, named as its `config.json` names them."""

    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    layer_norm_eps: float


@dataclass
class _Graph:
    """Collects nodes and initializers. Each method adds one operation and gives the name of its output."""

    weights: Weights
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: dict[str, TensorProto] = field(default_factory=dict)

    def op(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.initializers.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float32))

    def weight(self, name: str, *, transposed: bool = False) -> str:
        value = self.weights[name]
        return self.constant(name, value.T if transposed else value)

    def linear(self, source: str, layer: str) -> str:
        product = self.op("MatMul", [source, self.weight(f"{layer}.weight", transposed=True)], f"{layer}.matmul")
        return self.op("Add", [product, self.weight(f"{layer}.bias")], f"{layer}.out")

    def layer_norm(self, source: str, layer: str, epsilon: float) -> str:
        inputs = [source, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")]
        return self.op("LayerNormalization", inputs, f"{layer}.out", axis=-1, epsilon=epsilon)

    def gelu(self, source: str, name: str) -> str:
        """The exact one, by the error function."""
        scaled = self.op("Div", [source, self.scalar("sqrt2", math.sqrt(2.0))], f"{name}.scaled")
        erf = self.op("Erf", [scaled], f"{name}.erf")
        shifted = self.op("Add", [erf, self.scalar("one", 1.0)], f"{name}.shifted")
        product = self.op("Mul", [source, shifted], f"{name}.product")
        return self.op("Mul", [product, self.scalar("half", 0.5)], f"{name}.out")


def bert_encoder(shape: BertShape, weights: Weights) -> ModelProto:
    """The encoder as a model.

    Inputs `input_ids`, `attention_mask`, `token_type_ids`: int64 [batch, sequence]. Output `last_hidden_state`: float32
    [batch, sequence, hidden_size].

    Args:
        shape: Its sizes.
        weights: float32 arrays, named as `transformers` names those of a `BertModel`.
    """
    graph = _Graph(weights)
    hidden = _embeddings(graph, shape)
    mask = _mask(graph)
    for index in range(shape.num_hidden_layers):
        hidden = _layer(graph, shape, hidden, mask, f"encoder.layer.{index}")
    graph.op("Identity", [hidden], "last_hidden_state")

    def tensor(name: str, kind: int, *more: int) -> Any:
        return helper.make_tensor_value_info(name, kind, ["batch", "sequence", *more])

    inputs = [tensor(name, TensorProto.INT64) for name in ("input_ids", "attention_mask", "token_type_ids")]
    output = tensor("last_hidden_state", TensorProto.FLOAT, shape.hidden_size)
    # Shape inference cannot tell how long the slice is, and without that no residual is fused with its LayerNorm.
    positions = helper.make_tensor_value_info("positions", TensorProto.FLOAT, ["sequence", shape.hidden_size])
    initializers = list(graph.initializers.values())
    model = helper.make_model(
        helper.make_graph(graph.nodes, "bert_encoder", inputs, [output], initializers, value_info=[positions]),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="olo-embed-worker",
    )
    checker.check_model(model)
    return model


def _embeddings(graph: _Graph, shape: BertShape) -> str:
    words = graph.op("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], "words")
    types = graph.op("Gather", [graph.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"], "types")
    sizes = graph.op("Shape", ["input_ids"], "sizes")
    zero, one, two = (graph.constant(f"index{i}", np.array([i], np.int64)) for i in range(3))
    length = graph.op("Slice", [sizes, one, two], "length")
    table = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.op("Slice", [table, zero, length, zero], "positions")
    summed = graph.op("Add", [graph.op("Add", [words, types], "words_types"), positions], "embedded")
    return graph.layer_norm(summed, "embeddings.LayerNorm", shape.layer_norm_eps)


def _mask(graph: _Graph) -> str:
    """0 where a token stands and a large negative number on padding, [batch, 1, 1, sequence], to be added to scores."""
    rows = graph.op("Unsqueeze", ["attention_mask", graph.constant("axis1", np.array([1], np.int64))], "mask.rows")
    wide = graph.op("Unsqueeze", [rows, graph.constant("axis2", np.array([2], np.int64))], "mask.wide")
    real = graph.op("Cast", [wide], "mask.real", to=TensorProto.FLOAT)
    padding = graph.op("Sub", [graph.scalar("one", 1.0), real], "mask.padding")
    return graph.op("Mul", [padding, graph.scalar("masked", _MASKED)], "mask.added")


def _layer(graph: _Graph, shape: BertShape, hidden: str, mask: str, name: str) -> str:
    attended = graph.linear(_attention(graph, shape, hidden, mask, name), f"{name}.attention.output.dense")
    summed = graph.op("Add", [attended, hidden], f"{name}.attention.residual")
    middle = graph.layer_norm(summed, f"{name}.attention.output.LayerNorm", shape.layer_norm_eps)
    widened = graph.gelu(graph.linear(middle, f"{name}.intermediate.dense"), f"{name}.gelu")
    narrowed = graph.linear(widened, f"{name}.output.dense")
    summed = graph.op("Add", [narrowed, middle], f"{name}.residual")
    return graph.layer_norm(summed, f"{name}.output.LayerNorm", shape.layer_norm_eps)


def _attention(graph: _Graph, shape: BertShape, hidden: str, mask: str, name: str) -> str:
    size = shape.hidden_size // shape.num_attention_heads
    split = graph.constant("heads_split", np.array([0, 0, shape.num_attention_heads, size], np.int64))
    joined = graph.constant("heads_joined", np.array([0, 0, shape.hidden_size], np.int64))

    def heads(which: str, order: list[int]) -> str:
        projected = graph.linear(hidden, f"{name}.attention.self.{which}")
        apart = graph.op("Reshape", [projected, split], f"{name}.{which}.split")
        return graph.op("Transpose", [apart], f"{name}.{which}.heads", perm=order)

    queries, keys, values = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    products = graph.op("MatMul", [queries, keys], f"{name}.products")
    scores = graph.op("Div", [products, graph.scalar("scale", math.sqrt(size))], f"{name}.scores")
    masked = graph.op("Add", [scores, mask], f"{name}.masked")
    weights = graph.op("Softmax", [masked], f"{name}.weights", axis=-1)
    mixed = graph.op("MatMul", [weights, values], f"{name}.mixed")
    together = graph.op("Transpose", [mixed], f"{name}.together", perm=[0, 2, 1, 3])
    return graph.op("Reshape", [together, joined], f"{name}.attended")
