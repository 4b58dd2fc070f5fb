"""What the gateway measures: how full it is, what it tells its callers, and the runs that its workflows have ended.

Figures of runs are measured by the workflow, since a run in the background has no caller. They go through Temporal's
meter, which counts nothing again in a replay; `workflows.measuring` does so.
"""

from __future__ import annotations

from typing import Final

from olo_common.metrics import FIRST_TOKEN_SECONDS, REQUEST_SECONDS, SECONDS, Counter, Gauge, Histogram
from olo_gateway.access.caller import caller
from olo_gateway.runs.admission.admission import Admission

RUNS_LIMIT: Final = Gauge("olo_gateway_runs_limit", "Runs that may be in flight now; the limit adapts to the load.")
RUNS_IN_FLIGHT: Final = Gauge("olo_gateway_runs_in_flight", "Runs in flight; parked ones are not counted.")
REFUSALS: Final = Counter(
    "olo_gateway_refusals",
    "Calls that were refused: `full`, `deadline` (the answer would come too late), `visitors` (too many follow runs of "
    "others), `stopping`.",
    ("reason",),
)
FIRST_CHUNKS: Final = Histogram(
    "olo_gateway_time_to_first_chunk",
    "From the start of a streamed run to the first text that its caller gets.",
    unit=SECONDS,
    buckets=(*FIRST_TOKEN_SECONDS, 20.0, 40.0, 80.0),
)
DENIALS: Final = Counter(
    "olo_gateway_denials",
    "Calls that were refused for their key: `auth_missing`, `auth_invalid`, `auth_ambiguous`, `forbidden` or "
    "`rate_limited`.",
    ("reason",),
)
KEYS: Final = Gauge("olo_gateway_keys", "API keys that hold now; 0 where none are asked for.")
KEYS_REFUSED: Final = Gauge(
    "olo_gateway_keys_file_refused",
    "1 while the file of keys is missing or wrong, and those hold on that it named before; else 0.",
)
RESETS: Final = Counter(
    "olo_gateway_stream_resets",
    "Streams that took text back: `next_attempt`, `next_model`, `repaired` from the stored answer, or `replaced`.",
    ("reason",),
)
REPLAYS: Final = Counter("olo_gateway_stream_repairs", "Gaps in streams that were filled from what NATS has kept.")
RETURNS: Final = Counter("olo_gateway_stream_resumes", "Streams that callers went on with where they had been.")

HTTP_CALLS: Final = Histogram(
    "http.server.request.duration",
    "From the head of an HTTP request to the end of its answer, or to when its caller hung up.",
    ("http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme"),
    SECONDS,
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)

RUNS: Final = Counter(
    "olo_runs",
    "Runs that have ended: `completed`, `failed`, `rejected` (the request was wrong) or `cancelled`; `reason` is that "
    "of the error, or empty.",
    ("outcome", "reason"),
)
RUN_TIMES: Final = Histogram(
    "olo_run_duration",
    "From the start of a run to its end, parked times included.",
    ("outcome",),
    SECONDS,
    (*REQUEST_SECONDS, 163.84, 327.68, 655.36, 1310.72, 2621.44),
)
ATTEMPTS: Final = Counter(
    "olo_run_attempts",
    "Attempts of ended runs by model, and why they have failed; an empty cause: they gave the answer.",
    ("model", "cause"),
)
RESUMED: Final = Counter(
    "olo_run_resumes", "Attempts that went on where a lost instance of the model had stopped.", ("model",)
)
FALLBACKS: Final = Counter(
    "olo_run_fallbacks", "Attempts of another model, after the named one had failed.", ("model",)
)
PARKED: Final = Counter("olo_runs_parked", "Ended runs that were parked meanwhile, waiting for a model.")
TENANT_RUNS: Final = Counter(
    "olo_tenant_runs",
    "Runs that have ended, by the tenant of the key; without keys there is one, `default`.",
    ("tenant", "outcome"),
)
TENANT_TOKENS: Final = Counter(
    "olo_tenant_tokens", "Tokens of ended runs by tenant: `prompt` and `completion`.", ("tenant", "type")
)
TENANT_DENIALS: Final = Counter(
    "olo_tenant_denials",
    "Calls with a key that were refused, by its tenant: `forbidden`, `rate_limited`.",
    ("tenant", "reason"),
)
INSTRUMENTS: Final = (
    *(RUNS_LIMIT, RUNS_IN_FLIGHT, REFUSALS, DENIALS, KEYS, KEYS_REFUSED, FIRST_CHUNKS, RESETS, REPLAYS, RETURNS),
    HTTP_CALLS,
    *(RUNS, RUN_TIMES, ATTEMPTS, RESUMED, FALLBACKS, PARKED),
    *(TENANT_RUNS, TENANT_TOKENS, TENANT_DENIALS),
)
SDK_BUCKETS: Final = ((RUN_TIMES.prometheus_name, RUN_TIMES.buckets),)
"""Buckets of what goes through Temporal's meter, which has to be told of them at the start."""


def show(admission: Admission) -> None:
    """Shows how full the gateway is, whenever somebody looks."""
    RUNS_LIMIT.watch(lambda: admission.limit)
    RUNS_IN_FLIGHT.watch(lambda: admission.in_flight)


def count_refusal(reason: str) -> None:
    """Counts a caller who was not let in."""
    REFUSALS.add(reason=reason)


def count_denial(reason: str) -> None:
    """Counts a call that was refused for its key, and whose key it was, where that is known."""
    DENIALS.add(reason=reason)
    if (who := caller()).key_id:
        TENANT_DENIALS.add(tenant=who.tenant, reason=reason)
