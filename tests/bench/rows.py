"""What the table of the benchmarks says: each row, and where its figures are. `python -m tests.bench.rows` writes it.

Targets are decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.bench import path_page
from tests.bench.table import (
    PAGE,
    Figures,
    Line,
    Row,
    Spread,
    Unit,
    added,
    column,
    markdown,
    measured,
    ratio,
    written,
)

TIMES: Final = Unit("x")
PLAIN: Final = Unit()
SCORE: Final = Unit(decimals=3)
COUNT: Final = Unit(decimals=0)
SECONDS: Final = Unit(" s")
MILLISECONDS: Final = Unit(" ms")
MORE_MILLISECONDS: Final = Unit(" ms", signed=True)
MICROSECONDS: Final = Unit(" us", decimals=0)


def rate(way: str) -> Figures:
    """Tokens a second of `ours` over those of another way of serving, round by round."""

    def read(lines: Sequence[Line]) -> list[float]:
        rates = {(line["round"], line["way"]): float(line["tokens"]) / float(line["seconds"]) for line in lines}
        return [rates[number, "ours"] / rates[number, way] for number in {line["round"]: None for line in lines}]

    return read


def _kept(lines: Sequence[Line]) -> list[float]:
    return [sum(line["cached_tokens"] != "0" for line in lines) / len(lines)]


def _serving(model: str, told: str) -> list[Row]:
    what = f"text, 16 users, mixed prompts, tokens/s; {told}"
    file = f"llm_throughput_{model}"
    return [
        Row("llm_throughput", file, what, "batches first come, first served", rate("fifo"), TIMES, least=3.0),
        Row("llm_throughput", file, what, "one request at a time", rate("single"), TIMES, least=4.0),
        Row("llm_throughput", file, what, "perfectly bucketed batches", rate("ideal"), TIMES, least=0.75),
    ]


def _embedding(texts: str, peer: str, least: float) -> Row:
    of_peer = {"precision": "float32", "threads": "2", "peer": peer.replace("text by text", "per text")}
    figures = column("times_as_fast", texts=texts, **of_peer)
    return Row("embed_batching", "embed_batching", f"32 {texts} texts embedded at once", f"fastembed, {peer}", figures,
               TIMES, least=least)  # fmt: skip


def _overload(times: float, least: float) -> Row:
    what = f"answers a second, asked {times:g} times as fast as can be answered"
    return Row("overload", "overload", what, "the peak", column("ratio", times_peak=str(times)), TIMES, least=least)


def _fleet(what: str, figure: str, unit: Unit, beside: str = "", most: float | None = None) -> Row:
    return Row("registry_fleet", "registry_fleet", what, beside, column("value", figure=figure), unit, most=most)


_BARE: Final = "a bare workflow with one activity, same server"
_DECISION: Final = "a decision over 1,000 instances of 1,000 models, CPU of the core"
_LARGEST: Final = {"instances": "1000", "models": "1000"}


def _but_affinity(name: str) -> Figures:
    def read(lines: Sequence[Line]) -> list[float]:
        return column(name, **_LARGEST)([line for line in lines if line["request"] != "affinity"])

    return read


ROWS: Final = (
    Row("durable_chat", "durable_chat", "durable chat, model that costs nothing, p50", _BARE,
        ratio("subject_p50_s", "peer_p50_s"), TIMES, most=1.25),
    Row("durable_chat", "durable_chat", "the same, CPU of all processes per request", _BARE,
        ratio("subject_cpu_s", "peer_cpu_s"), TIMES, most=1.6),
    Row("concurrency", "concurrency", "durable chats, 1 to 200 at once, answers a second", "bare workflows",
        ratio("subject_per_s", "peer_per_s"), TIMES),
    _overload(2.0, 0.95),
    _overload(5.0, 0.90),
    _overload(10.0, 0.80),
    Row("overload", "overload", "the same, until a refusal, p99", "a gRPC server that does nothing but refuse, at the"
        " same time", column("refusal_p99_s", times=1000, times_peak="10.0"), MILLISECONDS, most=100.0,
        peer=column("floor_p99_s", times=1000, times_peak="10.0"), peer_unit=MILLISECONDS),
    Row("refusal_cost", "refusal_cost", "a refusal, CPU of the gateway", "a gRPC server that does nothing but refuse",
        ratio("subject_cpu_s", "peer_cpu_s"), TIMES),
    Row("refusal_cost", "refusal_asked", "a refusal of a caller with an id, CPU of gateway and Temporal",
        "of one that says that it is new", ratio("subject_cpu_s", "peer_cpu_s"), TIMES),
    Row("fairness", "fairness", "wait of nine quiet tenants beside a noisy one, p95", "first come, first served",
        ratio("fair_quiet_p95_s", "first_come_quiet_p95_s"), TIMES, most=0.2),
    Row("fairness", "fairness", "the same, answers a second", "first come, first served",
        ratio("fair_per_s", "first_come_per_s"), TIMES, least=0.95),
    Row("stream_latency", "stream_latency", "first token of a durable stream", "the worker's own stream",
        added("subject_first_ms", "peer_first_ms"), MORE_MILLISECONDS, Spread.QUARTILES, most=50.0),
    Row("stream_latency", "stream_latency", "between two tokens, p50", "the worker's own stream",
        added("subject_between_p50_ms", "peer_between_p50_ms"), MORE_MILLISECONDS, Spread.QUARTILES, most=1.0),
    Row("chunk_publishing", "chunk_publishing", "publishing token chunks that NATS keeps, CPU of all processes",
        "publishing without", ratio("subject_cpu_s", "peer_cpu_s"), TIMES, most=2.0),
    Row("http_edge", "http_edge", "a chat over HTTP, p50", "the same over gRPC",
        ratio("subject_p50_s", "peer_p50_s"), TIMES, most=1.15),
    Row("http_edge", "http_edge", "the same, CPU of all processes", "the same over gRPC",
        ratio("subject_cpu_s", "peer_cpu_s"), TIMES, most=1.25),
    Row("http_edge", "http_edge_rates", "`/v1/models`, requests a second", "LiteLLM's proxy",
        ratio("subject_per_s", "peer_per_s", request="models"), TIMES),
    Row("http_edge", "http_edge_rates", "a chat with a model that costs nothing, requests a second",
        "LiteLLM's proxy, which makes no run durable", ratio("subject_per_s", "peer_per_s", request="chat"), TIMES),
    Row("http_edge", "http_edge_memory", "memory of the gateway after 10,000 streams", "after 1,000",
        lambda lines: [float(lines[-1]["mib"]) / float(lines[0]["mib"])], TIMES),
    Row("telemetry", "telemetry", "every request traced and measured, CPU of the services per request", "neither",
        ratio("own_cpu_s", "off_cpu_s", fleet="on"), TIMES, most=1.1),
    Row("telemetry", "telemetry", "the same with Temporal and NATS", "neither",
        ratio("own_cpu_with_servers_s", "off_cpu_with_servers_s", fleet="on"), TIMES),
    Row("telemetry", "telemetry", "one request of ten traced, every one measured, CPU of the services", "neither",
        ratio("own_cpu_s", "off_cpu_s", fleet="sampled"), TIMES),
    Row("telemetry", "telemetry", "neither, CPU of the services: how much two fleets differ by themselves", "neither",
        ratio("own_cpu_s", "off_cpu_s", fleet="same"), TIMES),
    *_serving("demo", "demo model"),
    *_serving("random-30m", "30 M random weights"),
    Row("llm_limits", "llm_roofline", "decoding, one row on each replica", "what the memory's bandwidth allows",
        ratio("replicas_per_s", "bound_per_s"), TIMES, least=0.65),
    Row("llm_limits", "llm_roofline", "sixteen rows, one replica", "one row", ratio("sixteen_per_s", "one_per_s"),
        TIMES, least=6.0),
    Row("llm_limits", "llm_prefixes", "first token with the system prompt kept", "without",
        ratio("kept_s", "plain_s"), TIMES, most=0.6),
    Row("llm_limits", "llm_prefixes", "the same, requests that found it kept", "all", _kept, PLAIN, least=0.9),
    Row("llm_constrained", "llm_constrained", "an answer held to a JSON Schema, CPU per token", "a plain answer",
        ratio("masked_cpu_s", "plain_cpu_s"), TIMES),
    _embedding("short", "text by text", 3.0),
    _embedding("short", "as one list", 0.85),
    _embedding("long", "text by text", 3.0),
    Row("vector_hop", "vector_hop", "hop of vectors, 32 x 384", "raw bytes on the same channel",
        ratio("subject_p50_s", "peer_p50_s"), TIMES, most=1.15),
    Row("rag_ingest", "rag_ingest", "durable ingest, chunks a second", "fastembed alone on the same batches",
        ratio("peer_s", "subject_s"), TIMES, least=0.8),
    Row("rag_search", "rag_search", "hybrid search over gRPC, p50; 1,000 and 20,000 passages",
        "one fused query to the engine in process", column("added_p50_s", times=1000), MORE_MILLISECONDS, Spread.EACH,
        most=2.0, peer=column("engine_p50_s", times=1000), peer_unit=MILLISECONDS),
    Row("rag_search", "rag_search", "recall@10 of the index, same sizes", "brute force", column("recall@10"), SCORE,
        Spread.EACH, least=0.95),
    _fleet("registry, 1,000 instances at one heartbeat a second: share of a core", "cpu_share_of_a_core", PLAIN,
           most=0.5),
    _fleet("the same", "beside_a_process_that_only_hears", TIMES, "a process that hears and does nothing"),
    _fleet("an instance that dies: listed for, lease 6 s, at worst", "dead_listed_worst_s", SECONDS, most=7.0),
    _fleet("registry killed: all 950 instances known after it answers again", "all_known_after_registry_answers_s",
           SECONDS, most=2.0),
    _fleet("NATS killed for 3 s: instances lost", "lost_by_the_nats_outage", COUNT, most=0.0),
    _fleet("the same: news heard again after", "heard_again_after_nats_restart_s", SECONDS, most=2.0),
    Row("registry_sequences", "registry_sequences", "random lives of a fleet, 100,000 of 30 steps: invariants broken",
        "a model of the fleet", column("broken"), COUNT, most=0.0),
    Row("name_resolution", "name_resolution", "248 real names of models matched: precision",
        "one similarity of whole names at its best threshold", column("precision", matcher="parts"), PLAIN,
        peer=lambda lines: column("precision")(lines[1:])),
    Row("name_resolution", "name_resolution", "the same: recall", "the same", column("recall", matcher="parts"), PLAIN,
        peer=lambda lines: column("recall")(lines[1:])),
    Row("router_select", "router_select", f"{_DECISION}, under 1,000 heartbeats a second, p50", "",
        _but_affinity("busy_p50_us"), MICROSECONDS, Spread.SPAN, most=200.0),
    Row("router_select", "router_select", "the same", "at rest", ratio("busy_p50_us", "p50_us", **_LARGEST), TIMES),
    Row("router_select", "router_select", "the same, p99", "at rest",
        ratio("busy_p99_us", "p99_us", **_LARGEST), TIMES),
    Row("router_select", "router_select", "the same, at rest, p50", "sorting everything",
        ratio("p50_us", "peer_p50_us", **_LARGEST), TIMES),
    Row("router_select", "router_select", "the same with affinity for a system prompt, under heartbeats, p50", "",
        column("busy_p50_us", request="affinity", **_LARGEST), MICROSECONDS, most=200.0),
    Row("start_up", "start_up", "local stack ready, set up already", "",
        column("value", part="stack", figure="ready_s"), SECONDS, most=15.0),
    Row("start_up", "start_up", "importing a service, CPU: gateway, registry, router, retrieval, llm-worker, "
        "embed-worker", "a bare Python interpreter", column("beside_bare_interpreter", figure="import_cpu_s"), TIMES,
        Spread.EACH),
    Row("start_up", "start_up", "until the port is open, CPU: gateway, registry, router, retrieval",
        "a bare Python interpreter", column("beside_bare_interpreter", figure="open_cpu_s"), TIMES, Spread.EACH),
)  # fmt: skip
"""In the order of the table."""


def main() -> None:
    """Writes the table of all that has been measured, and those of the path of a request."""
    PAGE.write_text(written(PAGE.read_text(), markdown(measured(ROWS))))
    path_page.main()


if __name__ == "__main__":
    main()
