"""A run's events as chunks of a chat completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from olo.gateway.v1.run_pb2 import ChatResponse
from olo.inference.v1.inference_service_pb2 import Alternative
from olo_gateway.http.answers import (
    COMPLETION_PREFIX,
    answers_of,
    calls_of,
    details_of,
    finish_reason_of,
    logprobs_of,
)
from olo_gateway.http.completion_stream import CompletionEncoder
from olo_gateway.http.event_ids import event_id
from olo_gateway.http.rag import annotations_of
from olo_gateway.streaming.events import Delta


@dataclass
class ChunkEncoder(CompletionEncoder):
    """See `CompletionEncoder`. Each event says how far the answer has come, for those who resume."""

    kind: ClassVar[str] = "chat.completion.chunk"
    prefix: ClassVar[str] = COMPLETION_PREFIX

    def _first(self) -> list[bytes]:
        return [self._chunk({"role": "assistant", "content": ""})]

    def _delta(self, delta: Delta) -> bytes:
        place = event_id(delta.offset + len(delta.text.encode()), delta.checksum)
        return place + self._chunk({"content": delta.text})

    def _reset(self, reason: str) -> bytes:
        return event_id(0, 0) + self._chunk({}, olo={"reset": reason})

    def _answers(self, response: ChatResponse) -> list[bytes]:
        return [
            chunk
            for number, answer in enumerate(answers_of(response))
            for chunk in self._answer(number, answer, response)
        ]

    def _answer(self, number: int, answer: Alternative, response: ChatResponse) -> list[bytes]:
        chunks = []
        if number:
            chunks.append(self._chunk({"role": "assistant", "content": answer.text}, number))
        for position, call in enumerate(calls_of(answer)):
            chunks.append(self._chunk({"tool_calls": [{"index": position, **call.model_dump()}]}, number))
        logprobs = logprobs_of(answer)
        annotations = [] if number else [annotation.model_dump() for annotation in annotations_of(response)]
        last = self._chunk(
            {"annotations": annotations} if annotations else {},
            number,
            finish_reason=finish_reason_of(answer.finish_reason),
            logprobs=logprobs and logprobs.model_dump(),
            **({} if number else {"olo": details_of(response).model_dump()}),
        )
        return [*chunks, last]

    def _chunk(
        self,
        delta: dict[str, Any],
        index: int = 0,
        finish_reason: str | None = None,
        logprobs: Any = None,
        **extra: Any,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        return self._choice(choice, **extra)
