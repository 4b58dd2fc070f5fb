"""Weights in safetensors, in one file or in several with an index. Nothing is read before it is taken."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.paths import file_within

Array = npt.NDArray[np.float32]

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
_PICKLES: Final = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_MAX_HEADER_BYTES: Final = 100_000_000
_TYPES: Final = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class _Entry:
    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int


class Tensors:
    """Tensors by name; each is read and made float32 when it is taken."""

    def __init__(self, entries: dict[str, _Entry]) -> None:
        self._entries = entries

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def take(self, name: str, *dimensions: int) -> Array:
        """One tensor as float32.

        Raises:
            ModelDirectoryError: It is missing, or has another shape or a number format that is not understood.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise ModelDirectoryError(f"the checkpoint has no tensor {name}")
        if entry.shape != dimensions:
            raise ModelDirectoryError(f"the tensor {name} has the shape {entry.shape} instead of {dimensions}")
        if entry.dtype not in _TYPES:
            raise ModelDirectoryError(f"the tensor {name} has the format {entry.dtype}; only F32, F16 and BF16 do")
        stored = np.fromfile(entry.file, _TYPES[entry.dtype], math.prod(dimensions), offset=entry.begin)
        if entry.dtype == "BF16":
            # The upper half of a float32; numpy has no type of its own for it.
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(stored.reshape(dimensions), dtype=np.float32)


def open_tensors(directory: Path) -> Tensors:
    """Finds all tensors of a checkpoint.

    Raises:
        ModelDirectoryError: A file is missing, cut short or no safetensors; or the weights are pickled.
    """
    if (directory / INDEX).is_file():
        return Tensors(_sharded(directory))
    if (directory / SINGLE).is_file():
        return Tensors(_header(file_within(directory, SINGLE)))
    pickled = sorted(path.name for path in directory.iterdir() if path.suffix in _PICKLES)
    if pickled:
        raise ModelDirectoryError(f"{pickled[0]} is refused: a pickle can run code when it is read; use safetensors")
    raise ModelDirectoryError(f"{directory / SINGLE} is missing")


def _sharded(directory: Path) -> dict[str, _Entry]:
    index = file_within(directory, INDEX)
    try:
        places = json.loads(index.read_bytes())["weight_map"]
        names = {str(tensor): str(file) for tensor, file in places.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelDirectoryError(f"{index} is no index of safetensors") from error
    shards = {name: _shard(directory, name) for name in sorted(set(names.values()))}
    missing = sorted(tensor for tensor, name in names.items() if tensor not in shards[name])
    if missing:
        raise ModelDirectoryError(f"the tensor {missing[0]} is not in {names[missing[0]]}, where the index says it is")
    return {tensor: shards[name][tensor] for tensor, name in names.items()}


def _shard(directory: Path, name: str) -> dict[str, _Entry]:
    file = file_within(directory, name)
    if file.suffix != ".safetensors":
        raise ModelDirectoryError(f"the index names {name}, which is no safetensors file")
    if not file.is_file():
        raise ModelDirectoryError(f"{file} is missing, which the index names")
    return _header(file)


def _header(file: Path) -> dict[str, _Entry]:
    """The entries of one file, of which each lies within it.

    The format: a length of 8 bytes, little endian; a JSON object of that length; the numbers.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > min(size - 8, _MAX_HEADER_BYTES):
                raise ModelDirectoryError(f"{file} cannot be read as safetensors: its header is longer than it may be")
            header = json.loads(opened.read(length))
        begin = 8 + length
        return {name: _entry(file, said, begin, size) for name, said in dict(header).items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelDirectoryError(f"{file} cannot be read as safetensors") from error


def _entry(file: Path, said: dict[str, Any], begin: int, size: int) -> _Entry:
    shape = tuple(int(dimension) for dimension in said["shape"])
    first, last = (int(offset) for offset in said["data_offsets"])
    dtype = str(said["dtype"])
    wrong_length = dtype in _TYPES and last - first != math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize
    if not 0 <= first <= last or min(shape, default=0) < 0 or wrong_length:
        raise ValueError("offsets")
    if begin + last > size:
        raise ModelDirectoryError(f"{file} cannot be read as safetensors: it ends before its last tensor does")
    return _Entry(file, dtype, shape, begin + first)
