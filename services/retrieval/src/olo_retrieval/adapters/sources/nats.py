"""Messages that a JetStream stream keeps, each a document. The place that was reached is kept with the documents."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as StreamError
from nats.js.errors import NotFoundError

from olo_common.errors import InvalidField
from olo_common.nats_client import NatsClient
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.errors import DocumentTooLarge, SourceAway, SourceForbidden, SourceMalformed
from olo_retrieval.sources.model import Content, Item, Listed, Listing, NatsConfig
from olo_retrieval.sources.naming import LONGEST_KEY

_SUBJECT = re.compile(r"[!-)+\--=?-~]+|\*|>")
_NOT_TEXT = re.compile(r"[\0\ud800-\udfff]")
_CONNECT_SECONDS = 5


def check_nats(config: NatsConfig, allowed: Allowed) -> None:
    """Raises InvalidField or SourceForbidden where the subject would never be read."""
    tokens = config.subject.split(".")
    if not all(_SUBJECT.fullmatch(token) for token in tokens) or ">" in tokens[:-1]:
        raise InvalidField("source.nats.subject", "is no NATS subject")
    if not any(covers(pattern, config.subject) for pattern in allowed.subjects):
        raise SourceForbidden("source.nats.subject", "is none that the operator allows (OLO_RETRIEVAL_SOURCE_SUBJECTS)")
    if config.id_header and config.id_field:
        raise InvalidField("source.nats.id_field", "is given beside id_header")


def covers(pattern: str, subject: str) -> bool:
    """Whether everything that `subject` matches is matched by `pattern` too."""
    allowed, asked = pattern.split("."), subject.split(".")
    for number, part in enumerate(allowed):
        if part == ">":
            return number < len(asked)
        if number >= len(asked) or asked[number] == ">" or part not in ("*", asked[number]):
            return False
    return len(allowed) == len(asked)


@asynccontextmanager
async def opened_stream(config: NatsConfig, allowed: Allowed) -> AsyncIterator[Messages]:
    """The stream that keeps the subject."""
    client = NatsClient(allowed.nats)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await client.connect_as_told(name="retrieval-source", allow_reconnect=False, error_cb=_ignore)
        stream = client.jetstream(timeout=_CONNECT_SECONDS)
        name = await stream.find_stream_name_by_subject(config.subject)
    except NotFoundError:
        await _close(client)
        raise SourceMalformed("source.nats.subject", "is kept by no stream") from None
    except (NatsError, OSError, TimeoutError):
        await _close(client)
        raise SourceAway("does not answer") from None
    try:
        yield Messages(config, stream, name, most=allowed.max_documents, max_bytes=allowed.max_text_bytes)
    finally:
        await _close(client)


async def _ignore(error: Exception) -> None:
    """What is wrong is told by the call that needs the connection."""


async def _close(client: Client) -> None:
    with suppress(Exception):
        await client.close()


class Messages:
    """A Connector.

    Args:
        config: The subject.
        stream: The server's streams.
        name: Of the one that keeps the subject.
        most: Messages of one listing; the next one goes on.
        max_bytes: Limit of the text of a message.
    """

    def __init__(self, config: NatsConfig, stream: JetStreamContext, name: str, *, most: int, max_bytes: int) -> None:
        self._config = config
        self._stream = stream
        self._name = name
        self._most = most
        self._max_bytes = max_bytes

    async def listing(self, cursor: str) -> Listing:
        """The messages that have come since, by their ids; of several with one id the last. An empty one deletes."""
        found: dict[str, Listed] = {}
        try:
            state = (await self._stream.stream_info(self._name)).state
            # A stream that was made anew counts from 1 again.
            reached = int(cursor or 0) if int(cursor or 0) <= state.last_seq else 0
            for _ in range(self._most):
                try:
                    message = await self._stream.get_msg(
                        self._name, seq=reached + 1, subject=self._config.subject, next=True
                    )
                except NotFoundError:
                    break
                reached = int(message.seq or reached + 1)
                key = self._key(message)
                found[key] = Listed(key, str(reached), deleted=not message.data)
        except (NatsError, StreamError, OSError, TimeoutError):
            raise SourceAway("does not answer") from None
        return Listing(list(found.values()), complete=False, cursor=str(reached))

    async def load(self, item: Item) -> Content:
        """The text of a message."""
        try:
            message = await self._stream.get_msg(self._name, seq=int(item.fingerprint))
        except NotFoundError:
            raise SourceAway("keeps this message no more") from None
        except (NatsError, OSError, TimeoutError):
            raise SourceAway("does not answer") from None
        data = message.data or b""
        if len(data) > self._max_bytes:
            raise DocumentTooLarge("document.content", len(data), self._max_bytes)
        if self._config.content_field:
            body = _object(data).get(self._config.content_field)
            if not isinstance(body, str):
                raise SourceMalformed("source.nats.content_field", "holds no text in this message")
        else:
            try:
                body = data.decode()
            except UnicodeDecodeError:
                raise SourceMalformed("source.nats.subject", "a message is not UTF-8 text") from None
        return Content(body, f"{message.subject}#{item.fingerprint}")

    def _key(self, message: Any) -> str:
        """The id of a message; one that has none where it should have is a document of its own, which fails."""
        key: object = message.subject
        if self._config.id_header:
            key = (message.headers or {}).get(self._config.id_header)
        elif self._config.id_field:
            key = _object(message.data or b"").get(self._config.id_field)
        if not isinstance(key, str | int) or not str(key) or len(str(key)) > LONGEST_KEY or _NOT_TEXT.search(str(key)):
            return f"{message.subject}#{message.seq}"
        return str(key)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
