"""Takes one document of a source through the ingest path, and says what has become of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from olo_common.errors import OloError, Unavailable
from olo_common.logs import logger
from olo_retrieval.curation import Curation
from olo_retrieval.drafts import make_draft, make_file_draft
from olo_retrieval.errors import CollectionNotFound, DocumentNotFound, IngestFailed, SourceAway
from olo_retrieval.ingestion.intake import Intake
from olo_retrieval.parsing import Format, claimed_format
from olo_retrieval.ports import DocumentStore
from olo_retrieval.sources.model import Content, Item, Outcome, Settled, Source
from olo_retrieval.sources.ports import Connector
from olo_retrieval.types import Collection, DocumentRecord, DocumentState, Draft

SOURCE_KEY = "source_id"
"""The entry of a document's metadata that says which source has brought it, so that searches can filter by it."""

_PLAIN = (Format.TEXT, Format.MARKDOWN)
_LOAD_SECONDS = 300.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


class SourceIngest:
    """Loads, stages, waits until the document is indexed.

    Args:
        documents: Says how far a document has come.
        intake: Takes documents in.
        curation: Deletes them.
        max_document_bytes: Limit of a text.
        max_file_bytes: Limit of a file.
    """

    def __init__(
        self,
        documents: DocumentStore,
        intake: Intake,
        curation: Curation,
        *,
        max_document_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self._documents = documents
        self._intake = intake
        self._curation = curation
        self._max_document_bytes = max_document_bytes
        self._max_file_bytes = max_file_bytes

    async def settle(self, source: Source, collection: Collection, connector: Connector, item: Item) -> Settled:
        """The outcome of a document that was listed. Doing it again after a crash gives the same one.

        Raises:
            CollectionNotFound: The collection is gone.
            Unavailable: The document store or Temporal is away; whoever calls tries again.
        """
        if item.deleted:
            await self.delete(source, item.document_id)
            return Settled(Outcome.DELETED, 0)
        try:
            draft = await self._draft(source, connector, item)
        except OloError as error:
            return Settled(Outcome.FAILED, item.version, error)
        try:
            record = await self._indexed(collection, await self._intake.take(collection, draft))
        except (Unavailable, CollectionNotFound):
            raise
        except OloError as error:
            return Settled(Outcome.FAILED, item.version, error)
        if record.state is DocumentState.FAILED:
            return Settled(Outcome.FAILED, item.version, IngestFailed(record.error, record.error_reason))
        if item.version == 0:
            return Settled(Outcome.ADDED, record.ref.version)
        changed = record.ref.version > item.version
        return Settled(Outcome.UPDATED if changed else Outcome.UNCHANGED, record.ref.version)

    async def delete(self, source: Source, document_id: str) -> None:
        """Deletes a document; one that is gone already is no error."""
        try:
            await self._curation.delete_document(source.tenant, source.collection, document_id)
        except DocumentNotFound:
            return

    async def _draft(self, source: Source, connector: Connector, item: Item) -> Draft:
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                content = await connector.load(item)
            return replace(self._draft_of(source, item, content), source_id=source.source_id)
        except OloError:
            raise
        except TimeoutError:
            raise SourceAway from None
        except Exception:
            # Whatever one document holds, the others go on.
            logger(__name__).exception("source_document_failed", document_id=item.document_id)
            raise SourceAway("has a document that cannot be read") from None

    def _draft_of(self, source: Source, item: Item, content: Content) -> Draft:
        metadata = {**content.metadata, SOURCE_KEY: source.source_id}
        text = content.body if isinstance(content.body, str) else self._plain_text(content)
        if text is not None:
            return make_draft(
                document_id=item.document_id,
                title=content.title,
                source=content.source,
                content=text,
                metadata=metadata,
                max_bytes=self._max_document_bytes,
            )
        return make_file_draft(
            document_id=item.document_id,
            title=content.title,
            source=content.source,
            data=bytes(content.body) if isinstance(content.body, bytes) else b"",
            media_type=content.media_type,
            metadata=metadata,
            max_bytes=self._max_file_bytes,
        )

    def _plain_text(self, content: Content) -> str | None:
        """The text of a file that needs no reader."""
        if not isinstance(content.body, bytes) or claimed_format(content.media_type, content.source) not in _PLAIN:
            return None
        try:
            return content.body.decode()
        except UnicodeDecodeError:
            return None

    async def _indexed(self, collection: Collection, record: DocumentRecord) -> DocumentRecord:
        pause = _FIRST_PAUSE_SECONDS
        while record.state is DocumentState.INDEXING:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            record = await self._documents.get(collection, record.ref.document_id)
        return record
