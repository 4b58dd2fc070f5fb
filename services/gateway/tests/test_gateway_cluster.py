"""What the cluster and admin calls show."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from dialect_edge import DialectEdge

from olo_common.errors import Unavailable
from olo_common.temporal import TEMPORAL_CONDITION


@pytest.fixture(scope="module")
async def served_edge() -> AsyncIterator[DialectEdge]:
    edge = DialectEdge()
    async with edge.served():
        yield edge


@pytest.fixture(autouse=True)
async def edge(served_edge: DialectEdge) -> DialectEdge:
    await served_edge.forget()
    return served_edge


@pytest.fixture(scope="module")
async def http(served_edge: DialectEdge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served_edge.url, timeout=20) as opened:
        yield opened


@pytest.fixture
def registry_away(edge: DialectEdge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> None:
        raise Unavailable("the registry is not reachable")

    for name in ("models", "measurements", "aliases"):
        monkeypatch.setattr(edge.fleet, name, away)


async def test_models_tell_their_instances_and_nodes(http: httpx.AsyncClient) -> None:
    models = {model["model_id"]: model for model in (await http.get("/api/cluster/models")).json()["models"]}
    small = models["org/small"]
    assert (small["available"], small["nodes"], small["quality"]) == (True, ["10.0.0.1", "10.0.0.2"], 0.5)
    assert small["cost_per_1k_input_tokens"] is None
    first, second = small["instances"]
    assert (first["state"], first["silence"], first["hardware"]) == ("ready", 0.0, "cpu")
    assert (second["state"], second["state_reason"], second["silence"]) == ("draining", "told", None)
    assert (models["away"]["available"], models["away"]["instances"]) == (False, [])


async def test_nodes_are_machines(http: httpx.AsyncClient) -> None:
    nodes = (await http.get("/api/nodes")).json()["nodes"]
    assert [(node["name"], node["status"], node["models"]) for node in nodes] == [
        ("10.0.0.1", "ready", ["org/small"]),
        ("10.0.0.2", "draining", ["org/small"]),
        ("shelf", "ready", ["embedder"]),
    ]
    there = (await http.get("/api/nodes/10.0.0.2/models")).json()["models"]
    assert [[instance["instance_id"] for instance in model["instances"]] for model in there] == [["b"]]
    missing = await http.get("/api/nodes/none/models")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "node_not_found")


async def test_the_status_counts_what_lives(http: httpx.AsyncClient) -> None:
    status = (await http.get("/api/cluster/status")).json()
    assert status == {
        "status": "ok",
        "parts": {"gateway": True, "temporal": True, "registry": True, "router": True},
        "nodes": 3,
        "models": 3,
        "models_available": 2,
        "instances": 3,
        "instances_ready": 2,
        "max_concurrency": 12,
        "in_flight": 3,
        "snapshot_age": 0.0,
    }


@pytest.mark.usefixtures("registry_away")
async def test_what_is_not_known_is_null(http: httpx.AsyncClient) -> None:
    status = (await http.get("/api/cluster/status")).json()
    assert (status["status"], status["nodes"], status["in_flight"]) == ("degraded", None, None)
    assert (await http.get("/admin/health")).json()["nodes"] is None
    assert (await http.get("/api/cluster/metrics")).json()["models"] is None
    assert (await http.get("/api/queue/status")).json()["queues"] is None
    assert (await http.get("/admin/performance")).json()["models"] is None
    for path in ("/api/cluster/models", "/api/nodes"):
        away = await http.get(path)
        assert (away.status_code, away.json()["error"]["code"]) == (503, "dependency_unavailable")


async def test_the_health_has_a_status_of_its_own(http: httpx.AsyncClient, edge: DialectEdge) -> None:
    assert (await http.get("/admin/health")).status_code == 200
    await edge.health.set(TEMPORAL_CONDITION, False)
    health = await http.get("/admin/health")
    assert (health.status_code, health.json()["status"]) == (503, "unavailable")
    assert health.json()["parts"] == {"gateway": False, "temporal": False, "registry": True, "router": True}


async def test_what_was_measured(http: httpx.AsyncClient) -> None:
    performance = (await http.get("/admin/performance")).json()
    assert [(each["instance_id"], each["first_token"]) for each in performance["models"]] == [(None, 0.0)]
    assert [(each["instance_id"], each["first_token"], each["error_rate"]) for each in performance["instances"]] == [
        ("a", None, 1.0)
    ]
    metrics = (await http.get("/api/cluster/metrics")).json()
    assert metrics["models"] == performance["models"]
    assert metrics["admission"]["limit"] >= 4


async def test_queues_tell_what_waits_or_that_nobody_knows(http: httpx.AsyncClient) -> None:
    queues = {queue["model_id"]: queue for queue in (await http.get("/api/queue/status")).json()["queues"]}
    assert queues["org/small"] == {
        "queue": "llm.org/small",
        "model_id": "org/small",
        "waiting": 3,
        "oldest": 1.5,
        "added_per_second": 2.0,
        "dispatched_per_second": 1.0,
        "pollers": 2,
    }
    assert queues["away"]["waiting"] is None


async def test_the_process_tells_of_itself(http: httpx.AsyncClient) -> None:
    metrics = (await http.get("/admin/metrics")).json()
    assert metrics["memory"] > 1_000_000
    assert metrics["cpu"] > 0
    system = (await http.get("/admin/system")).json()
    assert (system["version"].count("."), system["cpus"] >= 1) == (2, True)
    text = await http.get("/admin/metrics/prometheus")
    assert text.headers["content-type"].startswith("text/plain")
    assert "# TYPE python_info gauge" in text.text
    usual = await http.get("/metrics")
    assert usual.headers["content-type"] == text.headers["content-type"]
    types = [[line for line in page.text.splitlines() if line.startswith("# TYPE")] for page in (usual, text)]
    assert types[0] == types[1]


async def test_where_some_look_for_the_description(http: httpx.AsyncClient) -> None:
    answer = await http.get("/swagger-ui.html")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
    paths = (await http.get("/openapi.json")).json()["paths"]
    assert {"/api/chat", "/v1/messages", "/api/cluster/status", "/admin/health"} <= set(paths)
