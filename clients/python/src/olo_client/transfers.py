"""What uploads and batches are made of, for both clients."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, TypedDict

from google.protobuf.duration_pb2 import Duration

from olo.gateway.v1 import batch_service_pb2 as bt
from olo.gateway.v1 import file_service_pb2 as fl
from olo.retrieval.v1 import transfer_service_pb2 as tr

PIECE_BYTES: Final = 1024 * 1024
TRANSFER_SECONDS: Final = 3600.0
"""How long the transfer of a file may take where the call does not say."""


class BatchOptions(TypedDict, total=False):
    """What can be said of a batch beside its file."""

    endpoint: str
    """Where its lines go; `/v1/chat/completions` where it is not said."""
    completion_window: float
    """Seconds that it may take; a day where it is not said."""
    metadata: Mapping[str, str]
    request_id: str
    """The same one is the same batch."""
    output_expires_after: float
    """Seconds that its output is kept."""


def upload_requests(source: Path | bytes, header: fl.FileHeader) -> Iterator[fl.UploadFileRequest]:
    """The messages of an upload: the header, then the bytes in pieces."""
    yield fl.UploadFileRequest(header=header)
    if isinstance(source, bytes):
        for start in range(0, len(source), PIECE_BYTES):
            yield fl.UploadFileRequest(data=source[start : start + PIECE_BYTES])
        return
    with source.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield fl.UploadFileRequest(data=piece)


def import_requests(source: Path | bytes, header: tr.ImportHeader) -> Iterator[tr.ImportCollectionRequest]:
    """The messages that bring a collection in: the header, then the bytes in pieces."""
    yield tr.ImportCollectionRequest(header=header)
    for request in upload_requests(source, fl.FileHeader()):
        if request.HasField("data"):
            yield tr.ImportCollectionRequest(data=request.data)


def header_of(source: Path | bytes, purpose: str, filename: str, expires_after: float | None) -> fl.FileHeader:
    """What is said of a file before its bytes."""
    name = filename or (source.name if isinstance(source, Path) else "")
    return fl.FileHeader(filename=name, purpose=purpose, expires_after=_duration(expires_after))


def batch_request(input_file_id: str, options: BatchOptions) -> bt.CreateBatchRequest:
    """The request for a batch. It has a request id, so that it can be made again."""
    return bt.CreateBatchRequest(
        input_file_id=input_file_id,
        endpoint=options.get("endpoint", "/v1/chat/completions"),
        completion_window=_duration(options.get("completion_window")),
        metadata=options.get("metadata", {}),
        request_id=options.get("request_id") or uuid.uuid4().hex,
        output_expires_after=_duration(options.get("output_expires_after")),
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
