"""Names of Temporal task queues, workflows, signals, queries, memos and activities."""

from __future__ import annotations

CHAT_QUEUE = "gateway"
"""Where chat and shadow workflows run: the worker in the gateway process."""

BATCH_QUEUE = "gateway-batches"
"""Where batches and their activities run: a worker in the gateway process."""

INGEST_QUEUE = "retrieval"
"""Where ingests and migrations and their activities run: the worker in the retrieval process."""

SYNC_QUEUE = "retrieval.sources"
"""Where sources are synced: a second worker in the retrieval process, so that syncs take no slots of ingests."""

REGISTRY_QUEUE = "registry"
"""Where benchmarks are fetched: the worker in the registry process."""

CHAT_WORKFLOW = "chat"
SHADOW_WORKFLOW = "shadow"
BATCH_WORKFLOW = "batch"
INGEST_WORKFLOW = "ingest"
SYNC_SOURCE_WORKFLOW = "sync-source"
MIGRATE_WORKFLOW = "migrate-collection"
SYNC_BENCHMARKS_WORKFLOW = "sync-benchmarks"

RETRIEVE_ACTIVITY = "retrieve"
SELECT_ACTIVITY = "select"
GENERATE_ACTIVITY = "generate"
EMBED_ACTIVITY = "embed"
SYNC_BENCHMARKS_ACTIVITY = "sync-benchmarks"
GET_MODEL_ACTIVITY = "get_model"
MIRROR_ACTIVITY = "mirror"
VALIDATE_BATCH_ACTIVITY = "validate-batch"
ANSWER_LINE_ACTIVITY = "answer-line"
SAVE_BATCH_ACTIVITY = "save-batch"
COLLECT_BATCH_ACTIVITY = "collect-batch"
CLEAR_BATCH_ACTIVITY = "clear-batch"

MODEL_HINT_SIGNAL = "model_hint"
"""Tells a parked chat workflow that an instance has announced itself."""
CANCEL_BATCH_SIGNAL = "cancel"
PAUSE_BATCH_SIGNAL = "pause"
RESUME_BATCH_SIGNAL = "resume"
BATCH_QUERY = "batch"
"""Asks a batch workflow for its `Batch`."""
RUN_QUERY = "run"
"""Asks a chat workflow for a `Run` with its progress and details."""
PROGRESS_MEMO = "progress"
"""The memo in which a parked chat workflow keeps its `RunProgress`."""


def llm_queue(model_id: str) -> str:
    """The task queue on which the instances of a text model wait for `generate` activities."""
    return f"llm.{model_id}"


def embedding_queue(model_id: str) -> str:
    """The task queue on which the instances of an embedding model wait for `embed` activities."""
    return f"embedding.{model_id}"
