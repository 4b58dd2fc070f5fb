"""Cuts Markdown and plain text into passages that know where they stand. Pure."""

from olo_retrieval.chunking.chunks import Chunk, ChunkLimits, chunk_document
from olo_retrieval.chunking.titles import title_of

__all__ = ["Chunk", "ChunkLimits", "chunk_document", "title_of"]
