"""Opens sources, within what the operator allows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sources.files import LocalFiles
from olo_retrieval.adapters.sources.git import GitFiles, check_git
from olo_retrieval.adapters.sources.nats import check_nats, opened_stream
from olo_retrieval.adapters.sources.objects import Objects
from olo_retrieval.adapters.sources.sql import Rows, check_sql, opened_engine
from olo_retrieval.adapters.sources.web import WebPages, check_web
from olo_retrieval.errors import SourceForbidden
from olo_retrieval.ports import Fetcher
from olo_retrieval.sources.model import Config, FileConfig, GitConfig, Source, SqlConfig, WebConfig
from olo_retrieval.sources.paths import chooser
from olo_retrieval.sources.ports import Connector


class AllowedConnectors:
    """A Connectors.

    Args:
        allowed: What the operator allows.
        fetcher: Fetches pages; None where that is not allowed.
    """

    def __init__(self, allowed: Allowed, fetcher: Fetcher | None) -> None:
        self._allowed = allowed
        self._fetcher = fetcher

    async def check(self, config: Config) -> None:
        """Raises InvalidField or SourceForbidden where the source would never be opened."""
        await asyncio.to_thread(self._check, config)

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Connector]:
        """The source while the context is entered. What the operator allows may have changed since it was made."""
        config, allowed = source.config, self._allowed
        await self.check(config)
        if isinstance(config, FileConfig):
            yield self._files(config)
        elif isinstance(config, GitConfig):
            yield self._git(config, source.uid)
        elif isinstance(config, WebConfig):
            if self._fetcher is None:
                raise SourceForbidden("source.web", "nothing is fetched from here")
            yield WebPages(config, check_web(config, allowed=True), self._fetcher)
        elif isinstance(config, SqlConfig):
            async with opened_engine(allowed.databases[config.database].get_secret_value()) as engine:
                yield Rows(config, engine, max_rows=allowed.max_documents, max_bytes=allowed.max_text_bytes)
        else:
            async with opened_stream(config, allowed) as messages:
                yield messages

    async def forget(self, source: Source) -> None:
        """Removes what is kept on disk for a source."""
        await asyncio.to_thread(shutil.rmtree, self._cache(source.uid), True)

    def _check(self, config: Config) -> None:
        if isinstance(config, FileConfig):
            chooser(config.glob, "source.files.glob")
            if "://" in config.path:
                self._allowed.url(config.path, "source.files.path")
            else:
                self._allowed.folder(config.path, "source.files.path")
        elif isinstance(config, GitConfig):
            chooser(config.glob, "source.git.glob")
            check_git(config, self._allowed)
        elif isinstance(config, WebConfig):
            check_web(config, allowed=self._fetcher is not None)
        elif isinstance(config, SqlConfig):
            check_sql(config, self._allowed)
        else:
            check_nats(config, self._allowed)

    def _files(self, config: FileConfig) -> Connector:
        allowed, chosen = self._allowed, chooser(config.glob, "source.files.glob")
        if "://" in config.path:
            url = allowed.url(config.path, "source.files.path")
            return Objects(url, chosen, max_objects=allowed.max_documents, max_bytes=allowed.max_file_bytes)
        path, root = allowed.folder(config.path, "source.files.path")
        return LocalFiles(path, root, chosen, max_files=allowed.max_documents, max_bytes=allowed.max_file_bytes)

    def _git(self, config: GitConfig, uid: str) -> Connector:
        if "://" not in config.repository:
            path, _ = self._allowed.folder(config.repository, "source.git.repository")
            config = replace(config, repository=str(path))
        return GitFiles(
            config,
            chooser(config.glob, "source.git.glob"),
            self._cache(uid),
            max_files=self._allowed.max_documents,
            max_bytes=self._allowed.max_file_bytes,
        )

    def _cache(self, uid: str) -> Path:
        return self._allowed.cache / uid
