"""The shapes of batches in the OpenAI dialect, and what the gateway adds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from olo_common.described import Described


class _Model(Described, BaseModel):
    pass


class OutputExpiry(_Model):
    anchor: Literal["created_at"]
    seconds: int
    """From 3600 to 2592000."""


class BatchRequest(_Model):
    input_file_id: str
    """A file with the purpose `batch`: one request on each line."""
    endpoint: str
    """`/v1/chat/completions`, `/v1/completions`, `/v1/responses` or `/v1/embeddings`."""
    completion_window: str = "24h"
    """How long it may take, from `1m` to `30d`."""
    metadata: dict[str, str] | None = None
    output_expires_after: OutputExpiry | None = None


class BatchIssue(_Model):
    code: str
    message: str
    line: int | None
    """From 1."""
    param: str | None


class BatchIssues(_Model):
    object: Literal["list"] = "list"
    data: list[BatchIssue]


class BatchCounts(_Model):
    total: int
    completed: int
    failed: int


class BatchUsage(_Model):
    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class BatchObject(_Model):
    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchIssues | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    paused: bool
    """Whether no further line is begun for now."""
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchCounts
    usage: BatchUsage
    metadata: dict[str, str] | None


class BatchList(_Model):
    object: Literal["list"] = "list"
    data: list[BatchObject]
    has_more: bool
    first_id: str | None
    last_id: str | None
