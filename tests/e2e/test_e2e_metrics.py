"""What a running stack measures: real runs, a bounded number of series, and Prometheus beside it."""

from __future__ import annotations

import re
import shutil
import time
import uuid

import httpx
import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 60.0
ROUNDS = 8
PARTS = {"gateway", "registry", "router", "retrieval", "llm-worker", "llm-worker-mini", "embed-worker"}


def shown(stack: Stack) -> str:
    return httpx.get(f"{stack.url}/metrics", timeout=30).text


def series(page: str) -> set[str]:
    """Names and labels, without the values."""
    return {line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")}


def ask(stack: Stack, model: str = "auto", collection: str = "") -> httpx.Response:
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": "Which tram?"}]}
    if collection:
        body["rag"] = {"collection": collection}
    return httpx.post(f"{stack.url}/v1/chat/completions", json=body, timeout=60)


def ask_for_what_is_made_up(stack: Stack) -> str:
    name = uuid.uuid4().hex
    ask(stack, model=name)
    ask(stack, collection=name)
    with httpx.Client(base_url=stack.url, timeout=60) as http:
        http.get(f"/v1/models/{name}")
        http.get(f"/{name}")
        http.request(name[:7].upper(), "/v1/models")
        http.post("/v1/embeddings", json={"model": name, "input": "x"})
        http.post("/api/chat", json={"model": name, "messages": [{"role": "user", "content": "x"}]})
    return name


def test_a_run_is_measured_by_the_workflow_and_shown_at_the_http_port(stack: Stack) -> None:
    assert ask(stack).status_code == 200
    page = shown(stack)
    assert re.search(r'^olo_runs_total\{[^}]*outcome="completed",reason=""[^}]*\} [1-9]', page, re.MULTILINE)
    assert re.search(r'^olo_run_attempts_total\{cause="",model="olo-demo[^}]*\} [1-9]', page, re.MULTILINE)
    assert re.search(r'^olo_run_duration_seconds_bucket\{[^}]*le="2621.44"[^}]*\} [1-9]', page, re.MULTILINE)


def test_names_that_callers_make_up_add_no_series(stack: Stack) -> None:
    # What happens for the first time adds the series of its kind: it takes some rounds until all kinds are there. A
    # label that callers choose would add some in each round.
    for _ in range(ROUNDS):
        before = series(shown(stack))
        made_up = [ask_for_what_is_made_up(stack) for _ in range(3)]
        page = shown(stack)
        assert not [name for name in made_up if name in page or name[:7].upper() in page]
        if not (added := series(page) - before):
            break
    assert not added


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_collects_from_every_part_and_has_the_alerts(stack: Stack) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.ports['prometheus']}/api/v1", timeout=30) as http:
        give_up, up = time.monotonic() + PATIENCE_SECONDS, set[str]()
        while up != PARTS and time.monotonic() < give_up:
            found = http.get("/query", params={"query": "up == 1"}).json()["data"]["result"]
            up = {each["metric"]["part"] for each in found}
            time.sleep(0.2)
        assert up == PARTS
        rules = http.get("/rules").json()["data"]["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
        assert "OloRunsFail" in {rule["name"] for rule in rules}
