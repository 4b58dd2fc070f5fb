"""Prometheus beside the stack: what it is told, that both start and end together, and what is said without it."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from olo_local import commands, observing
from olo_local.errors import StackError
from olo_local.observing import configuration, prometheus
from olo_local.ports import Ports, choose_ports
from olo_local.probes import http_ready
from olo_local.processes import is_alive
from olo_local.settings import LocalSettings
from olo_local.state import StackState
from olo_local.supervisor import Supervisor
from olo_local.types import ChildState, ChildStatus

PORTS = Ports({"prometheus": 9090}, {"gateway": 9102, "llm_worker_mini": 9107, "router": 0})
needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


def test_every_process_is_asked_and_told_apart(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    assert configuration(PORTS, rules)["rule_files"] == []
    rules.write_text("{}")
    told = configuration(PORTS, rules)
    assert told["rule_files"] == [str(rules)]
    assert [(each["targets"], each["labels"]) for each in told["scrape_configs"][0]["static_configs"]] == [
        (["127.0.0.1:9102"], {"part": "gateway"}),
        (["127.0.0.1:9107"], {"part": "llm-worker-mini"}),
    ]


def test_only_an_observed_stack_measures_on_free_ports() -> None:
    alone = choose_ports(LocalSettings(ports="free"))
    assert "prometheus" not in alone.serving
    assert set(alone.metrics.values()) == {0}
    observed = choose_ports(LocalSettings(ports="free", observe=True))
    taken = [*observed.serving.values(), *observed.metrics.values()]
    assert observed.serving["prometheus"]
    assert 0 not in taken
    assert len(set(taken)) == len(taken)


def test_there_must_be_metrics_to_collect(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="OLO_LOCAL_METRICS_PORT"):
        prometheus(Ports({"prometheus": 9090}, {"gateway": 0}), tmp_path, tmp_path / "rules.yaml")


def test_without_prometheus_the_stack_runs_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "installed", lambda: None)
    assert prometheus(PORTS, tmp_path, tmp_path / "rules.yaml") == []
    state = StackState("up", ports={"prometheus": 9090})
    assert "apt-get install prometheus" in commands._metrics(state)
    state.children = [ChildStatus("prometheus", "127.0.0.1:9090")]
    assert commands._metrics(state).startswith("http://127.0.0.1:9090")


def test_a_stack_that_runs_unobserved_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLO_LOCAL_OBSERVE", "true")
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path))
    # The state of a stack whose supervisor is this process.
    monkeypatch.setattr(commands, "read_state", lambda _: StackState("up", phase="ready", ports={"gateway": 1}))
    commands.up(ports=None, as_json=False)
    assert "it is not observed: stop it" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "ready"), [(b"HTTP/1.0 200 OK\r\n\r\n", True), (b"HTTP/1.0 503 No\r\n\r\n", False)])
async def test_a_server_is_ready_with_status_200(answer: bytes, ready: bool) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await http_ready("127.0.0.1", port, "/-/ready")() is ready


async def test_a_server_that_is_not_there_is_not_ready() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert not await http_ready("127.0.0.1", probe.getsockname()[1], "/")()


@needs_prometheus
async def test_prometheus_starts_with_the_stack_and_ends_with_it(tmp_path: Path) -> None:
    settings = LocalSettings(ports="free", observe=True)
    specs = prometheus(choose_ports(settings), tmp_path, settings.rules)
    file = tmp_path / "prometheus" / "prometheus.yml"
    told: dict[str, Any] = json.loads(file.read_text())
    assert told["rule_files"] == [str(settings.rules)]
    checked = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    supervisor = Supervisor(specs, tmp_path, lambda _: None)
    try:
        await supervisor.start()
        status = supervisor.statuses["prometheus"]
        assert status.state is ChildState.READY
        pid, created = status.pid, status.pid_created
    finally:
        await supervisor.stop()
    assert not is_alive(pid, created)
