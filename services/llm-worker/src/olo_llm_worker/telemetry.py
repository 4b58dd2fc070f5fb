"""What the worker measures of itself, and the span of a generation with its steps: how long it waited, read, and wrote.

Steps and figures are told once it is over, from the times that its answer carries, so that a token costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from opentelemetry.trace import Span

from olo.inference.v1 import inference_service_pb2 as pb
from olo_common import genai
from olo_common.metrics import FIRST_TOKEN_SECONDS, SECONDS, TOKEN_SECONDS, TOKENS, Gauge, Histogram
from olo_common.tracing import error_type, span, tell
from olo_llm_worker.generation.slot import ModelSlot
from olo_llm_worker.responses import Identity

_LABELS: Final = ("gen_ai_operation_name", "gen_ai_request_model")
REQUESTS: Final = Histogram(
    "gen_ai.server.request.duration",
    "How long a generation took on its instance, the wait for the engine included; `error_type` is empty where it "
    "gave an answer.",
    (*_LABELS, "error_type"),
    SECONDS,
)
FIRST_TOKENS: Final = Histogram(
    "gen_ai.server.time_to_first_token",
    "From the arrival at the instance to the first token.",
    _LABELS,
    SECONDS,
    FIRST_TOKEN_SECONDS,
)
TOKEN_TIMES: Final = Histogram(
    "gen_ai.server.time_per_output_token",
    "Between two tokens of an answer, on the average.",
    _LABELS,
    SECONDS,
    TOKEN_SECONDS,
)
TOKENS_USED: Final = Histogram(
    "gen_ai.client.token.usage",
    "Tokens of a generation, `input` or `output`.",
    (*_LABELS, "gen_ai_token_type"),
    buckets=TOKENS,
)
BATCHES: Final = Histogram("olo_engine_batch_rows", "Rows of a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
INSIDE: Final = Gauge("olo_engine_rows", "Rows that are in the engine.", ("model",))
WAITING: Final = Gauge("olo_engine_rows_waiting", "Rows that wait for the engine.", ("model",))
INSTRUMENTS: Final = (REQUESTS, FIRST_TOKENS, TOKEN_TIMES, TOKENS_USED, BATCHES, INSIDE, WAITING)

Seen = Callable[[pb.GenerateResponse], None]
"""Takes the answer."""

_FINISH: Final = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


@contextmanager
def inference(request: pb.GenerateRequest, identity: Identity) -> Iterator[Seen]:
    """A span around the body, which gives the answer to what it gets."""
    labels = dict(zip(_LABELS, (genai.CHAT, identity.model_id), strict=True))
    with span(f"{genai.CHAT} {identity.model_id}", attributes=_asked(request, identity)) as current:
        began, problem = time.time_ns(), "cancelled"

        def seen(response: pb.GenerateResponse) -> None:
            _count(response, labels)
            if current.is_recording():
                current.set_attributes(_answered(response))
                _steps(current, response.timings, began)

        try:
            yield seen
            problem = ""
        except Exception as error:
            problem = error_type(error)
            raise
        finally:
            REQUESTS.record((time.time_ns() - began) / 1e9, **labels, error_type=problem)


def show(slot: ModelSlot, identity: Identity) -> None:
    """Shows how busy the engine is, whenever somebody looks."""
    labels = {"model": identity.model_id}
    INSIDE.watch_each(lambda: [(slot.running, labels)])
    WAITING.watch_each(lambda: [(slot.waiting, labels)])


def _count(response: pb.GenerateResponse, labels: dict[str, str]) -> None:
    first, total = (_nanoseconds(each) / 1e9 for each in (response.timings.first_token, response.timings.total))
    written = response.usage.completion_tokens
    TOKENS_USED.record(response.usage.prompt_tokens, **labels, gen_ai_token_type="input")  # noqa: S106
    TOKENS_USED.record(written, **labels, gen_ai_token_type="output")  # noqa: S106
    if first > 0:
        FIRST_TOKENS.record(first, **labels)
    if written > 1 and total > first > 0:
        TOKEN_TIMES.record((total - first) / (written - 1), **labels)


def _asked(request: pb.GenerateRequest, identity: Identity) -> dict[str, Any]:
    sampling = request.sampling
    told = {
        genai.REQUEST_MAX_TOKENS: "max_tokens",
        genai.REQUEST_TEMPERATURE: "temperature",
        genai.REQUEST_TOP_P: "top_p",
        genai.REQUEST_TOP_K: "top_k",
    }
    return {
        genai.OPERATION_NAME: genai.CHAT,
        genai.PROVIDER_NAME: genai.PROVIDER,
        genai.REQUEST_MODEL: identity.model_id,
        genai.REQUEST_STREAM: request.stream,
        "olo.instance_id": identity.instance_id,
        "olo.request_id": request.request_id,
        "olo.candidate": request.candidate,
        **{name: getattr(sampling, field) for name, field in told.items() if sampling.HasField(field)},
    }


def _answered(response: pb.GenerateResponse) -> dict[str, Any]:
    return {
        genai.RESPONSE_MODEL: response.model_id,
        genai.RESPONSE_ID: response.request_id,
        genai.RESPONSE_FINISH_REASONS: [_FINISH.get(response.finish_reason, "other")],
        genai.RESPONSE_TIME_TO_FIRST_CHUNK: _nanoseconds(response.timings.first_token) / 1e9,
        genai.USAGE_INPUT_TOKENS: response.usage.prompt_tokens,
        genai.USAGE_OUTPUT_TOKENS: response.usage.completion_tokens,
        genai.USAGE_CACHED_TOKENS: response.usage.cached_tokens,
    }


def _steps(parent: Span, timings: pb.GenerationTimings, began: int) -> None:
    queue, first, total = (_nanoseconds(each) for each in (timings.queue, timings.first_token, timings.total))
    above = parent.get_span_context()
    for name, start, end in (("queue", 0, queue), ("prefill", queue, first), ("decode", first, total)):
        # An engine elsewhere does not tell when it began to read.
        if end > start:
            tell(name, began + start, began + end, parent=above)


def _nanoseconds(duration: Duration) -> int:
    return duration.seconds * 10**9 + duration.nanos
