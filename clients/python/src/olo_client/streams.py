"""How far a stream has come, so that it goes on there when it breaks."""

from __future__ import annotations

from collections.abc import Iterator

from olo.gateway.v1.gateway_service_pb2 import ChatStreamRequest, ChatStreamResponse, TextReset
from olo_client.errors import OloError

_PLACE_GONE = "offset_invalid"
_READ_TOO_SLOWLY = "client_too_slow"


class StreamPlace:
    """Follows one answer through as many streams as it takes. It keeps no text: a length and a checksum are enough.

    Args:
        request: The first request; each further one asks for what comes after the events that were passed on.
    """

    def __init__(self, request: ChatStreamRequest) -> None:
        self._request = request
        self.run_id = ""
        self._gone = False
        self.offset = request.resume_offset
        """UTF-8 bytes of the answer that were passed on."""
        self._checksum: int | None = None
        self.completed = False

    @property
    def request(self) -> ChatStreamRequest:
        """What to ask for next: once the run is durable, it is followed: a request could be refused."""
        if not self.run_id:
            return self._request
        return ChatStreamRequest(run_id=self.run_id, resume_offset=self.offset, resume_checksum=self._checksum)

    def feed(self, event: ChatStreamResponse) -> Iterator[ChatStreamResponse]:
        """The events to pass on for an event that has arrived: one `started`, and deltas that follow on each other."""
        kind = event.WhichOneof("event")
        if self._gone and kind in ("delta", "completed"):
            self._gone = False
            yield ChatStreamResponse(reset=TextReset(reason=_PLACE_GONE))
        match kind:
            case "started":
                if self.run_id:
                    return
                self.run_id = event.started.run_id
            case "delta":
                self.offset = event.delta.offset + len(event.delta.text.encode())
                self._checksum = event.delta.checksum
            case "reset":
                self._begin_again(gone=False)
            case "completed":
                self.completed = True
        yield event

    def survives(self, error: OloError) -> bool:
        """Whether the stream goes on at once in spite of this error; where its place is gone, from the beginning."""
        if error.reason == _PLACE_GONE and self.offset:
            self._begin_again(gone=True)
            return True
        return error.reason == _READ_TOO_SLOWLY

    def _begin_again(self, *, gone: bool) -> None:
        self.offset, self._checksum, self._gone = 0, None, gone
