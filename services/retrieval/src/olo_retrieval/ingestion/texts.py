"""The texts of versions: read out of their files, and cut into chunks."""

from __future__ import annotations

import hashlib

from olo_retrieval.chunking import Chunk, ChunkLimits, chunk_document
from olo_retrieval.errors import UrlForbidden
from olo_retrieval.parsing import Format, claimed_format, recognise
from olo_retrieval.ports import Fetcher, Parser, VersionStore
from olo_retrieval.types import Collection, RawFile, StoredVersion, VersionRef


class Texts:
    """Reads and cuts.

    Args:
        versions: Where files and texts are kept.
        parser: Reads files.
        chunk_tokens: Tokens of a chunk at most, where the collection does not say.
        fetcher: Fetches files; None where that is not allowed.
    """

    def __init__(
        self, versions: VersionStore, parser: Parser, chunk_tokens: int, fetcher: Fetcher | None = None
    ) -> None:
        self._versions = versions
        self._parser = parser
        self._chunk_tokens = chunk_tokens
        self._fetcher = fetcher

    async def read_file(self, collection: Collection, ref: VersionRef) -> None:
        """Keeps the text of a version's file, unless that has been done or there is no file.

        Raises:
            DocumentEmpty: There is nothing in the file.
            UnreadableDocument: One of its kinds.
            OloError: What the fetcher raises.
        """
        await self._fetch(collection, ref)
        stored = await self._versions.wanted(collection, ref.document_id, ref.version)
        if stored is not None and stored.file is not None:
            text = await self._parser.parse(stored.file.data, Format(stored.file.format))
            await self._versions.store_text(collection, ref.document_id, ref.version, text)

    async def _fetch(self, collection: Collection, ref: VersionRef) -> None:
        stored = await self._versions.wanted(collection, ref.document_id, ref.version)
        if stored is None or not stored.url:
            return
        if self._fetcher is None:
            raise UrlForbidden
        fetched = await self._fetcher.fetch(stored.url)
        found = recognise(fetched.data, claimed_format(fetched.media_type, stored.url))
        digest = hashlib.sha256(fetched.data).hexdigest()
        file = RawFile(fetched.data, found.value)
        await self._versions.store_file(collection, ref.document_id, ref.version, file, digest)

    def cut(self, collection: Collection, stored: StoredVersion) -> list[Chunk]:
        """The chunks of a version, as its collection wants them."""
        return chunk_document(
            stored.content,
            ChunkLimits.of(collection.chunking, self._chunk_tokens),
            strategy=collection.chunking.strategy,
            structure=stored.structure,
            pages=stored.pages,
        )
