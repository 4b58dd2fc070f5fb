"""Documents from the web or a file: bounded, and only sent again where they have changed."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2

from olo_common.errors import Unavailable
from olo_registry.errors import RecordNotFound, SourceDrifted

_MAX_BYTES = 32 * 1024 * 1024
_SECONDS = 30.0
_NOT_MODIFIED = 304
_NOT_THERE = (401, 403, 404)
"""Hugging Face says of what is not there that one may not see it."""
_OK = 200


@dataclass(frozen=True, slots=True)
class Document:
    """What stands at an address.

    Attributes:
        content: Its bytes.
        validator: What tells this state of it from others; empty: nothing does.
    """

    content: bytes
    validator: str


class Documents:
    """Fetches.

    Args:
        client: For addresses with http or https.
    """

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def get(self, url: str, validator: str = "") -> Document | None:
        """The document; None where it is still the one of the validator.

        Raises:
            Unavailable: The server does not answer, or answers with an error.
            RecordNotFound: There is no such document.
            SourceDrifted: It is far too large.
        """
        if urlsplit(url).scheme == "file":
            return await self._from_file(Path(unquote(urlsplit(url).path)), validator)
        headers = {"If-None-Match": validator} if validator else {}
        try:
            async with asyncio.timeout(_SECONDS), self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == _NOT_MODIFIED:
                    return None
                if response.status_code in _NOT_THERE:
                    raise RecordNotFound("the source has no such document")
                if response.status_code != _OK:
                    raise Unavailable(f"the source answers with status {response.status_code}")
                return Document(await _bounded(response), response.headers.get("etag", "")[:512])
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, OSError) as error:
            raise Unavailable("the source does not answer") from error

    async def _from_file(self, path: Path, validator: str) -> Document | None:
        try:
            content = await asyncio.to_thread(_read, path)
        except FileNotFoundError:
            raise RecordNotFound("there is no such file") from None
        except OSError as error:
            raise Unavailable("the file cannot be read") from error
        digest = hashlib.sha256(content).hexdigest()
        return None if digest == validator else Document(content, digest)


async def _bounded(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > _MAX_BYTES:
            raise SourceDrifted("the document is too large")
    return bytes(content)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise SourceDrifted("the document is too large")
    return content
