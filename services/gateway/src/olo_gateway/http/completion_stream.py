"""What streams of chat completions and of legacy ones have in common: events of data, and a mark at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import orjson

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import OloError
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.convert.runs import phase_name
from olo_gateway.http.answers import usage_of
from olo_gateway.http.errors import Dialect, error_body
from olo_gateway.http.hang_up import EVENT_STREAM
from olo_gateway.http.streaming import KEEP_ALIVE, comment
from olo_gateway.streaming.events import Delta, Reset

DONE: Final = b"data: [DONE]\n\n"


@dataclass
class CompletionEncoder(ABC):
    """Encodes the events of one run; see `streaming.Encoder`.

    Args:
        model: What the caller has asked for; the model that answers is known at the end.
        include_usage: Whether the caller wants the usage.
    """

    kind: ClassVar[str]
    """What each chunk says that it is."""
    prefix: ClassVar[str]
    """Of ids."""

    model: str
    include_usage: bool
    run_id: str = field(default="", init=False)
    media_type: str = field(default=EVENT_STREAM, init=False)
    keep_alive: bytes = field(default=KEEP_ALIVE, init=False)
    _created: int = field(default=0, init=False)
    _begun: bool = field(default=False, init=False)

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The chunks of one event."""
        match event:
            case Started(run_id, created):
                self.run_id, self._created = run_id, created
                return []
            case Progress(progress):
                # A comment: clients of the dialect know no such event.
                return [comment(phase_name(progress.phase))]
            case Delta():
                return [*self._head(), self._delta(event)]
            case Reset(reason):
                return [self._reset(reason)]
            case Completed(response):
                self.model = response.model
                chunks = [*self._head(), *self._answers(response)]
                if self.include_usage:
                    chunks.append(self._data(choices=[], usage=usage_of(response.usage).model_dump()))
                return chunks

    def failed(self, error: OloError) -> list[bytes]:
        """The last event of a stream that has broken."""
        return [b"data: " + orjson.dumps(error_body(Dialect.OPENAI, error)) + b"\n\n", DONE]

    def ended(self) -> list[bytes]:
        """The end mark."""
        return [DONE]

    @abstractmethod
    def _first(self) -> list[bytes]:
        """What goes before the first text."""

    @abstractmethod
    def _delta(self, delta: Delta) -> bytes:
        """A piece of the first answer."""

    @abstractmethod
    def _reset(self, reason: str) -> bytes:
        """The first answer begins again."""

    @abstractmethod
    def _answers(self, response: ChatResponse) -> list[bytes]:
        """How the answers end. Of the further ones nothing was said before: they are given whole."""

    def _head(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        return self._first()

    def _choice(self, choice: dict[str, Any], **extra: Any) -> bytes:
        """A chunk with a piece of one answer."""
        if self.include_usage:
            extra["usage"] = None
        return self._data(choices=[choice], **extra)

    def _data(self, **fields: Any) -> bytes:
        chunk = {
            "id": self.prefix + self.run_id,
            "object": self.kind,
            "created": self._created,
            "model": self.model,
            **fields,
        }
        return b"data: " + orjson.dumps(chunk) + b"\n\n"
