"""The frames that the worker and its engine process say to each other.

JSON for what is said seldom, arrays of numbers in the machine's own order for the rest.
"""

from __future__ import annotations

import json
import struct
from array import array
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from olo_llm_worker.generation.engine import Batch, Top
from olo_llm_worker.generation.types import Decoding

_START = struct.Struct("=QIIIII")
_DECODING = struct.Struct("=ddqdQ?B")
_NUMBER = struct.Struct("=Q")
_NUMBER_FLAG = struct.Struct("=Q?")
_NUMBER_COUNT = struct.Struct("=QI")
_TOKENS = struct.Struct("=QI?B")


class WireError(Exception):
    """What was read is no frame."""


class _AsJson:
    """Packs what is said seldom."""

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
    tokenizer: str
    stop_ids: list[int]
    device: str
    compute_type: str
    replicas: int
    intra_threads: int


@dataclass(frozen=True, slots=True)
class Ready(_AsJson):
    """From the engine process, once: the model is loaded; device, number format, and bytes left on a GPU, else 0.

    `unmaskable` says why answers cannot be held to schemas; empty: they can.
    """

    kind: ClassVar[int] = 2
    device: str
    compute_type: str
    free_memory: int
    unmaskable: str


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
        schema, lengths = said.schema.encode(), array("I", map(len, batch.prompts))
        banned, tokens = array("I", said.banned), array("I", batch.static_prompt)
        for prompt in batch.prompts:
            tokens.extend(prompt)
        rows, static = len(batch.prompts), len(batch.static_prompt)
        return b"".join(
            (
                _START.pack(self.number, rows, static, batch.answered, len(banned), len(schema)),
                _DECODING.pack(
                    said.temperature,
                    said.top_p,
                    -1 if said.top_k is None else said.top_k,
                    said.repetition_penalty,
                    said.min_tokens,
                    said.logprobs,
                    said.top_logprobs,
                ),
                schema,
                banned.tobytes(),
                array("I", batch.limits).tobytes(),
                lengths.tobytes(),
                tokens.tobytes(),
            )
        )

    @classmethod
    def unpack(cls, data: bytes) -> Start:
        """Out of what follows the head."""
        number, rows, static, answered, bans, length_of_schema = _START.unpack_from(data)
        temperature, top_p, top_k, penalty, min_tokens, logprobs, top = _DECODING.unpack_from(data, _START.size)
        begin = _START.size + _DECODING.size
        schema = data[begin : begin + length_of_schema].decode()
        numbers = array("I", data[begin + length_of_schema :])
        banned, numbers = tuple(numbers[:bans]), numbers[bans:]
        limits, lengths, tokens = numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :]
        if len(lengths) != rows or static + sum(lengths) != len(tokens):
            raise WireError("a batch is cut off")
        prompts, begin = [], static
        for length in lengths:
            prompts.append(tuple(tokens[begin : begin + length]))
            begin += length
        most = None if top_k < 0 else top_k
        decoding = Decoding(temperature, top_p, most, penalty, min_tokens, logprobs, schema, top, banned)
        return cls(number, Batch(tuple(prompts), decoding, tuple(limits), tuple(tokens[:static]), answered))


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
    """From the engine process: the next tokens of a batch, with their rows; logprobs for all of them, or for none.

    `top_ids` and `top_logprobs` have `width` entries for each token; those with the id -1 are none.
    """

    kind: ClassVar[int] = 7
    number: int
    rows: array[int]
    ids: array[int]
    logprobs: array[float]
    width: int = 0
    top_ids: array[int] = field(default_factory=lambda: array("i"))
    top_logprobs: array[float] = field(default_factory=lambda: array("d"))

    def tops(self) -> list[Top]:
        """The likeliest tokens at the place of each token; empty where nobody has asked for them."""
        pairs = list(zip(self.top_ids, self.top_logprobs, strict=True))
        places = range(0, len(pairs), self.width or 1)
        return [tuple(pair for pair in pairs[place : place + self.width] if pair[0] >= 0) for place in places]

    def pack(self) -> bytes:
        """What follows the head."""
        head = _TOKENS.pack(self.number, len(self.rows), bool(self.logprobs), self.width)
        arrays = (self.rows, self.ids, self.logprobs, self.top_ids, self.top_logprobs)
        return b"".join((head, *(numbers.tobytes() for numbers in arrays)))

    @classmethod
    def unpack(cls, data: bytes) -> Tokens:
        """Out of what follows the head."""
        number, count, told, width = _TOKENS.unpack_from(data)
        rows, ids, logprobs, top_ids, top_logprobs = array("i"), array("i"), array("d"), array("i"), array("d")
        parts: list[array[Any]] = [rows, ids, logprobs, top_ids, top_logprobs]
        lengths = (count, count, count if told else 0, count * width, count * width)
        begin = _TOKENS.size
        for numbers, length in zip(parts, lengths, strict=True):
            end = begin + length * numbers.itemsize
            numbers.frombytes(data[begin:end])
            if len(numbers) != length:
                raise WireError("tokens are cut off")
            begin = end
        if begin != len(data):
            raise WireError("there is more than the tokens")
        return cls(number, rows, ids, logprobs, width, top_ids, top_logprobs)


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


@dataclass(frozen=True, slots=True)
class Check(_AsJson):
    """To the engine process: can an answer be held to this schema, behind these tokens of it?"""

    kind: ClassVar[int] = 9
    number: int
    schema: str
    answer: list[int]


@dataclass(frozen=True, slots=True)
class Checked(_AsJson):
    """From the engine process: it can, where `problem` is empty; else what the caller did wrong in `field`.

    Without a field it is the engine that has failed.
    """

    kind: ClassVar[int] = 10
    number: int
    problem: str = ""
    field: str = ""
    reason: str = ""


class _Bare:
    """Has nothing to say but that it is there."""

    __slots__: tuple[str, ...] = ()

    def pack(self) -> bytes:
        """What follows the head."""
        return b""

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Out of what follows the head."""
        if data:
            raise WireError("a frame without content has some")
        return cls()


@dataclass(frozen=True, slots=True)
class Ping(_Bare):
    """To the engine process: is it alive? Asked beside its batches, which may be long at one step."""

    kind: ClassVar[int] = 11


@dataclass(frozen=True, slots=True)
class Pong(_Bare):
    """From the engine process: the answer."""

    kind: ClassVar[int] = 12


Frame = Load | Ready | Refused | Start | Stop | Began | Tokens | Done | Check | Checked | Ping | Pong
