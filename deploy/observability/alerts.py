"""The alerts, as values, each with a scenario in which it fires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from queries import NOT_THE_CALLER, above, highest, quantile, rate, share, total

_RUNBOOKS = "docs/guides/runbooks.md"
_STEP = "1m"
_MINUTES = 30
_FAILED = 'outcome="failed"'


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: Its name, and the title of its runbook.
        summary: What is so, for who is woken.
        query: True where it gives anything.
        lasting: How long it must be so.
        page: Whether somebody has to come now; else it can wait for the morning.
        fires: Series, in the notation of promtool, that make it fire.
        quiet: Series that are near it and do not.
        labels: Those of the alert that fires in the scenario.
    """

    name: str
    summary: str
    query: str
    lasting: str
    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    page: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


ALERTS = (
    Alert(
        "OloProcessDown",
        "The process {{ $labels.part }} at {{ $labels.instance }} does not answer.",
        'up{job="olo"} == 0',
        "2m",
        {'up{job="olo",part="router",instance="a"}': "0x30"},
        {'up{job="olo",part="router",instance="a"}': "1x30"},
        page=True,
        labels={"job": "olo", "part": "router", "instance": "a"},
    ),
    Alert(
        "OloRunsFail",
        "More than 5 % of the runs fail.",
        f"{above(share('olo_runs_total', _FAILED), 0.05)} and {above(rate('olo_runs_total'), 0.02)}",
        "5m",
        {'olo_runs_total{outcome="failed"}': "0+10x30", 'olo_runs_total{outcome="completed"}': "0+90x30"},
        {'olo_runs_total{outcome="rejected"}': "0+10x30", 'olo_runs_total{outcome="completed"}': "0+90x30"},
        page=True,
    ),
    Alert(
        "OloCallersRefused",
        "Callers are refused because too much is in flight.",
        above(rate("olo_gateway_refusals_total", where='reason=~"full|deadline"'), 0.1),
        "5m",
        {'olo_gateway_refusals_total{reason="full"}': "0+60x30"},
        {'olo_gateway_refusals_total{reason="stopping"}': "0+60x30"},
    ),
    Alert(
        "OloKeysFileRefused",
        "The gateway at {{ $labels.instance }} cannot use its file of API keys, and goes on with the keys before it.",
        above(highest("olo_gateway_keys_file_refused", "instance"), 0),
        "5m",
        {'olo_gateway_keys_file_refused{instance="a"}': "1x30"},
        {'olo_gateway_keys_file_refused{instance="a"}': "0x30"},
        labels={"instance": "a"},
    ),
    Alert(
        "OloFirstTextLate",
        "One stream in twenty gets its first text after more than 10 s.",
        above(quantile(0.95, "olo_gateway_time_to_first_chunk_seconds"), 10),
        "10m",
        {
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="10.0"}': "0+10x30",
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="20.0"}': "0+20x30",
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="+Inf"}': "0+20x30",
        },
        {
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="10.0"}': "0+20x30",
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="20.0"}': "0+20x30",
            'olo_gateway_time_to_first_chunk_seconds_bucket{le="+Inf"}': "0+20x30",
        },
    ),
    Alert(
        "OloModelUnavailable",
        "Enabled models of the type {{ $labels.type }} have no ready instance.",
        above(highest("olo_registry_models", "type", 'state="unavailable"'), 0),
        "5m",
        {'olo_registry_models{type="llm",state="unavailable"}': "1x30"},
        {'olo_registry_models{type="llm",state="disabled"}': "1x30"},
        labels={"type": "llm"},
    ),
    Alert(
        "OloInstanceQuarantined",
        "Instances come and go so often that they get no work.",
        above(highest("olo_registry_instances", "type", 'state="quarantined"'), 0),
        "5m",
        {'olo_registry_instances{type="llm",state="quarantined"}': "1x30"},
        {'olo_registry_instances{type="llm",state="draining"}': "1x30"},
        labels={"type": "llm"},
    ),
    Alert(
        "OloBreakerOpen",
        "A circuit breaker of {{ $labels.model }} stays open.",
        above(highest("olo_breakers_open", "model"), 0),
        "5m",
        {'olo_breakers_open{model="m"}': "1x30"},
        {'olo_breakers_open{model="m"}': "0x30"},
        labels={"model": "m"},
    ),
    Alert(
        "OloBacklog",
        "More requests wait for {{ $labels.model }} than twice what it can take at once.",
        above(highest("olo_model_backlog", "model"), f"2 * {highest('olo_model_slots', 'model')}"),
        "5m",
        {'olo_model_backlog{model="m"}': "9x30", 'olo_model_slots{model="m"}': "4x30"},
        {'olo_model_backlog{model="m"}': "8x30", 'olo_model_slots{model="m"}': "4x30"},
        labels={"model": "m"},
    ),
    Alert(
        "OloFallbacks",
        "Runs fall back from {{ $labels.model }} to other models.",
        above(rate("olo_run_fallbacks_total", "model", window="10m"), 0.05),
        "10m",
        {'olo_run_fallbacks_total{model="m"}': "0+6x30"},
        {'olo_run_fallbacks_total{model="m"}': "0+1x30"},
        labels={"model": "m"},
    ),
    Alert(
        "OloRouterBlind",
        "A router has been without the registry for more than half a minute.",
        above(highest("olo_router_snapshot_age_seconds", "instance"), 30),
        "1m",
        {'olo_router_snapshot_age_seconds{instance="a"}': "0+60x30"},
        {'olo_router_snapshot_age_seconds{instance="a"}': "10x30"},
        page=True,
        labels={"instance": "a"},
    ),
    Alert(
        "OloEventsLost",
        "Events are lost; everything works, later.",
        above(rate("olo_nats_messages_dropped_total", "cause"), 0.1),
        "10m",
        {'olo_nats_messages_dropped_total{cause="disconnected"}': "0+60x30"},
        {'olo_nats_messages_dropped_total{cause="disconnected"}': "1x30"},
        labels={"cause": "disconnected"},
    ),
    Alert(
        "OloPayloadsUnread",
        "{{ $labels.part }} at {{ $labels.instance }} cannot read payloads of Temporal: {{ $labels.reason }}.",
        above(rate("olo_payloads_unread_total", "part, instance, reason"), 0),
        "5m",
        {'olo_payloads_unread_total{reason="payload_key_missing",part="router",instance="a"}': "0+1x30"},
        {'olo_payloads_unread_total{reason="payload_key_missing",part="router",instance="a"}': "1x30"},
        labels={"reason": "payload_key_missing", "part": "router", "instance": "a"},
    ),
    Alert(
        "OloCertificateEnds",
        "The certificate of the {{ $labels.use }} side of {{ $labels.part }} at {{ $labels.instance }} ends in a week.",
        "olo_tls_certificate_expires - time() < 604800",
        "10m",
        {'olo_tls_certificate_expires{use="server",part="router",instance="a"}': "600000x30"},
        {'olo_tls_certificate_expires{use="server",part="router",instance="a"}': "700000x30"},
        labels={"use": "server", "part": "router", "instance": "a"},
    ),
    Alert(
        "OloSearchesFail",
        "More than 5 % of the searches fail.",
        above(share("olo_search_duration_seconds_count", NOT_THE_CALLER), 0.05),
        "5m",
        {
            'olo_search_duration_seconds_count{error_type="dependency_unavailable"}': "0+10x30",
            'olo_search_duration_seconds_count{error_type=""}': "0+90x30",
        },
        {
            'olo_search_duration_seconds_count{error_type="collection_not_found"}': "0+50x30",
            'olo_search_duration_seconds_count{error_type=""}': "0+99x30",
        },
    ),
    Alert(
        "OloDocumentsFail",
        "Documents cannot be indexed.",
        above(rate("olo_documents_ingested_total", where=_FAILED, window="15m"), 0.001),
        "5m",
        {'olo_documents_ingested_total{outcome="failed"}': "0+1x30"},
        {'olo_documents_ingested_total{outcome="served"}': "0+1x30"},
    ),
    Alert(
        "OloEmbeddingsQueue",
        "More than 200 texts wait to be embedded by {{ $labels.model }}.",
        above(total("olo_embed_texts_waiting", "model"), 200),
        "5m",
        {'olo_embed_texts_waiting{model="m"}': "300x30"},
        {'olo_embed_texts_waiting{model="m"}': "100x30"},
        labels={"model": "m"},
    ),
    Alert(
        "OloWorkflowTasksWait",
        "Workflow tasks of {{ $labels.task_queue }} wait for more than a second.",
        above(quantile(0.95, "temporal_workflow_task_schedule_to_start_latency", "task_queue"), 1),
        "5m",
        {
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="1"}': "0+1x30",
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="5"}': "0+9x30",
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="+Inf"}': "0+9x30",
        },
        {
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="1"}': "0+9x30",
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="5"}': "0+9x30",
            'temporal_workflow_task_schedule_to_start_latency_bucket{task_queue="chat",le="+Inf"}': "0+9x30",
        },
        labels={"task_queue": "chat"},
    ),
    Alert(
        "OloWorkflowTasksFail",
        "Workflow tasks of {{ $labels.workflow_type }} fail: its code and its histories may not fit.",
        above(rate("temporal_workflow_task_execution_failed_total", "workflow_type"), 0),
        "5m",
        {'temporal_workflow_task_execution_failed_total{workflow_type="chat"}': "0+1x30"},
        {'temporal_workflow_task_execution_failed_total{workflow_type="chat"}': "1x30"},
        page=True,
        labels={"workflow_type": "chat"},
    ),
)


