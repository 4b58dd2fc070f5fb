"""A directory with an operator's word on it, and pages that are written here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from olo_common.errors import OloError
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sources.opening import AllowedConnectors
from olo_retrieval.errors import FetchFailed
from olo_retrieval.sources.model import (
    Config,
    Content,
    Item,
    Listed,
    Listing,
    Source,
)
from olo_retrieval.sources.ports import Connector
from olo_retrieval.types import Fetched

SITE = "https://www.example.org"


@dataclass
class Pages:
    """A Fetcher of pages that are written here."""

    pages: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, url: str) -> Fetched:
        if url not in self.pages:
            raise FetchFailed(404)
        return Fetched(self.pages[url], "text/html; charset=utf-8")


@dataclass
class Place:
    """A directory with an operator's word on it."""

    path: Path
    allowed: Allowed
    web: Pages = field(default_factory=Pages)

    @property
    def files(self) -> Path:
        return self.path / "files"

    def allow(self, **more: object) -> None:
        self.allowed = replace(self.allowed, **more)  # type: ignore[arg-type]

    def connectors(self) -> AllowedConnectors:
        return AllowedConnectors(self.allowed, self.web)

    @asynccontextmanager
    async def open(self, config: Config) -> AsyncIterator[Connector]:
        source = Source("0" * 32, "default", "demo", "1" * 32, "docs", config, None, 0)
        async with self.connectors().open(source) as connector:
            yield connector

    async def listing(self, config: Config, cursor: str = "") -> Listing:
        async with self.open(config) as connector:
            return await connector.listing(cursor)

    async def listed(self, config: Config) -> dict[str, str]:
        return {item.key: item.fingerprint for item in (await self.listing(config)).items}

    async def load(self, config: Config, key: str) -> Content:
        """The content behind a key that is listed now."""
        async with self.open(config) as connector:
            [found] = [item for item in (await connector.listing("")).items if item.key == key]
            return await connector.load(item_of(found))

    async def refused(self, config: Config) -> tuple[str, str | None]:
        """Reason and field with which a source is refused before it is made."""
        with pytest.raises(OloError) as caught:
            await self.connectors().check(config)
        return caught.value.reason, caught.value.field


def item_of(listed: Listed) -> Item:
    return Item("docs.x", listed.key, listed.fingerprint, 0, listed.deleted)
