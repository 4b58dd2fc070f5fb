"""The int8 variant of a model, made once and kept beside it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from olo_common.errors import StartupError

# Changes whenever the variant does, so that an old one is not taken for it.
_VERSION: Final = b"rows-2"


def int8_variant(source: Path) -> Path:
    """The file of the variant, which stands beside its source; made unless it is there.

    Raises:
        StartupError: The package `onnx` is not installed, the model has nothing to quantize, or it cannot be written.
    """
    target = source.with_name(f"{source.stem}.int8-{_fingerprint(source)}.onnx")
    if target.is_file():
        return target
    try:
        import onnx

        from olo_embed_worker.adapters.int8_graph import quantize
    except ModuleNotFoundError:
        raise StartupError("int8 needs the package onnx; install olo-embed-worker with its extra 'int8'") from None
    model = onnx.load(source)
    if not quantize(model):
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
