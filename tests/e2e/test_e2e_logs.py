"""What the whole stack writes to its logs, and shows of them."""

from __future__ import annotations

import json
import tarfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from olo_testing.stack import Stack
from olo_testing.traces import Collector, SentLine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CALLED = {"gateway", "registry", "router", "retrieval", "llm-worker", "embed-worker"}


def shown(stack: Stack, **wanted: Any) -> dict[str, Any]:
    answer = httpx.get(f"{stack.url}/logviewer/api/logs", params=wanted, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def wait_for_services(stack: Stack) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        told = shown(stack, limit=1000)
        if set(told["services"]) >= CALLED or time.monotonic() > deadline:
            return told
        time.sleep(0.2)


def test_every_service_tells_its_lines(stack: Stack) -> None:
    told = wait_for_services(stack)
    assert set(told["services"]) == CALLED
    assert {line["service"] for line in told["lines"] if line["event"] == "service_started"} == CALLED


def test_every_service_sends_its_lines_to_a_collector(stack: Stack, traces: Collector) -> None:
    def called(lines: list[SentLine]) -> set[str]:
        return {line.service.removeprefix("olo-") for line in lines if line.event == "service_started"}

    assert called(traces.wait_for_lines(lambda lines: called(lines) >= CALLED, 60)) == CALLED


def test_no_log_holds_what_callers_send(stack: Stack, traces: Collector) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    chat, turn = f"{stack.url}/v1/chat/completions", {"role": "user", "content": f"Say {canary}."}
    headers = {"Authorization": f"Bearer {canary}"}
    calls: list[tuple[str, Any]] = [
        (chat, {"messages": [turn]}),
        (chat, {"messages": [turn], "rag": {"collection": "demo"}}),
        (chat, {"messages": [turn], "rag": {"collection": canary}}),
        (chat, {"messages": [turn], "model": canary}),
        (chat, {"messages": [{"role": canary}]}),
        (chat, {"messages": [turn], "response_format": {"type": "json_schema", "json_schema": canary}}),
        (chat, {"messages": [turn], "temperature": canary}),
        (f"{stack.url}/v1/embeddings", {"model": "auto", "input": [canary, 7]}),
        (f"{stack.url}/v1/tokenize", {"text": canary, "model": canary}),
        (chat, canary),
    ]
    statuses = [httpx.post(url, json=body, headers=headers, timeout=60).status_code for url, body in calls]
    assert statuses[0] == 200
    assert set(statuses[2:]) & {400, 404, 422}
    folder = Path(stack.env["OLO_LOCAL_DIRECTORY"]) / "logs"
    written = {path.stem: path.read_text(errors="replace") for path in folder.glob("*.log")}
    assert set(written) >= CALLED
    assert not [name for name, text in written.items() if canary in text]
    assert canary not in json.dumps(shown(stack, limit=1000))
    assert canary not in str(traces.wait_for_lines(bool))


def test_a_run_is_found_in_its_trace_and_in_the_bundle(stack: Stack, tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "When did the tram begin?"}], "rag": {"collection": "demo"}}
    run_id = httpx.post(f"{stack.url}/v1/chat/completions", json=body, timeout=60).json()["olo"]["run_id"]
    trace = json.loads(stack.olo("runs", "trace", run_id, "--json"))
    assert [step["name"] for step in trace["steps"]] == ["retrieve", "select", "queue", "generate"]
    assert trace["steps"][-1]["first_token_time"]
    assert len(trace["trace_id"]) == 32
    assert run_id in trace["temporal_url"]
    sample = json.loads(stack.olo("top", "--once", "--json", "--url", stack.url))
    assert {model["model_id"]: model["available"] for model in sample["models"]}["olo-demo"]
    stack.olo("doctor", "--bundle", str(tmp_path / "support.tar.gz"))
    with tarfile.open(tmp_path / "support.tar.gz") as archive:
        parts = {entry.name.removeprefix("olo-support/"): archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    assert run_id in parts["gateway/runs.json"].decode()
    assert json.loads(parts["gateway/logs.json"])
    told = b"".join(parts.values())
    assert b"tram begin" not in told
    answers = {name: json.loads(part) for name, part in parts.items() if name.startswith("gateway/")}
    assert not [name for name, answer in answers.items() if isinstance(answer, dict) and "problem" in answer]
