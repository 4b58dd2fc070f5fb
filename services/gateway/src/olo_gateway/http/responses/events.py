"""A run's events as the typed events of a response.

The number of an event says how far the answer has come, so that any gateway can go on behind it: the head has 0 to 3,
a piece of text 3 and the bytes of the answer up to its end, what follows the text goes on from there. Numbers grow and
may leave some out. Where an answer starts again, the item so far is given up as incomplete, another one begins, and the
numbers go on in the next round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_common.errors import InvalidField, OloError
from olo_gateway.calls.following import ChatEvent, Completed, Progress, Started
from olo_gateway.convert.runs import phase_name
from olo_gateway.errors import OffsetInvalid
from olo_gateway.http.hang_up import EVENT_STREAM
from olo_gateway.http.responses import answers
from olo_gateway.http.responses.schemas import Response
from olo_gateway.http.streaming import KEEP_ALIVE, comment
from olo_gateway.runs.order import ChatOrder
from olo_gateway.streaming.events import Delta, Reset
from olo_gateway.streaming.reader import CONTINUATION

STARTING_AFTER: Final = "starting_after"
_ROUND: Final = 1 << 24
"""Numbers of one round: more than an answer has bytes. A hundred rounds fit the 32 bits that some clients have."""
_MAX_NUMBER: Final = (1 << 31) - 1
_TEXT: Final = 3
"""The number before the first byte of the text."""
_GIVEN_UP: Final = _ROUND - 2
_FAILED: Final = _ROUND - 1


def is_beyond(number: int, answer: ChatResponse) -> bool:
    """Whether no event of this answer can have had the number. Attempts that are void may have been longer."""
    last = _TEXT + len(answer.message.content.encode()) + 3 + 4 * len(answer.message.tool_calls) + 1
    return len(answer.attempts) <= 1 and number > last


@dataclass
class ResponseEncoder:
    """Encodes the events of one run.

    Args:
        order: What was asked.
        after: The last event that the caller has seen; None: none.

    Raises:
        InvalidField: No event has this number.
    """

    order: ChatOrder
    after: int | None = None
    run_id: str = field(default="", init=False)
    media_type: str = field(default=EVENT_STREAM, init=False)
    keep_alive: bytes = field(default=KEEP_ALIVE, init=False)
    _created: int = field(default=0, init=False)
    _round: int = field(default=0, init=False)
    _open: bool = field(default=False, init=False)
    _believed: bool = field(default=False, init=False)
    """Whether the caller has text whose beginning nobody has compared."""

    _astray: bool = field(default=False, init=False)
    """Whether the caller has come to a place that this text does not have."""

    def __post_init__(self) -> None:
        if self.after is not None:
            if not 0 <= self.after <= _MAX_NUMBER:
                raise InvalidField(STARTING_AFTER, "no event has this number")
            self._round, place = divmod(self.after, _ROUND)
            self._believed = place > _TEXT or self._round > 0

    def encode(self, event: ChatEvent) -> list[bytes]:
        """The events of one event of the run."""
        match event:
            case Started(run_id, created):
                self.run_id, self._created = run_id, created
                shown = self._described("in_progress")
                return [
                    *self._event(0, "response.created", response=shown),
                    *self._event(1, "response.in_progress", response=shown),
                ]
            case Progress(progress):
                return [comment(phase_name(progress.phase))]
            case Delta(text, offset, _):
                return self._begin() + self._delta(text, offset)
            case Reset():
                return self._again()
            case Completed(response):
                return self._completed(response)

    def failed(self, error: OloError) -> list[bytes]:
        """How the stream ends where the run has no answer."""
        shown = answers.failed(self.order, self.run_id, self._created, error)
        self.after = None
        return self._event(_FAILED, "response.failed", response=shown.model_dump())

    def ended(self) -> list[bytes]:
        """The last typed event was the end."""
        return []

    def _begin(self) -> list[bytes]:
        """The message, before its first text."""
        if self._open:
            return []
        self._open = True
        item = answers.message_item(self.run_id, None, "in_progress", self._round)
        return [
            *self._event(2, "response.output_item.added", output_index=self._round, item=item),
            *self._event(3, "response.content_part.added", **self._place(), part=answers.text_part(None)),
        ]

    def _delta(self, text: str, offset: int) -> list[bytes]:
        said = text.encode()
        number = _TEXT + offset + len(said)
        seen = 0 if self.after is None else self.after - self._round * _ROUND - _TEXT - offset
        if 0 < seen < len(said):
            self._astray = self._astray or said[seen] in CONTINUATION
            text = said[seen:].decode(errors="replace")
        # Inside a character ends no event of this text. The end says whether one of a void text did.
        return (
            []
            if self._astray
            else self._event(number, "response.output_text.delta", **self._place(), delta=text, logprobs=[])
        )

    def _again(self) -> list[bytes]:
        """The answer starts again: the message so far is void."""
        self._believed = self._astray = False
        given_up: list[bytes] = []
        if self._open:
            item = answers.message_item(self.run_id, None, "incomplete", self._round)
            given_up = self._event(_GIVEN_UP, "response.output_item.done", output_index=self._round, item=item)
        self._open = False
        self._round += 1
        return given_up

    def _completed(self, response: ChatResponse) -> list[bytes]:
        text = response.message.content
        beyond = self.after is not None and is_beyond(self.after, response)
        if beyond or (self._astray and len(response.attempts) <= 1):
            raise OffsetInvalid(STARTING_AFTER)
        events: list[bytes] = []
        if self._believed and len(response.attempts) > 1:
            # What the caller has may be of another attempt than the answer.
            events += self._again()
            if text:
                events += self._begin() + self._delta(text, 0)
        number = _TEXT + len(text.encode())
        if self._open:
            part = answers.text_part(response)
            item = answers.message_item(self.run_id, response, number=self._round)
            done = {"text": text, "logprobs": part["logprobs"]}
            events += self._event(number + 1, "response.output_text.done", **self._place(), **done)
            events += self._event(number + 2, "response.content_part.done", **self._place(), part=part)
            events += self._event(number + 3, "response.output_item.done", output_index=self._round, item=item)
        number += 3
        for place in range(len(response.message.tool_calls)):
            events += self._call(number, place, response)
            number += 4
        whole: Response = answers.answered(self.order, self._created, response)
        kind = "response.incomplete" if whole.status == "incomplete" else "response.completed"
        return events + self._event(number + 1, kind, response=whole.model_dump())

    def _call(self, number: int, place: int, response: ChatResponse) -> list[bytes]:
        item = answers.call_item(self.run_id, place, response)
        index = self._round + place + (1 if self._open else 0)
        named = {"item_id": item["id"], "output_index": index}
        begun, arguments = {**item, "status": "in_progress", "arguments": ""}, item["arguments"]
        return [
            *self._event(number + 1, "response.output_item.added", output_index=index, item=begun),
            *self._event(number + 2, "response.function_call_arguments.delta", **named, delta=arguments),
            *self._event(
                number + 3,
                "response.function_call_arguments.done",
                **named,
                name=item["name"],
                arguments=arguments,
            ),
            *self._event(number + 4, "response.output_item.done", output_index=index, item=item),
        ]

    def _place(self) -> dict[str, Any]:
        return {"item_id": f"msg_{self.run_id}_{self._round}", "output_index": self._round, "content_index": 0}

    def _described(self, status: answers.Status) -> dict[str, Any]:
        return answers.described(self.order, self.run_id, self._created, status).model_dump()

    def _event(self, number: int, kind: str, **fields: Any) -> list[bytes]:
        """The event, unless the caller has seen it."""
        number += self._round * _ROUND
        if self.after is not None and number <= self.after:
            return []
        told = orjson.dumps({"type": kind, "sequence_number": number, **fields})
        return [b"event: " + kind.encode() + b"\ndata: " + told + b"\n\n"]
