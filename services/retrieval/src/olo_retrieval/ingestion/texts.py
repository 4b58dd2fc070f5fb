"""The texts of versions: read out of their files, and cut into chunks."""

from __future__ import annotations

from olo_retrieval.chunking import Chunk, ChunkLimits, chunk_document
from olo_retrieval.parsing import Format
from olo_retrieval.ports import Parser, VersionStore
from olo_retrieval.types import Collection, StoredVersion, VersionRef


class Texts:
    """Reads and cuts.

    Args:
        versions: Where files and texts are kept.
        parser: Reads files.
        chunk_tokens: Tokens of a chunk at most, where the collection does not say.
    """

    def __init__(self, versions: VersionStore, parser: Parser, chunk_tokens: int) -> None:
        self._versions = versions
        self._parser = parser
        self._chunk_tokens = chunk_tokens

    async def read_file(self, collection: Collection, ref: VersionRef) -> None:
        """Keeps the text of a version's file, unless that has been done or there is no file.

        Raises:
            DocumentEmpty: There is nothing in the file.
            UnreadableDocument: One of its kinds.
        """
        stored = await self._versions.wanted(collection, ref.document_id, ref.version)
        if stored is not None and stored.file is not None:
            text = await self._parser.parse(stored.file.data, Format(stored.file.format))
            await self._versions.store_text(collection, ref.document_id, ref.version, text)

    def cut(self, collection: Collection, stored: StoredVersion) -> list[Chunk]:
        """The chunks of a version, as its collection wants them."""
        return chunk_document(
            stored.content,
            ChunkLimits.of(collection.chunking, self._chunk_tokens),
            strategy=collection.chunking.strategy,
            structure=stored.structure,
            pages=stored.pages,
        )
