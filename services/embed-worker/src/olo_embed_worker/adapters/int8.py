"""Makes an int8 variant of an ONNX model: weights have a scale for each column, activations one for each row (token).

ONNX Runtime's own dynamic quantization takes one scale for all rows of an activation, so that a vector depends on the
texts that share its batch. Here each row (token) has its own scale: vectors do not depend on their company, and are
nearer to float32, for a few more passes over the activations.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from olo_common.errors import StartupError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Changes whenever the variant does, so that an old one is not taken for it.
_VERSION: Final = b"rows-1"
_CONTRIB: Final = "com.microsoft"
_STEPS: Final = 127


def int8_variant(source: Path) -> Path:
    """The file of the variant, which stands beside its source; made unless it is there.

    Raises:
        StartupError: The package `onnx` is not installed, the model has nothing to quantize, or it cannot be written.
    """
    target = source.with_name(f"{source.stem}.int8-{_fingerprint(source)}.onnx")
    if target.is_file():
        return target
    try:
        import onnx  # belongs to an extra
    except ModuleNotFoundError:
        raise StartupError("int8 needs the package onnx; install olo-embed-worker with its extra 'int8'") from None
    model = onnx.load(source)
    if not _quantize(model):
        raise StartupError(f"{source} has no matrix product with constant weights, so int8 would change nothing")
    try:
        _write(target, model.SerializeToString())
    except OSError as error:
        raise StartupError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _fingerprint(source: Path) -> str:
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(_VERSION)
    return digest.hexdigest()[:16]


def _write(target: Path, content: bytes) -> None:
    """Appears under its name only when it is complete."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _quantize(model: ModelProto) -> int:
    """Replaces the products with constant matrices; gives their number."""
    from onnx import helper, numpy_helper  # belongs to an extra

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    added: dict[str, npt.NDArray[Any]] = {
        "int8.least": np.array(1e-12, np.float32),
        "int8.step": np.array(1 / _STEPS, np.float32),
        "int8.middle": np.array(128, np.uint8),
    }
    nodes: list[NodeProto] = []
    rows: set[str] = set()
    replaced: set[str] = set()
    for node in graph.node:
        weights = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if weights is None or len(weights.dims) != 2:
            nodes.append(node)
            continue
        source, name = node.input[0], f"{node.output[0]}.int8"
        # Query, key and value read the same activations: they are quantized once.
        if source not in rows:
            rows.add(source)
            nodes += _rows(source)
        matrix = numpy_helper.to_array(weights)
        scales = np.maximum(np.abs(matrix).max(axis=0), np.float32(1e-12)) / _STEPS
        added[f"{name}.weights"] = np.rint(matrix / scales).astype(np.int8)
        added[f"{name}.scales"] = scales.astype(np.float32)
        added[f"{name}.zeros"] = np.zeros(matrix.shape[1], np.int8)
        inputs = [f"{source}.rows", f"{name}.weights", "int8.step", f"{name}.scales", "int8.middle", f"{name}.zeros"]
        nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [name], name=name, domain=_CONTRIB))
        nodes.append(helper.make_node("Mul", [name, f"{source}.largest"], list(node.output), name=f"{name}.scaled"))
        replaced.add(node.input[1])
    still_used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name not in replaced or tensor.name in still_used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *(numpy_helper.from_array(value, name) for name, value in added.items())])
    if all(entry.domain != _CONTRIB for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_CONTRIB, 1))
    return len(replaced)


def _rows(source: str) -> Iterator[NodeProto]:
    """Nodes that give each row as unsigned bytes around 128 (`.rows`), and its largest magnitude (`.largest`)."""
    from onnx import helper  # belongs to an extra

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> NodeProto:
        return helper.make_node(kind, inputs, [f"{source}.{output}"], name=f"{source}.{output}", **attributes)

    yield node("Abs", [source], "magnitude")
    yield node("ReduceMax", [f"{source}.magnitude"], "peak", axes=[-1], keepdims=1)
    yield node("Max", [f"{source}.peak", "int8.least"], "largest")
    yield node("Div", [source, f"{source}.largest"], "unit")
    yield node("QuantizeLinear", [f"{source}.unit", "int8.step", "int8.middle"], "rows")
