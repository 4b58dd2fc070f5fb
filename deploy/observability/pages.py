"""The Grafana dashboards, as values."""

from __future__ import annotations

from collections.abc import Callable

from grafana import Dashboard, Panel
from queries import NOT_THE_CALLER, WINDOW, highest, mean, quantile, rate, share, total

_ONE = 'model="$model"'
_ONE_CALLED = 'gen_ai_request_model="$model"'
_HTTP = "http_server_request_duration_seconds"
_REQUESTS = "gen_ai_server_request_duration_seconds"
_FIRST = "gen_ai_server_time_to_first_token_seconds"
_NEXT = "gen_ai_server_time_per_output_token_seconds"
_TOKENS = "gen_ai_client_token_usage"
_EMBEDDINGS = "gen_ai_client_operation_duration_seconds"
_SEARCHES = "olo_search_duration_seconds"
_WRITTEN = 'gen_ai_token_type="output"'


def _spread(histogram: str, where: str = "") -> dict[str, str]:
    return {f"p{part * 100:g}": quantile(part, histogram, where=where) for part in (0.5, 0.95, 0.99)}


def _rates(title: str, metric: str, by: str, where: str = "", *, window: str = WINDOW) -> Panel:
    return Panel(title, {_legend(by): rate(metric, by, where, window)}, "ops")


def _late(title: str, histogram: str, by: str) -> Panel:
    return Panel(title, {_legend(by): quantile(0.95, histogram, by)}, "s")


def _levels(title: str, level: Callable[..., str], metric: str, by: str) -> Panel:
    return Panel(title, {_legend(by): level(metric, by)})


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


