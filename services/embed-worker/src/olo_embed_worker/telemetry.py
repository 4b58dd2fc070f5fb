"""What the worker measures of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from olo_common import genai
from olo_common.metrics import SECONDS, TOKENS, Gauge, Histogram
from olo_common.tracing import error_type
from olo_embed_worker.batching.batcher import MicroBatcher

_LABELS: Final = ("gen_ai_operation_name", "gen_ai_request_model")
REQUESTS: Final = Histogram(
    "gen_ai.client.operation.duration",
    "How long an embedding took on its instance, the wait for a batch included; `error_type` is empty where it gave "
    "vectors.",
    (*_LABELS, "error_type"),
    SECONDS,
)
TOKENS_USED: Final = Histogram(
    "gen_ai.client.token.usage",
    "Tokens of the texts of an embedding.",
    (*_LABELS, "gen_ai_token_type"),
    buckets=TOKENS,
)
BATCHES: Final = Histogram("olo_embed_batch_texts", "Texts of a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))
IN_FLIGHT: Final = Gauge("olo_embed_requests", "Requests that wait or run.", ("model",))
WAITING: Final = Gauge("olo_embed_texts_waiting", "Texts that wait for a batch.", ("model",))
INSTRUMENTS: Final = (REQUESTS, TOKENS_USED, BATCHES, IN_FLIGHT, WAITING)

Seen = Callable[[int], None]
"""Takes the number of tokens."""


@contextmanager
def embedding(model_id: str) -> Iterator[Seen]:
    """Measures the embedding in the body, which gives the tokens of its texts to what it gets."""
    labels = dict(zip(_LABELS, (genai.EMBEDDINGS, model_id), strict=True))
    began, problem = time.monotonic(), "cancelled"
    try:
        yield lambda tokens: TOKENS_USED.record(tokens, **labels, gen_ai_token_type="input")  # noqa: S106
        problem = ""
    except Exception as error:
        problem = error_type(error)
        raise
    finally:
        REQUESTS.record(time.monotonic() - began, **labels, error_type=problem)


def show(batcher: MicroBatcher, model_id: str) -> None:
    """Shows how busy the worker is, whenever somebody looks."""
    labels = {"model": model_id}
    IN_FLIGHT.watch_each(lambda: [(batcher.in_flight, labels)])
    WAITING.watch_each(lambda: [(batcher.waiting, labels)])
