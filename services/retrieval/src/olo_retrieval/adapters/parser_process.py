"""Reads files in a process of their own each, which may die of a file without harm."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_retrieval.errors import DocumentEmpty, DocumentMalformed, DocumentTooComplex, UnreadableDocument
from olo_retrieval.parsing import Extracted, Format, Structure

_REFUSALS: Final = {kind.reason: kind for kind in UnreadableDocument.__subclasses__()}
_BYTES_PER_CHAR = 6
"""JSON writes a control character in six bytes, and no character of UTF-8 has more than four."""
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What reading one file may cost.

    Attributes:
        seconds: Of wall clock and of CPU.
        memory_bytes: Address space of the process.
        max_chars: Characters of text that may come out.
    """

    seconds: float
    memory_bytes: int
    max_chars: int


class ParserProcess:
    """A Parser."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits

    async def parse(self, data: bytes, claimed: Format) -> Extracted:
        """The text of a file."""
        limits = self._limits
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "olo_retrieval.parsing.child", claimed.value, str(limits.max_chars)),
            *(str(limits.memory_bytes), str(max(1, round(limits.seconds)))),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(limits.seconds):
                written = asyncio.create_task(_feed(process, data))
                try:
                    answer = await _read(process, limits.max_chars * _BYTES_PER_CHAR + _READ_BYTES)
                finally:
                    written.cancel()
                await process.wait()
        except TimeoutError:
            raise DocumentTooComplex from None
        finally:
            await _end(process)
        if process.returncode != 0:
            logger(__name__).warning("parser_died", format=claimed.value, exit_code=process.returncode)
            raise DocumentTooComplex
        return _extracted(answer)


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is None:
        return
    # A process that dies of its limits reads no further.
    with suppress(ConnectionError):
        process.stdin.write(data)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _read(process: Process, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while process.stdout is not None and (part := await process.stdout.read(_READ_BYTES)):
        size += len(part)
        if size > most:
            raise DocumentTooComplex
        parts.append(part)
    return b"".join(parts)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _extracted(answer: bytes) -> Extracted:
    """The outcome that the process has told; it has read a hostile file, so it is not trusted either."""
    try:
        outcome = json.loads(answer)
        if isinstance(outcome, Mapping) and "error" in outcome:
            raise _refusal(str(outcome["error"]))
        text, pages = str(outcome["text"]), [int(start) for start in outcome["pages"]]
        structure = Structure(outcome["structure"])
    except (ValueError, KeyError, TypeError):
        raise DocumentTooComplex from None
    if pages != sorted(pages) or any(not 0 <= start <= len(text) for start in pages):
        raise DocumentMalformed
    return Extracted(text, structure, tuple(pages))


def _refusal(reason: str) -> OloError:
    if reason == DocumentEmpty.reason:
        return DocumentEmpty("document.data")
    return _REFUSALS.get(reason, DocumentMalformed)()
