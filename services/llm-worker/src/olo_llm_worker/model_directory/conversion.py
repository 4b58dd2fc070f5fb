"""Makes a model directory out of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.architecture import TORCH_FAMILIES, shape_of
from olo_llm_worker.model_directory.checkpoint import Checkpoint, open_checkpoint
from olo_llm_worker.model_directory.decoder_spec import build_spec
from olo_llm_worker.model_directory.loading import ModelDirectory
from olo_llm_worker.model_directory.making import make, refuse_existing, template_of
from olo_llm_worker.model_directory.tensors import open_tensors

QUANTIZATIONS: Final = ("int8", "int8_float32", "int8_float16", "int16", "float32", "float16")
"""Formats of the stored weights. Those with float16 are for GPUs; a CPU computes them as float32 or int8."""


def convert(
    source: Path,
    target: Path,
    *,
    quantization: str,
    name: str,
    license_name: str | None = None,
    origin: str | None = None,
) -> ModelDirectory:
    """Converts a checkpoint. The target comes into being at once and complete, or not at all.

    Args:
        source: Directory with config.json, weights in safetensors, and tokenizer.json.
        target: The model directory to make; it must not exist.
        quantization: One of `QUANTIZATIONS`.
        name: Name of the model, for its manifest.
        license_name: Licence of the weights, for its manifest; None: as the model card says.
        origin: Where the checkpoint comes from, for its manifest.

    Raises:
        ModelDirectoryError: The checkpoint cannot be converted, or the target cannot be written.
    """
    if quantization not in QUANTIZATIONS:
        raise ModelDirectoryError(f"the quantization {quantization} is none of {', '.join(QUANTIZATIONS)}")
    refuse_existing(target)
    checkpoint = open_checkpoint(source)
    template_of(checkpoint)
    write = _by_torch if checkpoint.family in TORCH_FAMILIES.values() else _by_numpy
    said = {
        "name": name,
        "family": checkpoint.family,
        "quantization": quantization,
        "context_limit": checkpoint.context_limit,
        "license": license_name or checkpoint.license or "unspecified",
        "origin": origin,
    }
    return make(target, checkpoint, said, write(checkpoint, quantization))


def _by_numpy(checkpoint: Checkpoint, quantization: str) -> Callable[[Path], None]:
    spec = build_spec(checkpoint, shape_of(checkpoint.config), open_tensors(checkpoint.path))
    spec.optimize(quantization=quantization)
    return lambda directory: spec.save(str(directory))


def _by_torch(checkpoint: Checkpoint, quantization: str) -> Callable[[Path], None]:
    from olo_llm_worker.model_directory.torch_conversion import write_model

    # What cannot be read safely is refused before torch sees it.
    open_tensors(checkpoint.path)
    return lambda directory: write_model(checkpoint, directory, quantization)
