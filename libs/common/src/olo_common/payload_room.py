"""How large a payload may be, for workflows that must not end in one that nobody takes.

Temporal's SDK does not send what is over the server's limit, and fails the workflow's task instead, which then comes
again until the workflow's time is over. So a workflow asks here before it ends, and its worker sends the rest
(`PAST_THE_LIMIT`): the server ends a workflow at once that says something too large, and `ended_as_too_large` knows it.
"""

from __future__ import annotations

from typing import Final, TypedDict

from google.protobuf.message import Message
from temporalio import client, worker, workflow
from temporalio.converter import PayloadConverter
from temporalio.exceptions import TerminatedError

from olo_common.payload_errors import PayloadNotStored

MOST_INLINE_BYTES: Final = 2 * 1024 * 1024
"""The largest payload that Temporal takes: of its servers that of the setting `limit.blobSize.error`."""
_MOST: Final = "olo_most_payload_bytes"
_AROUND: Final = 1024
"""What encryption may add, at most."""
_IN_JSON: Final = 8
"""A message takes hardly more than so many times its bytes: smaller ones need not be measured."""
_REFUSED: Final = ("exceeds size limit", "GrpcMessageTooLarge")
"""What a server says of a workflow that it ends for its size."""


class _Sending(TypedDict):
    disable_payload_error_limit: bool


PAST_THE_LIMIT: Final[_Sending] = {"disable_payload_error_limit": True}
"""The argument of workers that run workflows."""


class PayloadRoom(client.Interceptor, worker.Interceptor):
    """Tells the workflows of the workers on a client how large a payload may be.

    Args:
        most_bytes: The largest one that is taken, here or by the store beside the histories.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes

    def workflow_interceptor_class(self, input: worker.WorkflowInterceptorClassInput) -> None:
        """Intercepts nothing."""
        input.unsafe_extern_functions[_MOST] = lambda: self._most_bytes


def check_room(message: Message) -> None:
    """Looks whether a workflow can end with a message.

    Replays, whose workers know no limit, do not look: what a history ends with has been taken.

    Raises:
        PayloadNotStored: It is too large.
    """
    told = workflow.extern_functions().get(_MOST)
    if told is not None and (size := bytes_beyond(most := told(), message, workflow.payload_converter())):
        raise PayloadNotStored(f"it has {size} bytes; at most {most} are taken")


def bytes_beyond(most: int, message: Message, converter: PayloadConverter) -> int:
    """How many bytes a message takes as a payload, where these are more than `most`; else 0."""
    if message.ByteSize() * _IN_JSON <= most:
        return 0
    (payload,) = converter.to_payloads([message])
    size = payload.ByteSize() + _AROUND
    return size if size > most else 0


def ended_as_too_large(failure: BaseException | None) -> bool:
    """Whether a server has ended a workflow because it said something that was too large."""
    return isinstance(failure, TerminatedError) and any(said in failure.message for said in _REFUSED)
