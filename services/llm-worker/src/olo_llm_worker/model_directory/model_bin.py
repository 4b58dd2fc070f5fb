"""What is in a model.bin of CTranslate2: the shape of each tensor, without its numbers.

The format, version 6, all little endian: version (4 bytes), name of the specification (2 bytes of length, text, NUL),
revision (4), number of tensors (4); for each its name, rank (1), dimensions (4 each), type (1), length (4), numbers;
at the end the number of aliases (4), and for each its name and that of the tensor it stands for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from olo_llm_worker.errors import ModelDirectoryError

_VERSION: Final = 6
_DECODER: Final = "TransformerDecoderSpec"
_MAX_RANK: Final = 4
_MAX_TENSORS: Final = 1_000_000
_UNSIGNED: Final = {1: "<B", 2: "<H", 4: "<I"}


@dataclass(frozen=True)
class StoredModel:
    """Shapes by name; a scalar has the empty shape."""

    shapes: dict[str, tuple[int, ...]]
    scalars: dict[str, bytes]

    def integer(self, name: str) -> int | None:
        """A scalar that is a whole number."""
        value = self.scalars.get(name)
        return None if value is None else int.from_bytes(value, "little", signed=True)


def read_model_bin(file: Path) -> StoredModel:
    """Reads the table of a text decoder.

    Raises:
        ModelDirectoryError: It is another format, another kind of model, or cut short.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            return _read(opened, size)
    except OSError as error:
        raise ModelDirectoryError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise ModelDirectoryError(f"{file} is no CTranslate2 decoder: {error}") from None


def _read(file: BinaryIO, size: int) -> StoredModel:
    version = _number(file, 4)
    if version != _VERSION:
        raise ValueError(f"it does not begin with format {_VERSION}")
    kind = _string(file)
    if kind != _DECODER:
        raise ValueError("it holds another kind of model")
    _number(file, 4)
    shapes: dict[str, tuple[int, ...]] = {}
    scalars: dict[str, bytes] = {}
    for _ in range(_limited(_number(file, 4), _MAX_TENSORS)):
        name = _string(file)
        shape = tuple(_number(file, 4) for _ in range(_limited(_number(file, 1), _MAX_RANK)))
        _number(file, 1)
        length = _number(file, 4)
        if file.tell() + length > size:
            raise ValueError("it ends before its last tensor does")
        if shape:
            file.seek(length, 1)
        else:
            scalars[name] = file.read(_limited(length, 8))
        shapes[name] = shape
    for _ in range(_limited(_number(file, 4), _MAX_TENSORS)):
        alias, stands_for = _string(file), _string(file)
        if stands_for not in shapes:
            raise ValueError("an alias stands for nothing")
        shapes[alias] = shapes[stands_for]
        if stands_for in scalars:
            scalars[alias] = scalars[stands_for]
    if file.tell() != size:
        raise ValueError("something follows its end")
    return StoredModel(shapes, scalars)


def _number(file: BinaryIO, length: int) -> int:
    (value,) = struct.unpack(_UNSIGNED[length], _exactly(file, length))
    return int(value)


def _string(file: BinaryIO) -> str:
    text = _exactly(file, _number(file, 2))
    if not text.endswith(b"\0"):
        raise ValueError("a name has no end")
    return text[:-1].decode()


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise ValueError("it is cut short")
    return data


def _limited(value: int, limit: int) -> int:
    if value > limit:
        raise ValueError("a number in it is larger than it can be")
    return value
