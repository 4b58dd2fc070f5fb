"""A run's events as chunks of a legacy completion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from olo.inference.v1.inference_service_pb2 import Alternative
from olo_common.errors import OloError
from olo_gateway.convert import phase_name
from olo_gateway.following import ChatEvent, Completed, Progress, Started
from olo_gateway.http.answers import answers_of, finish_reason_of, usage_of
from olo_gateway.http.completion_schemas import TextLogprobs
from olo_gateway.http.errors import Dialect, error_body
from olo_gateway.http.hang_up import EVENT_STREAM
from olo_gateway.http.streaming import DONE, KEEP_ALIVE
from olo_gateway.streaming.events import Delta, Reset

TEXT_PREFIX: Final = "cmpl-"


def logprobs_of(answer: Alternative, offset: int) -> TextLogprobs | None:
    """The log probabilities of an answer whose text begins at this character; None where nobody asked for them."""
    if not answer.logprobs:
        return None
    offsets = []
    for token in answer.logprobs:
        offsets.append(offset)
        offset += len(token.text)
    return TextLogprobs(
        tokens=[token.text for token in answer.logprobs],
        token_logprobs=[token.logprob for token in answer.logprobs],
        text_offset=offsets,
    )


@dataclass
class TextEncoder:
    """Encodes the events of one run. The first answer comes as it is made; further ones whole, at the end.

    Args:
        model: What the caller has asked for; the model that answers is known at the end.
        include_usage: Whether the caller wants the usage.
        before: What goes before each answer.
    """

    model: str
    include_usage: bool
    before: str
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
                return [f": {phase_name(progress.phase)}\n\n".encode()]
            case Delta(text, _, _):
                return [*self._echo(), self._chunk(text)]
            case Reset(reason):
                self._begun = False
                return [self._chunk("", olo={"reset": reason})]
            case Completed(response):
                self.model = response.model
                chunks = self._echo()
                for number, answer in enumerate(answers_of(response)):
                    logprobs = logprobs_of(answer, len(self.before))
                    chunks.append(
                        self._chunk(
                            self.before + answer.text if number else "",
                            number,
                            finish_reason=finish_reason_of(answer.finish_reason),
                            logprobs=logprobs and logprobs.model_dump(),
                        )
                    )
                if self.include_usage:
                    chunks.append(self._data(choices=[], usage=usage_of(response.usage).model_dump()))
                return chunks

    def failed(self, error: OloError) -> list[bytes]:
        """The last event of a stream that has broken."""
        return [b"data: " + orjson.dumps(error_body(Dialect.OPENAI, error)) + b"\n\n", DONE]

    def ended(self) -> list[bytes]:
        """The end mark."""
        return [DONE]

    def _echo(self) -> list[bytes]:
        if self._begun or not self.before:
            return []
        self._begun = True
        return [self._chunk(self.before)]

    def _chunk(
        self, text: str, index: int = 0, finish_reason: str | None = None, logprobs: Any = None, **extra: Any
    ) -> bytes:
        if self.include_usage:
            extra["usage"] = None
        choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._data(choices=[choice], **extra)

    def _data(self, **fields: Any) -> bytes:
        chunk = {
            "id": TEXT_PREFIX + self.run_id,
            "object": "text_completion",
            "created": self._created,
            "model": self.model,
            **fields,
        }
        return b"data: " + orjson.dumps(chunk) + b"\n\n"
