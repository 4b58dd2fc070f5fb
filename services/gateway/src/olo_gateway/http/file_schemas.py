"""The shapes of files in the OpenAI dialect."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from olo_common.described import Described


class _Answer(Described, BaseModel):
    pass


class FileObject(_Answer):
    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None


class FileList(_Answer):
    object: Literal["list"] = "list"
    data: list[FileObject]
    has_more: bool
    first_id: str | None
    last_id: str | None


class FileDeleted(_Answer):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True
