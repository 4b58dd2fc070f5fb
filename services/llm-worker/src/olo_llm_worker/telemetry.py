"""The span of a generation, with its steps: how long it waited, read the prompt, and wrote.

The steps are told once it is over, from the times that its answer carries, so that a token costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from opentelemetry.trace import Span, set_span_in_context

from olo.inference.v1 import inference_service_pb2 as pb
from olo_common import genai
from olo_common.tracing import span, tracer
from olo_llm_worker.responses import Identity

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
    with span(f"{genai.CHAT} {identity.model_id}", attributes=_asked(request, identity)) as current:
        began = time.time_ns()

        def seen(response: pb.GenerateResponse) -> None:
            if current.is_recording():
                current.set_attributes(_answered(response))
                _steps(current, response.timings, began)

        yield seen


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
    context = set_span_in_context(parent)
    for name, start, end in (("queue", 0, queue), ("prefill", queue, first), ("decode", first, total)):
        # An engine elsewhere does not tell when it began to read.
        if end > start:
            tracer().start_span(name, context, start_time=began + start).end(began + end)


def _nanoseconds(duration: Duration) -> int:
    return duration.seconds * 10**9 + duration.nanos
