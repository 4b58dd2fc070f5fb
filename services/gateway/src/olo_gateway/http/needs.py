"""What each route needs. One that is not listed needs an operator's key; a test holds the lists complete."""

from __future__ import annotations

from typing import Final

from olo_gateway.access.credentials import Need

PUBLIC: Final = frozenset({"/", "/healthz", "/api/version"})
"""What probes ask for, of clusters and of Ollama's clients. Nothing of anybody's is in it."""

DOCUMENTATION: Final = frozenset({"/docs", "/docs/assets", "/swagger-ui.html", "/openapi.json"})
"""Public where the operator wants it."""

USER: Final = frozenset(
    {
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}",
        "/v1/completions",
        "/v1/responses",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/cancel",
        "/v1/responses/{response_id}/input_items",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/tokenize",
        "/v1/detokenize",
        "/v1/models",
        "/v1/models/{model_id}",
        "/v1/rankings",
        "/v1/runs",
        "/v1/runs/{run_id}",
        "/v1/runs/{run_id}/cancel",
        "/v1/runs/{run_id}/trace",
        "/v1/files",
        "/v1/files/{file_id}",
        "/v1/files/{file_id}/content",
        "/v1/batches",
        "/v1/batches/{batch_id}",
        "/v1/batches/{batch_id}/cancel",
        "/v1/batches/{batch_id}/pause",
        "/v1/batches/{batch_id}/resume",
        "/v1/batches/{batch_id}/results",
        "/v1/rag/ingest",
        "/v1/rag/search",
        "/v1/rag/export",
        "/v1/rag/import",
        "/v1/rag/documents",
        "/v1/rag/documents/{document_id}",
        "/v1/rag/collections",
        "/v1/rag/collections/{name}",
        "/v1/vector_stores",
        "/v1/vector_stores/{store_id}",
        "/v1/vector_stores/{store_id}/search",
        "/v1/vector_stores/{store_id}/files",
        "/v1/vector_stores/{store_id}/files/{file_id}",
        "/v1/vector_stores/{store_id}/file_batches",
        "/v1/vector_stores/{store_id}/file_batches/{batch_id}",
        "/v1/vector_stores/{store_id}/file_batches/{batch_id}/files",
        "/api/chat",
        "/api/generate",
        "/api/embed",
        "/api/embeddings",
        "/api/tags",
        "/api/ps",
        "/api/show",
        "/api/pull",
        "/api/create",
        "/api/push",
        "/api/blobs/{digest}",
    }
)

ADMIN: Final = frozenset(
    {
        "/v1/status",
        "/api/copy",
        "/api/delete",
        "/api/cluster/models",
        "/api/cluster/status",
        "/api/cluster/metrics",
        "/api/nodes",
        "/api/nodes/{name}/models",
        "/api/queue/status",
        "/metrics",
        "/admin/health",
        "/admin/metrics",
        "/admin/metrics/prometheus",
        "/admin/system",
        "/admin/performance",
        "/logviewer/api/logs",
    }
)


def need_of(template: str, *, public_docs: bool) -> Need:
    """What the route with this path template needs.

    Args:
        template: As the route was declared; empty: there is no such route, and only who has a key is told so.
        public_docs: Whether the description of the calls is for everybody.
    """
    if template in PUBLIC or (public_docs and template in DOCUMENTATION):
        return Need.NOTHING
    if template in USER or template in DOCUMENTATION or not template:
        return Need.USER
    return Need.ADMIN