def rules() -> dict[str, Any]:
    """The rules as Prometheus reads them."""
    return {"groups": [{"name": "olo", "rules": [_rule(alert) for alert in ALERTS]}]}


def scenarios() -> dict[str, Any]:
    """What promtool tests the rules with: each fires where it should, and is quiet near that."""
    tests = [_scenario(alert, fires=fires) for alert in ALERTS for fires in (True, False)]
    return {"rule_files": ["rules.yaml"], "evaluation_interval": _STEP, "tests": tests}


def runbook(alert: Alert) -> str:
    """Where it is said what to do."""
    return f"{_RUNBOOKS}#{alert.name.lower()}"


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.query,
        "for": alert.lasting,
        "labels": {"severity": _severity(alert)},
        "annotations": {"summary": alert.summary, "runbook_url": runbook(alert)},
    }


def _severity(alert: Alert) -> str:
    return "page" if alert.page else "ticket"


def _scenario(alert: Alert, *, fires: bool) -> dict[str, Any]:
    series = alert.fires if fires else alert.quiet
    told = {
        "exp_labels": {**alert.labels, "severity": _severity(alert)},
        "exp_annotations": {"summary": _said(alert), "runbook_url": runbook(alert)},
    }
    return {
        "interval": _STEP,
        "name": f"{alert.name} {'fires' if fires else 'is quiet'}",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{_MINUTES - 1}m", "alertname": alert.name, "exp_alerts": [told] if fires else []}
        ],
    }


def _said(alert: Alert) -> str:
    """The summary with the labels of the scenario."""
    text = alert.summary
    for label, value in alert.labels.items():
        text = text.replace(f"{{{{ $labels.{label} }}}}", value)
    return text
