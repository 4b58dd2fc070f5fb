"""Files of callers on an object store: the bytes first, then the record that makes them a file."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from olo_common.errors import InvalidField
from olo_contracts.identifiers import DEFAULT_TENANT
from olo_gateway.errors import FileTooLarge, ObjectMissing, StoredFileNotFound
from olo_gateway.files.objects import ObjectStore, get_json, put_json

PURPOSES: Final = ("batch", "assistants", "user_data", "fine-tune", "vision", "evals")
"""What callers may say that a file is for."""
OUTPUT_PURPOSE: Final = "batch_output"
MIN_LIFE_SECONDS: Final = 3600
MAX_LIFE_SECONDS: Final = 30 * 24 * 3600
_NAME_LENGTH: Final = 255
_FILE_ID: Final = re.compile(r"file-[A-Za-z0-9]{1,64}")
_RECORD: Final = ".json"
_ORPHAN_SECONDS: Final = 24 * 3600
"""Longer than any upload takes: bytes without a record that are older were left by a process that died."""
_UNRECORDED_SECONDS: Final = 600.0
"""Longer than it takes from the last byte to the record. Ids do not tell: those of a batch's files are as old as it."""
_READS: Final = 16
_TENANTS: Final = "tenants"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a caller. Times are seconds since 1970."""

    file_id: str
    filename: str
    purpose: str
    size: int
    created: int
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class FileDraft:
    """What a file is to be."""

    filename: str
    purpose: str
    expires_after: float | None = None
    """Seconds; None: it stays."""
    file_id: str = ""
    """Empty: a new one."""


def checked(draft: FileDraft) -> FileDraft:
    """The draft of a caller as it is taken: the name without the folders that some clients put before it.

    Raises:
        InvalidField: Naming the field that is wrong.
    """
    if draft.purpose not in PURPOSES:
        raise InvalidField("purpose", f"must be one of {', '.join(PURPOSES)}")
    name = re.split(r"[/\\]", draft.filename)[-1].strip()
    if not name or len(name) > _NAME_LENGTH or not name.isprintable():
        raise InvalidField("file", f"needs a name of 1 to {_NAME_LENGTH} printable characters")
    check_life("expires_after", draft.expires_after)
    return replace(draft, filename=name)


def check_life(field: str, seconds: float | None) -> None:
    """Checks how long a file is to be kept.

    Raises:
        InvalidField: It is too short or too long.
    """
    if seconds is not None and not MIN_LIFE_SECONDS <= seconds <= MAX_LIFE_SECONDS:
        raise InvalidField(field, f"must be from {MIN_LIFE_SECONDS} to {MAX_LIFE_SECONDS} seconds")


class Shelf:
    """The files of all tenants; each call sees those of one.

    Args:
        objects: Where they are.
        max_bytes: The largest file that a caller may hand in.
        now: Seconds since 1970.
    """

    def __init__(self, objects: ObjectStore, max_bytes: int, now: Callable[[], float] = time.time) -> None:
        self._objects = objects
        self.max_bytes = max_bytes
        self._now = now
        self._noted = {DEFAULT_TENANT}
        """Tenants of whom the store knows that they have had files."""
        self._unrecorded: dict[tuple[str, str], float] = {}
        """Bytes without a record, and when a sweep saw them first."""

    async def take(self, tenant: str, draft: FileDraft, content: AsyncIterable[bytes]) -> StoredFile:
        """Stores the file of a caller.

        Raises:
            InvalidField: The draft is wrong, or there are no bytes.
            FileTooLarge: There are too many.
        """
        draft = checked(draft)

        async def bounded() -> AsyncGenerator[bytes, None]:
            size = 0
            async for piece in content:
                size += len(piece)
                if size > self.max_bytes:
                    raise FileTooLarge(self.max_bytes)
                yield piece
            if not size:
                raise InvalidField("file", "is empty", reason="file_empty")

        return await self.write(tenant, draft, bounded())

    async def write(self, tenant: str, draft: FileDraft, content: AsyncIterable[bytes]) -> StoredFile:
        """Stores a file as it is; one with a `file_id` of its own takes the place of the one before."""
        await self._note(tenant)
        created = int(self._now())
        file_id = draft.file_id or _new_id(self._now())
        size = await self._objects.put(_content(tenant, file_id), content)
        expires = None if draft.expires_after is None else created + int(draft.expires_after)
        file = StoredFile(file_id, draft.filename, draft.purpose, size, created, expires)
        await put_json(self._objects, _record(tenant, file_id), asdict(file))
        return file

    async def get(self, tenant: str, file_id: str, field: str = "file_id") -> StoredFile:
        """One file.

        Raises:
            StoredFileNotFound: The tenant has no such file, or it has expired.
        """
        if not _FILE_ID.fullmatch(file_id):
            raise StoredFileNotFound(field)
        try:
            file = _file_of(await get_json(self._objects, _record(tenant, file_id)))
        except ObjectMissing:
            raise StoredFileNotFound(field) from None
        if self._expired(file):
            raise StoredFileNotFound(field)
        return file

    async def list(
        self, tenant: str, limit: int, after: str = "", purpose: str = "", *, oldest_first: bool = False
    ) -> tuple[list[StoredFile], bool]:
        """Files, newest first, and whether there are more.

        Args:
            tenant: Whose.
            limit: How many at most.
            after: The id of the last file of the page before.
            purpose: Only those for this; empty: all.
            oldest_first: The other way round.
        """
        names = [name.removesuffix(_RECORD) for name in await self._objects.names(_records(tenant))]
        if not oldest_first:
            names.reverse()
        if after:
            names = [name for name in names if (name > after if oldest_first else name < after)]
        found: list[StoredFile] = []
        for first in range(0, len(names), _READS):
            read = await asyncio.gather(*(self._known(tenant, name) for name in names[first : first + _READS]))
            found += [file for file in read if file is not None and purpose in ("", file.purpose)]
            if len(found) > limit:
                break
        return found[:limit], len(found) > limit

    async def read(self, tenant: str, file_id: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file in pieces.

        Raises:
            StoredFileNotFound: The tenant has no such file.
        """
        await self.get(tenant, file_id)
        try:
            async with aclosing(self._objects.read(_content(tenant, file_id))) as pieces:
                async for piece in pieces:
                    yield piece
        except ObjectMissing:
            raise StoredFileNotFound from None

    async def delete(self, tenant: str, file_id: str) -> None:
        """Deletes a file.

        Raises:
            StoredFileNotFound: The tenant has no such file.
        """
        await self.get(tenant, file_id)
        await self._forget(tenant, file_id)

    async def tenants(self) -> Sequence[str]:
        """Whoever may have files."""
        return sorted({DEFAULT_TENANT, *await self._objects.names(_TENANTS)})

    async def sweep(self, tenant: str) -> int:
        """Deletes what has expired, and bytes that never became a file; returns how many."""
        swept = 0
        contents = await self._objects.names(f"content/{tenant}")
        records = {name.removesuffix(_RECORD) for name in await self._objects.names(_records(tenant))}
        for file_id in self._orphans(tenant, [file_id for file_id in contents if file_id not in records]):
            await self._objects.delete(_content(tenant, file_id))
            swept += 1
        for file_id in records:
            if await self._known(tenant, file_id) is None:
                await self._forget(tenant, file_id)
                swept += 1
        return swept

    def _orphans(self, tenant: str, unrecorded: Sequence[str]) -> Sequence[str]:
        """Those of the bytes without a record that will never have one."""
        now, seen = self._now(), self._unrecorded
        since = {(tenant, file_id): seen.get((tenant, file_id), now) for file_id in unrecorded}
        self._unrecorded = {key: at for key, at in seen.items() if key[0] != tenant} | since
        return [
            file_id
            for (_, file_id), at in since.items()
            if at <= now - _UNRECORDED_SECONDS and _made(file_id) < now - _ORPHAN_SECONDS
        ]

    async def _note(self, tenant: str) -> None:
        if tenant not in self._noted:
            await put_json(self._objects, f"{_TENANTS}/{tenant}", {})
            self._noted.add(tenant)

    async def _known(self, tenant: str, file_id: str) -> StoredFile | None:
        try:
            return await self.get(tenant, file_id)
        except StoredFileNotFound:
            return None

    async def _forget(self, tenant: str, file_id: str) -> None:
        await self._objects.delete(_record(tenant, file_id))
        await self._objects.delete(_content(tenant, file_id))

    def _expired(self, file: StoredFile) -> bool:
        return file.expires is not None and file.expires <= self._now()


def _file_of(record: dict[str, Any]) -> StoredFile:
    """The file of a record; what a later release notes beside is of no concern here."""
    known = {field.name for field in fields(StoredFile)}
    return StoredFile(**{name: value for name, value in record.items() if name in known})


def _new_id(now: float) -> str:
    """An id that sorts by time, so that a page of the newest needs no look at the others."""
    return f"file-{int(now * 1000):012x}{uuid.uuid4().hex[:16]}"


def _made(file_id: str) -> float:
    """When an id was made; 0 where it does not tell."""
    try:
        return int(file_id.removeprefix("file-")[:12], 16) / 1000
    except ValueError:
        return 0.0


def _records(tenant: str) -> str:
    return f"files/{tenant}"


def _record(tenant: str, file_id: str) -> str:
    return f"{_records(tenant)}/{file_id}{_RECORD}"


def _content(tenant: str, file_id: str) -> str:
    return f"content/{tenant}/{file_id}"
