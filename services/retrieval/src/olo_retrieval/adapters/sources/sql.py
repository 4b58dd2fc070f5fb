"""Rows of a query, each a document. The query runs inside another one, in a transaction that only reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy import event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from olo_common.errors import InvalidField
from olo_common.logs import logger
from olo_common.sql_tls import without_tls_parameters
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.errors import DocumentTooLarge, SourceAway, SourceForbidden, SourceMalformed, SourceTooLarge
from olo_retrieval.sources.model import Content, Item, Listed, Listing, SqlConfig

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SELECT = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_STATEMENT_MS = 300_000
_QUERY = "source.sql.query"


def check_sql(config: SqlConfig, allowed: Allowed) -> None:
    """Raises InvalidField or SourceForbidden where the query would never be run."""
    if config.database not in allowed.databases:
        raise SourceForbidden(
            "source.sql.database", "must be a name that the operator has given a database (not its URL)"
        )
    for name in ("id_column", "content_column", "title_column", "watermark_column"):
        value = getattr(config, name)
        if value and not _COLUMN.fullmatch(value):
            raise InvalidField(f"source.sql.{name}", "is no name of a column")
    plain = _QUOTED.sub("", config.query)
    if not _SELECT.match(config.query) or any(mark in plain for mark in (";", "--", "/*")) or not _closed(plain):
        raise SourceForbidden(_QUERY, "must be one SELECT, without comments and semicolons")


def _closed(query: str) -> bool:
    """Whether each bracket is closed after it is opened, so that none closes the one put around the query."""
    depth = 0
    for character in query:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


@asynccontextmanager
async def opened_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """The database, of which no connection can write."""
    try:
        parsed = make_url(url)
        driver = _DRIVERS.get(parsed.drivername, parsed.drivername)
        tls: dict[str, Any] = {}
        if driver == "postgresql+asyncpg":
            parsed, tls = without_tls_parameters(parsed)
        engine = create_async_engine(_read_only(parsed.set(drivername=driver)), pool_size=4, connect_args=tls)
    except (ValueError, ArgumentError, InvalidRequestError, ImportError, SQLAlchemyError):
        raise SourceForbidden("source.sql.database", "the operator has given it a URL that cannot be used") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _only_query)
    try:
        yield engine
    finally:
        await engine.dispose()


class Rows:
    """A Connector.

    Args:
        config: The query.
        engine: Of the database.
        max_rows: More are refused.
        max_bytes: Limit of the text of one row.
    """

    def __init__(self, config: SqlConfig, engine: AsyncEngine, *, max_rows: int, max_bytes: int) -> None:
        self._config = config
        self._engine = engine
        self._max_rows = max_rows
        self._max_bytes = max_bytes

    async def listing(self, cursor: str) -> Listing:
        """Every row by its id, with its watermark, or without one with the SHA-256 of its text."""
        config = self._config
        read = [config.watermark_column] if config.watermark_column else self._text_columns()
        found: dict[str, str] = {}
        async with self._reading() as connection:
            rows = await connection.stream(text(self._query([config.id_column, *read])))
            async for identity, *values in rows:
                key = _key(identity)
                if key in found:
                    raise SourceMalformed("source.sql.id_column", "is not unique")
                found[key] = _fingerprint(values)
                if len(found) > self._max_rows:
                    raise SourceTooLarge(self._max_rows)
        return Listing([Listed(key, fingerprint) for key, fingerprint in found.items()])

    async def load(self, item: Item) -> Content:
        """The text of a row."""
        identity = json.loads(item.key)
        name = self._name(self._config.id_column)
        if isinstance(identity, str) and self._engine.dialect.name != "sqlite":
            # What is no number has come as its text, a UUID for instance.
            name = f"CAST({name} AS VARCHAR(1024))"
        async with self._reading() as connection:
            rows = await connection.execute(
                text(f"{self._query(self._text_columns())} WHERE {name} = :id"), {"id": identity}
            )
            row = rows.first()
        if row is None:
            raise SourceAway("has this row no more")
        content = "" if row[0] is None else str(row[0])
        if len(content) > self._max_bytes:
            raise DocumentTooLarge("document.content", len(content.encode()), self._max_bytes)
        title = str(row[1])[:1024] if len(row) > 1 and row[1] is not None else ""
        return Content(content, f"{self._config.database}/{identity}"[:1024], title=title)

    def _text_columns(self) -> list[str]:
        return [name for name in (self._config.content_column, self._config.title_column) if name]

    def _query(self, columns: list[str]) -> str:
        names = ", ".join(map(self._name, columns))
        # A colon in the query is part of it, not a parameter.
        query = self._config.query.replace("\\", "\\\\").replace(":", "\\:")
        return f"SELECT {names} FROM (\n{query}\n) AS olo_source"  # noqa: S608 - checked, and names are names

    def _name(self, column: str) -> str:
        return self._engine.dialect.identifier_preparer.quote(column)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        connection = self._engine.connect()
        try:
            await connection.start()
            if self._engine.dialect.name == "postgresql":
                await connection.execute(text("SET TRANSACTION READ ONLY"))
                await connection.execute(text(f"SET LOCAL statement_timeout = {_STATEMENT_MS}"))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            logger(__name__).warning("source_database_away", error=type(error).__name__)
            raise SourceAway("does not answer") from None
        try:
            yield connection
        except DBAPIError as error:
            logger(__name__).warning("source_query_failed", error=type(error.orig).__name__)
            if error.connection_invalidated:
                raise SourceAway("does not answer") from None
            raise SourceMalformed(_QUERY, "the database refuses it, or has no such column") from None
        except (SQLAlchemyError, OSError, TimeoutError):
            raise SourceAway("does not answer") from None
        finally:
            await connection.close()


def _read_only(url: URL) -> URL:
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return url
    # A file that is missing is an error, and not made.
    return url.set(database=f"file:{url.database}").update_query_dict({"mode": "ro", "uri": "true"})


def _only_query(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _key(identity: Any) -> str:
    if identity is None:
        raise SourceMalformed("source.sql.id_column", "is null in a row")
    return json.dumps(identity if isinstance(identity, int) else str(identity), ensure_ascii=False)


def _fingerprint(values: list[Any]) -> str:
    if len(values) == 1 and not isinstance(values[0], str | bytes) and values[0] is not None:
        return str(values[0])[:128]
    digest = hashlib.sha256()
    for value in values:
        encoded = b"\0" if value is None else str(value).encode("utf-8", "replace")
        digest.update(len(encoded).to_bytes(8) + encoded)
    return digest.hexdigest()
