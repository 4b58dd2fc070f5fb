"""Rewrites an ONNX graph to int8: weights have a scale for each column, activations one for each row (token).

ONNX Runtime's own dynamic quantization takes one scale for all rows of an activation, so that a vector depends on the
texts that share its batch. With a scale for each row it does not, and is nearer to float32, for a few more passes over
the activations.

Where the activations come from a LayerNorm, its gain and bias tell which columns are large. As in SmoothQuant (Xiao et
al. 2022), those are divided by a factor that the weights are multiplied with, so that they do not use up the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_Array = npt.NDArray[Any]

_CONTRIB: Final = "com.microsoft"
_STEPS: Final = 127
_LEAST: Final = np.float32(1e-12)
# Standard deviations of a normalized value that a scale should have room for.
_SPREAD: Final = 4.0


def quantize(model: ModelProto) -> int:
    """Replaces the products of activations with constant matrices, in place; gives their number."""
    return _Rewriting(model).run()


class _Rewriting:
    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self._constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        self._producers: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
        self._nodes: list[NodeProto] = []

    def run(self) -> int:
        graph = self._model.graph
        by_source: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            if node.op_type == "MatMul" and self._is_constant(node.input[1], dimensions=2):
                by_source.setdefault(node.input[0], []).append(node)
        if not by_source:
            return 0
        replaced = {node.output[0] for nodes in by_source.values() for node in nodes}
        self._constant("int8.least", np.array(_LEAST))
        self._constant("int8.step", np.array(1 / _STEPS, np.float32))
        self._constant("int8.middle", np.array(128, np.uint8))
        factors: dict[str, _Array | None] = {}
        for node in graph.node:
            if node.output[0] not in replaced:
                self._nodes.append(node)
                continue
            source = node.input[0]
            # Query, key and value read the same activations: they are quantized once.
            if source not in factors:
                factors[source] = self._quantize_rows(source, by_source[source])
            self._product(node, factors[source])
        used = {name for node in self._nodes for name in node.input} | {output.name for output in graph.output}
        kept = [tensor for name, tensor in self._constants.items() if name in used]
        nodes = [NodeProto.FromString(node.SerializeToString()) for node in self._nodes]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(nodes)
        graph.initializer.extend(kept)
        if all(entry.domain != _CONTRIB for entry in self._model.opset_import):
            self._model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
        return len(replaced)

    def _quantize_rows(self, source: str, products: Sequence[NodeProto]) -> _Array | None:
        """Adds `.rows`, unsigned bytes around 128, and `.largest`, the magnitude that 127 steps stand for."""
        smoothed, factors = self._smoothed(source, products)

        def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
            name = f"{source}.{output}"
            self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))

        node("Abs", [smoothed], "magnitude")
        node("ReduceMax", [f"{source}.magnitude"], "peak", axes=[-1], keepdims=1)
        node("Max", [f"{source}.peak", "int8.least"], "largest")
        node("Div", [smoothed, f"{source}.largest"], "unit")
        node("QuantizeLinear", [f"{source}.unit", "int8.step", "int8.middle"], "rows")
        return factors

    def _smoothed(self, source: str, products: Sequence[NodeProto]) -> tuple[str, _Array | None]:
        """The activations divided by a factor for each column, and the factors, where these can be told."""
        norm = self._producers.get(source)
        if norm is None or norm.op_type != "LayerNormalization" or len(norm.input) != 3:
            return source, None
        if not all(self._is_constant(name, dimensions=1) for name in norm.input[1:]):
            return source, None
        gain, bias = (self._value(name) for name in norm.input[1:])
        large = _SPREAD * np.abs(gain) + np.abs(bias)
        weights = np.max([np.abs(self._value(node.input[1])).max(axis=1) for node in products], axis=0)
        factors = np.sqrt(np.maximum(large, 1e-5) / np.maximum(weights, 1e-5)).astype(np.float32)
        name = f"{source}.smoothed"
        inputs = [
            norm.input[0],
            self._constant(f"{name}.gain", gain / factors),
            self._constant(f"{name}.bias", bias / factors),
        ]
        again = helper.make_node("LayerNormalization", inputs, [name], name=name)
        again.attribute.extend(norm.attribute)
        self._nodes.append(again)
        return name, factors

    def _product(self, node: NodeProto, factors: _Array | None) -> None:
        source, name = node.input[0], f"{node.output[0]}.int8"
        matrix = self._value(node.input[1])
        if factors is not None:
            matrix = matrix * factors[:, None]
        scales = np.maximum(np.abs(matrix).max(axis=0), _LEAST) / _STEPS
        inputs = [
            f"{source}.rows",
            self._constant(f"{name}.weights", np.rint(matrix / scales).astype(np.int8)),
            "int8.step",
            self._constant(f"{name}.scales", scales.astype(np.float32)),
            "int8.middle",
            self._constant(f"{name}.zeros", np.zeros(matrix.shape[1], np.int8)),
        ]
        self._nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [name], name=name, domain=_CONTRIB))
        scaled = helper.make_node("Mul", [name, f"{source}.largest"], list(node.output), name=f"{name}.scaled")
        self._nodes.append(scaled)

    def _is_constant(self, name: str, *, dimensions: int) -> bool:
        return name in self._constants and len(self._constants[name].dims) == dimensions

    def _value(self, name: str) -> _Array:
        return numpy_helper.to_array(self._constants[name])

    def _constant(self, name: str, value: _Array) -> str:
        self._constants[name] = numpy_helper.from_array(value, name)
        return name
