"""A run's events as chunks of a legacy completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import Alternative, TokenLogprob
from olo_gateway.http.answers import answers_of, finish_reason_of
from olo_gateway.http.completion_schemas import TextLogprobs
from olo_gateway.http.completion_stream import CompletionEncoder
from olo_gateway.streaming.events import Delta

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
        top_logprobs=list(map(_told, answer.logprobs)) if any(token.top for token in answer.logprobs) else None,
        text_offset=offsets,
    )


def _told(token: TokenLogprob) -> dict[str, float]:
    # Several tokens may be spelled alike, as parts of characters are: the likeliest one stands.
    told: dict[str, float] = {}
    for each in (*token.top, token):
        told.setdefault(each.text, each.logprob)
    return told


@dataclass
class TextEncoder(CompletionEncoder):
    """See `CompletionEncoder`. The first answer comes as it is made.

    Args:
        before: What goes before each answer.
    """

    kind: ClassVar[str] = "text_completion"
    prefix: ClassVar[str] = TEXT_PREFIX

    before: str

    def _first(self) -> list[bytes]:
        return [self._chunk(self.before)] if self.before else []

    def _delta(self, delta: Delta) -> bytes:
        return self._chunk(delta.text)

    def _reset(self, reason: str) -> bytes:
        # The prompt was a part of what is void.
        self._begun = False
        return self._chunk("", olo={"reset": reason})

    def _answers(self, response: ChatResponse) -> list[bytes]:
        chunks = []
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
        return chunks

    def _chunk(
        self, text: str, index: int = 0, finish_reason: str | None = None, logprobs: Any = None, **extra: Any
    ) -> bytes:
        choice = {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._choice(choice, **extra)
