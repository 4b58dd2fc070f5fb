"""Objects of an object store, by fsspec."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from olo_common.logs import logger
from olo_retrieval.errors import DocumentTooLarge, SourceAway, SourceForbidden, SourceTooLarge
from olo_retrieval.sources.model import Content, Item, Listed, Listing

_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "generation")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")


class Objects:
    """A Connector.

    Args:
        url: Of an object or a prefix.
        chosen: Which paths below it are documents.
        max_objects: More are refused.
        max_bytes: Limit of one object.
    """

    def __init__(self, url: str, chosen: Callable[[str], bool], *, max_objects: int, max_bytes: int) -> None:
        self._url = url
        self._chosen = chosen
        self._max_objects = max_objects
        self._max_bytes = max_bytes

    async def listing(self, cursor: str) -> Listing:
        """Every object, by its path, with its tag, or its time of change and size."""
        return Listing(await asyncio.to_thread(self._list))

    async def load(self, item: Item) -> Content:
        """The bytes of an object."""
        body = await asyncio.to_thread(self._read, item.key)
        return Content(body, f"{self._url.rstrip('/')}/{item.key}" if item.key else self._url)

    def _list(self) -> list[Listed]:
        system, base = self._opened()
        try:
            if system.isfile(base):
                return [Listed("", _fingerprint(system.info(base)))]
            found = system.find(base, detail=True)
        except Exception as error:
            raise _away(error) from error
        listed = []
        for path, info in sorted(found.items()):
            relative = path.removeprefix(base).lstrip("/")
            if self._chosen(relative):
                listed.append(Listed(relative, _fingerprint(info)))
        if len(listed) > self._max_objects:
            raise SourceTooLarge(self._max_objects)
        return listed

    def _read(self, key: str) -> bytes:
        system, base = self._opened()
        path = f"{base.rstrip('/')}/{key}" if key else base
        try:
            size = int(system.info(path).get("size") or 0)
            if size <= self._max_bytes:
                body = bytes(system.cat_file(path, start=0, end=self._max_bytes + 1))
                size = len(body)
        except Exception as error:
            raise _away(error) from error
        if size > self._max_bytes:
            raise DocumentTooLarge("document.data", size, self._max_bytes)
        return body

    def _opened(self) -> tuple[Any, str]:
        # Imported here, as its file systems are: most processes open none.
        import fsspec

        try:
            system, base = fsspec.core.url_to_fs(self._url, use_listings_cache=False)
        except ImportError:
            raise SourceForbidden(
                "source.files.path", "needs a file system that is not installed with the service, such as s3fs"
            ) from None
        except Exception as error:
            raise SourceForbidden("source.files.path", "is no URL that can be opened") from error
        return system, str(base)


def _fingerprint(info: dict[str, Any]) -> str:
    for name in _TAGS:
        if info.get(name):
            return str(info[name])[:128]
    for name in _TIMES:
        if info.get(name):
            return f"{info[name]}-{info.get('size')}"[:128]
    return ""


def _away(error: Exception) -> SourceAway:
    # Each file system has errors of its own.
    logger(__name__).warning("object_store_failed", error=type(error).__name__)
    return SourceAway("cannot be read")
