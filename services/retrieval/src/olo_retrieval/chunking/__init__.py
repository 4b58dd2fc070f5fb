"""Cuts texts into passages that know where they stand. Pure."""

from olo_retrieval.chunking.chunks import Chunk, chunk_document
from olo_retrieval.chunking.plan import DEFAULT, Chunking, ChunkLimits, Strategy
from olo_retrieval.chunking.titles import title_of

__all__ = ["DEFAULT", "Chunk", "ChunkLimits", "Chunking", "Strategy", "chunk_document", "title_of"]
