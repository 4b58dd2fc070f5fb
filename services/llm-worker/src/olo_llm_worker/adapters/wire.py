"""What the worker and its engine process say to each other: frames of plain numbers over a socket.

A frame is its kind, the length of what follows, and that: JSON for what is said once in a life, arrays of numbers in
the machine's own order for the rest. Nothing that comes out of it can be more than numbers and text.
"""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from olo_llm_worker.generation.engine import Batch
from olo_llm_worker.generation.types import Decoding

MAX_FRAME: Final = 256 * 1024 * 1024
_HEAD = struct.Struct("=BI")
_START = struct.Struct("=QII")
_DECODING = struct.Struct("=ddqdQ?")
_NUMBER = struct.Struct("=Q")
_NUMBER_FLAG = struct.Struct("=Q?")
_NUMBER_COUNT = struct.Struct("=QI")


class WireError(Exception):
    """What was read is no frame."""


class _AsJson:
    """Packs what is said once in a life."""

    __slots__: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """What follows the head."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Out of what follows the head."""
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True)
class Load(_AsJson):
    """To the engine process, once: the model to load."""

    kind: ClassVar[int] = 1
    path: str
    vocabulary: str
    stop_ids: list[int]
    device: str
    compute_type: str
    replicas: int
    intra_threads: int


@dataclass(frozen=True, slots=True)
class Ready(_AsJson):
    """From the engine process, once: the model is loaded; device, number format, and bytes left on a GPU, else 0."""

    kind: ClassVar[int] = 2
    device: str
    compute_type: str
    free_memory: int


@dataclass(frozen=True, slots=True)
class Refused(_AsJson):
    """From the engine process, instead: why the model cannot be loaded."""

    kind: ClassVar[int] = 3
    problem: str
    memory: bool


@dataclass(frozen=True, slots=True)
class Start:
    """To the engine process: generate a batch, under a number that is used once."""

    kind: ClassVar[int] = 4
    number: int
    batch: Batch

    def pack(self) -> bytes:
        """What follows the head."""
        batch, said = self.batch, self.batch.decoding
        lengths = array("I", map(len, batch.prompts))
        tokens = array("I", batch.static_prompt)
        for prompt in batch.prompts:
            tokens.extend(prompt)
        return b"".join(
            (
                _START.pack(self.number, len(batch.prompts), len(batch.static_prompt)),
                _DECODING.pack(
                    said.temperature,
                    said.top_p,
                    -1 if said.top_k is None else said.top_k,
                    said.repetition_penalty,
                    said.min_tokens,
                    said.logprobs,
                ),
                array("I", batch.limits).tobytes(),
                lengths.tobytes(),
                tokens.tobytes(),
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> Start:
        """Out of what follows the head."""
        number, rows, static = _START.unpack_from(data)
        temperature, top_p, top_k, penalty, min_tokens, logprobs = _DECODING.unpack_from(data, _START.size)
        numbers = array("I", data[_START.size + _DECODING.size :])
        limits, lengths, tokens = numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :]
        if static + sum(lengths) != len(tokens):
            raise WireError("a batch is cut off")
        prompts, begin = [], static
        for length in lengths:
            prompts.append(tuple(tokens[begin : begin + length]))
            begin += length
        decoding = Decoding(temperature, top_p, None if top_k < 0 else top_k, penalty, min_tokens, logprobs)
        return cls(number, Batch(tuple(prompts), decoding, tuple(limits), tuple(tokens[:static])))


@dataclass(frozen=True, slots=True)
class Stop:
    """To the engine process: end this row of a batch."""

    kind: ClassVar[int] = 5
    number: int
    row: int

    def pack(self) -> bytes:
        """What follows the head."""
        return _NUMBER_COUNT.pack(self.number, self.row)

    @classmethod
    def unpack(cls, data: bytes) -> Stop:
        """Out of what follows the head."""
        return cls(*_NUMBER_COUNT.unpack(data))


@dataclass(frozen=True, slots=True)
class Began:
    """From the engine process: the first token of a batch is there, and whether its static prompt was there before."""

    kind: ClassVar[int] = 6
    number: int
    cached: bool

    def pack(self) -> bytes:
        """What follows the head."""
        return _NUMBER_FLAG.pack(self.number, self.cached)

    @classmethod
    def unpack(cls, data: bytes) -> Began:
        """Out of what follows the head."""
        return cls(*_NUMBER_FLAG.unpack(data))


@dataclass(frozen=True, slots=True)
class Tokens:
    """From the engine process: the next tokens of a batch, with their rows; logprobs for all of them, or for none."""

    kind: ClassVar[int] = 7
    number: int
    rows: array[int]
    ids: array[int]
    logprobs: array[float]

    def pack(self) -> bytes:
        """What follows the head."""
        head = _NUMBER_COUNT.pack(self.number, len(self.rows))
        return b"".join((head, self.rows.tobytes(), self.ids.tobytes(), self.logprobs.tobytes()))

    @classmethod
    def unpack(cls, data: bytes) -> Tokens:
        """Out of what follows the head."""
        number, count = _NUMBER_COUNT.unpack_from(data)
        rows, ids, logprobs = array("i"), array("i"), array("d")
        begin = _NUMBER_COUNT.size
        middle = begin + count * rows.itemsize
        end = middle + count * ids.itemsize
        rows.frombytes(data[begin:middle])
        ids.frombytes(data[middle:end])
        logprobs.frombytes(data[end:])
        if not count == len(rows) == len(ids) or len(logprobs) not in (0, count):
            raise WireError("tokens are cut off")
        return cls(number, rows, ids, logprobs)


@dataclass(frozen=True, slots=True)
class Done:
    """From the engine process: all rows of a batch have ended; `problem`: why the engine has failed, if it has."""

    kind: ClassVar[int] = 8
    number: int
    problem: str = ""

    def pack(self) -> bytes:
        """What follows the head."""
        return _NUMBER.pack(self.number) + self.problem.encode(errors="replace")

    @classmethod
    def unpack(cls, data: bytes) -> Done:
        """Out of what follows the head."""
        (number,) = _NUMBER.unpack_from(data)
        return cls(number, data[_NUMBER.size :].decode())


Frame = Load | Ready | Refused | Start | Stop | Began | Tokens | Done
_KINDS: Final[dict[int, type[Frame]]] = {
    kind.kind: kind for kind in (Load, Ready, Refused, Start, Stop, Began, Tokens, Done)
}


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    body = frame.pack()
    return _HEAD.pack(frame.kind, len(body)) + body


class Decoder:
    """Gives frames out of bytes that come cut anyhow."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Takes the next bytes; gives the frames that are complete.

        Raises:
            WireError: They are none.
        """
        self._data += data
        begin = 0
        try:
            while len(self._data) - begin >= _HEAD.size:
                kind, length = _HEAD.unpack_from(self._data, begin)
                if kind not in _KINDS or length > MAX_FRAME:
                    raise WireError("there is no such frame")
                end = begin + _HEAD.size + length
                if len(self._data) < end:
                    break
                body = bytes(self._data[begin + _HEAD.size : end])
                begin = end
                yield _unpacked(kind, body)
        finally:
            del self._data[:begin]


def _unpacked(kind: int, body: bytes) -> Frame:
    try:
        return _KINDS[kind].unpack(body)
    except (struct.error, ValueError, TypeError) as error:
        raise WireError("a frame is not as it should be") from error