DASHBOARDS = (
    Dashboard(
        "olo-overview",
        "Open LLM Orchestrator: overview",
        (
            _rates("Runs that end", "olo_runs_total", "outcome"),
            _rates("Why runs fail", "olo_runs_total", "reason", 'outcome="failed"'),
            Panel("How long answered runs took", _spread("olo_run_duration_seconds", 'outcome="completed"'), "s"),
            Panel("Time to the first text of a stream", _spread("olo_gateway_time_to_first_chunk_seconds"), "s"),
            Panel(
                "Runs in flight",
                {"in flight": total("olo_gateway_runs_in_flight"), "limit": total("olo_gateway_runs_limit")},
                description="The limit adapts: it falls where answers take longer with more load.",
            ),
            _rates("Refused calls", "olo_gateway_refusals_total", "reason"),
            _rates("HTTP calls, by status", f"{_HTTP}_count", "http_response_status_code"),
            _late("HTTP calls, p95 by route", _HTTP, "http_route"),
            Panel(
                "Tokens written", {"{{gen_ai_request_model}}": rate(f"{_TOKENS}_sum", "gen_ai_request_model", _WRITTEN)}
            ),
            _rates("Fallbacks, by the model that failed", "olo_run_fallbacks_total", "model"),
            Panel(
                "Parked and resumed",
                {"runs parked": rate("olo_runs_parked_total"), "attempts resumed": rate("olo_run_resumes_total")},
                "ops",
            ),
            _rates("Streams that took text back", "olo_gateway_stream_resets_total", "reason"),
            Panel(
                "Streams repaired and resumed",
                {
                    "gaps filled": rate("olo_gateway_stream_repairs_total"),
                    "resumed by callers": rate("olo_gateway_stream_resumes_total"),
                },
                "ops",
            ),
            Panel("Processes", {"{{part}} {{instance}}": "up"}),
            Panel(
                "Processor",
                {"{{part}} {{instance}}": rate("process_cpu_seconds_total", "part, instance")},
                "percentunit",
            ),
            Panel(
                "Memory", {"{{part}} {{instance}}": total("process_resident_memory_bytes", "part, instance")}, "bytes"
            ),
            _rates("Events lost", "olo_nats_messages_dropped_total", "cause"),
            _rates("Certificates read anew", "olo_tls_reloads_total", "use, outcome"),
            _rates("Payload keys read anew", "olo_payload_key_reloads_total", "outcome"),
            _rates("Payloads that could not be read", "olo_payloads_unread_total", "part, reason"),
        ),
    ),
    Dashboard(
        "olo-models",
        "Open LLM Orchestrator: models",
        (
            _levels("Models of the catalogue", highest, "olo_registry_models", "type, state"),
            _levels("Instances", highest, "olo_registry_instances", "type, state"),
            Panel(
                "Instances lost, changes",
                {"lost": rate("olo_registry_leases_expired_total"), "changes": rate("olo_registry_changes_total")},
                "ops",
            ),
            _rates("Who was chosen", "olo_route_decisions_total", "model"),
            _rates("By which profile", "olo_route_decisions_total", "profile"),
            _rates("Asked for in vain", "olo_route_unserved_total", "model"),
            Panel(
                "Slots in use",
                {"{{model}}": f"{highest('olo_model_slots_in_use', 'model')} / {highest('olo_model_slots', 'model')}"},
                "percentunit",
            ),
            _levels("Backlog", highest, "olo_model_backlog", "model"),
            Panel(
                "How long the first of a backlog has waited",
                {"{{model}}": highest("olo_model_backlog_age_seconds", "model")},
                "s",
            ),
            _levels("Ready instances", highest, "olo_model_instances_ready", "model"),
            _levels("Open circuit breakers", highest, "olo_breakers_open", "model"),
            _rates("Failed attempts", "olo_run_attempts_total", "model, cause", 'cause!=""'),
            _late("Time to the first token, p95", _FIRST, "gen_ai_request_model"),
            _late("Time for each token, p95", _NEXT, "gen_ai_request_model"),
            _rates("Fetches of benchmarks", "olo_benchmark_syncs_total", "source, outcome", window="1h"),
            Panel(
                "How long routers have been without the registry",
                {"{{instance}}": highest("olo_router_snapshot_age_seconds", "instance")},
                "s",
            ),
        ),
    ),
    Dashboard(
        "olo-model",
        "Open LLM Orchestrator: one model",
        (
            _rates("Generations", f"{_REQUESTS}_count", "error_type", _ONE_CALLED),
            Panel("How long a generation took", _spread(_REQUESTS, _ONE_CALLED), "s"),
            Panel("Time to the first token", _spread(_FIRST, _ONE_CALLED), "s"),
            Panel("Time for each token", _spread(_NEXT, _ONE_CALLED), "s"),
            Panel(
                "Tokens in a second",
                {"{{gen_ai_token_type}}": rate(f"{_TOKENS}_sum", "gen_ai_token_type", _ONE_CALLED)},
            ),
            Panel("Tokens of a generation", {"{{gen_ai_token_type}}": mean(_TOKENS, "gen_ai_token_type", _ONE_CALLED)}),
            Panel(
                "Slots",
                {
                    "in use": highest("olo_model_slots_in_use", where=_ONE),
                    "all": highest("olo_model_slots", where=_ONE),
                },
            ),
            Panel(
                "In the engine",
                {"rows": total("olo_engine_rows", where=_ONE), "waiting": total("olo_engine_rows_waiting", where=_ONE)},
            ),
            Panel("Rows of a batch, all models", {"mean": mean("olo_engine_batch_rows")}),
            Panel("Backlog", {"requests": highest("olo_model_backlog", where=_ONE)}),
            Panel(
                "Attempts",
                {"{{cause}}": rate("olo_run_attempts_total", "cause", _ONE)},
                "ops",
                "An empty cause: they gave the answer.",
            ),
            Panel(
                "Fallbacks from it, resumes",
                {
                    "fallbacks": rate("olo_run_fallbacks_total", where=_ONE),
                    "resumes": rate("olo_run_resumes_total", where=_ONE),
                },
                "ops",
            ),
        ),
        model=True,
    ),
    Dashboard(
        "olo-retrieval",
        "Open LLM Orchestrator: retrieval",
        (
            _rates("Searches", f"{_SEARCHES}_count", "retriever, error_type"),
            Panel("How long a search took", _spread(_SEARCHES, 'error_type=""'), "s"),
            Panel("Searches that fail", {"share": share(f"{_SEARCHES}_count", NOT_THE_CALLER)}, "percentunit"),
            Panel("Passages of a search", {"mean": mean("olo_search_passages")}),
            _rates("Documents", "olo_documents_ingested_total", "outcome"),
            Panel("Chunks indexed", {"chunks": rate("olo_chunks_indexed_total")}, "ops"),
            _rates("Syncs of sources", "olo_source_syncs_total", "outcome", window="1h"),
            _rates("Embeddings", f"{_EMBEDDINGS}_count", "gen_ai_request_model, error_type"),
            Panel("How long an embedding took", _spread(_EMBEDDINGS), "s"),
            Panel("Texts of a batch", {"mean": mean("olo_embed_batch_texts")}),
            _levels("Texts that wait", total, "olo_embed_texts_waiting", "model"),
            _levels("Requests at embed-workers", total, "olo_embed_requests", "model"),
        ),
    ),
    Dashboard(
        "olo-tenant",
        "Open LLM Orchestrator: tenants",
        (
            _rates("Runs", "olo_tenant_runs_total", "tenant"),
            Panel(
                "Runs that fail",
                {"{{tenant}}": share("olo_tenant_runs_total", 'outcome="failed"', "tenant")},
                "percentunit",
            ),
            Panel("Tokens in a second", {"{{tenant}} {{type}}": rate("olo_tenant_tokens_total", "tenant, type")}),
            Panel(
                "Tokens of a day",
                {"{{tenant}}": "sum by (tenant) (increase(olo_tenant_tokens_total[1d]))"},
                description="Of runs; what is embedded is not in it.",
            ),
            _rates("Refused with a key", "olo_tenant_denials_total", "tenant, reason"),
            _rates("Refused for their key", "olo_gateway_denials_total", "reason"),
            _levels("Keys that hold", highest, "olo_gateway_keys", "instance"),
            _levels("Files of keys that were refused", highest, "olo_gateway_keys_file_refused", "instance"),
        ),
    ),
    Dashboard(
        "olo-temporal",
        "Open LLM Orchestrator: Temporal, as its workers see it",
        (
            _rates("Workflows that end well", "temporal_workflow_completed_total", "workflow_type"),
            _rates("Workflows that fail", "temporal_workflow_failed_total", "workflow_type"),
            _late("How long workflows took, p95", "temporal_workflow_endtoend_latency", "workflow_type"),
            _late("Wait of workflow tasks, p95", "temporal_workflow_task_schedule_to_start_latency", "task_queue"),
            _late("Wait of activities, p95", "temporal_activity_schedule_to_start_latency", "task_queue"),
            _rates("Activities that fail", "temporal_activity_execution_failed_total", "activity_type"),
            _levels("Free slots of workers", total, "temporal_worker_task_slots_available", "part, worker_type"),
            _levels("Workflows in the cache", total, "temporal_sticky_cache_size", "part"),
            _rates("Calls that fail", "temporal_request_failure_total", "operation"),
            _late("Time of calls, p95", "temporal_request_latency", "operation"),
        ),
    ),
)
