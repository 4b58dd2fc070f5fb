"""Qdrant's client library, without fastembed.

Where that is installed, as it is beside an embed-worker, the client loads it, with ONNX Runtime and the hub's library,
so as to embed texts itself. Nobody asks it to; it would be a third of what the client costs to load.
"""

from __future__ import annotations

from olo_common.spared import spared

with spared("fastembed"):
    from qdrant_client import QdrantClient, models
    from qdrant_client.http.exceptions import ApiException

__all__ = ["ApiException", "QdrantClient", "models"]
