"""The files of a commit of a git repository, read by the git binary without a working tree."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from olo_common.errors import InvalidField
from olo_common.logs import logger
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.errors import DocumentTooLarge, SourceAway, SourceForbidden, SourceMalformed, SourceTooLarge
from olo_retrieval.sources.model import Content, GitConfig, Item, Listed, Listing

_REF = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock$))[A-Za-z0-9][A-Za-z0-9._/+-]{0,254}")
_HEAD = "refs/olo/head"
_FETCH_SECONDS = 600.0
_READ_SECONDS = 60.0
_MOST_LISTED_BYTES = 256 * 1024 * 1024
_FILE_MODES: Final = (b"100644", b"100755")
"""Links and submodules are no documents."""


def check_git(config: GitConfig, allowed: Allowed) -> None:
    """Raises InvalidField or SourceForbidden where the repository would never be read."""
    if config.ref and not _REF.fullmatch(config.ref):
        raise InvalidField("source.git.ref", "is no name of a branch or tag")
    if shutil.which("git") is None:
        raise SourceForbidden("source.git", "git is not installed beside the service")
    if "://" not in config.repository:
        allowed.folder(config.repository, "source.git.repository")
        return
    try:
        parts = urlsplit(config.repository)
        plain = parts.port is None and not parts.query and not parts.fragment
    except ValueError:
        raise InvalidField("source.git.repository", "is no URL") from None
    if "@" in parts.netloc:
        raise SourceForbidden("source.git.repository", "holds credentials")
    if parts.scheme != "https" or not plain or not re.fullmatch(r"[!-~]+", config.repository):
        raise SourceForbidden("source.git.repository", "must be a local path or a plain https URL")
    if parts.hostname not in allowed.git_hosts:
        raise SourceForbidden(
            "source.git.repository", "its host is none that the operator allows (OLO_RETRIEVAL_SOURCE_GIT_HOSTS)"
        )


class GitFiles:
    """A Connector.

    Args:
        config: Its repository is a real path, or a URL.
        chosen: Which paths are documents.
        cache: The folder where a repository that has a URL is kept.
        max_files: More are refused.
        max_bytes: Limit of one file.
    """

    def __init__(
        self, config: GitConfig, chosen: Callable[[str], bool], cache: Path, *, max_files: int, max_bytes: int
    ) -> None:
        self._config = config
        self._chosen = chosen
        self._remote = "://" in config.repository
        self._directory = cache if self._remote else Path(config.repository)
        self._max_files = max_files
        self._max_bytes = max_bytes

    async def listing(self, cursor: str) -> Listing:
        """The files of the newest commit, by their path, with the id of their content."""
        if self._remote:
            await self._fetch()
        commit = await self._commit()
        entries = await self._git("ls-tree", "-r", "-z", "--full-tree", commit, most=_MOST_LISTED_BYTES)
        found = []
        for entry in entries.split(b"\0"):
            facts, _, name = entry.partition(b"\t")
            path = name.decode("utf-8", "backslashreplace")
            if facts[:6] in _FILE_MODES and self._chosen(path):
                found.append(Listed(path, facts.split()[2].decode()))
        if len(found) > self._max_files:
            raise SourceTooLarge(self._max_files)
        return Listing(found)

    async def load(self, item: Item) -> Content:
        """The content of a file as it was in the commit that was listed."""
        if self._remote and not self._directory.exists():
            await self._fetch()
        size = int(await self._git("cat-file", "-s", item.fingerprint))
        if size > self._max_bytes:
            raise DocumentTooLarge("document.data", size, self._max_bytes)
        return Content(await self._git("cat-file", "blob", item.fingerprint, most=self._max_bytes), item.key)

    async def _fetch(self) -> None:
        await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        await self._git("init", "--quiet", "--bare")
        refs = f"+{self._config.ref or 'HEAD'}:{_HEAD}"
        await self._git(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--", self._config.repository, refs), seconds=_FETCH_SECONDS
        )

    async def _commit(self) -> str:
        ref = _HEAD if self._remote else self._config.ref or "HEAD"
        return (await self._git("rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")).decode().strip()

    async def _git(self, *arguments: str, seconds: float = _READ_SECONDS, most: int = 64 * 1024) -> bytes:
        # Nothing of the repository's or the machine's configuration may run a command or send us elsewhere.
        options = ("-c", "safe.directory=*", "-c", "http.followRedirects=false", "-c", "core.hooksPath=/dev/null")
        process = await asyncio.create_subprocess_exec(
            *(shutil.which("git") or "git", *options, "-C", str(self._directory), *arguments),
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=_environment(), start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                output, errors = await process.communicate()
        except TimeoutError:
            raise SourceAway from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode == 0 and len(output) <= most:
            return output
        logger(__name__).warning("git_failed", command=arguments[0], exit_code=process.returncode)
        if b"couldn't find remote ref" in errors or arguments[0] == "rev-parse":
            raise SourceMalformed("source.git.ref", "is not in the repository, or the repository is empty")
        raise SourceAway("cannot be read by git")


def _environment() -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
