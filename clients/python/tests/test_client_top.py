"""`olo top`, against a server that answers as a gateway does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console

from olo_client.cli import program as cli
from olo_client.cli import top as command
from olo_client.cluster import sample
from olo_client.errors import UnavailableError

ADMISSION = {"in_flight": 3, "limit": 16, "parked": 1, "refused": {"normal": 2, "low": 5}}


def instance(state: str, in_flight: int) -> dict[str, Any]:
    return {"state": state, "in_flight": in_flight, "max_concurrency": 4}


def measured(attempts: float, first_token: float | None, tokens: float) -> dict[str, Any]:
    figures = {"first_token": first_token, "per_token": 0.05, "error_rate": 0.25, "tokens_per_second": tokens}
    return {"model_id": "large", "attempts": attempts, **figures}


class Gateway:
    """What it answers, by path; an int is a status."""

    def __init__(self) -> None:
        parts = {"gateway": True, "temporal": True, "registry": True, "router": True}
        large = {"model_id": "large", "type": "llm", "available": True}
        small = {"model_id": "small", "type": "llm", "available": False, "instances": []}
        self.answers: dict[str, Any] = {
            "/api/cluster/status": {"status": "ok", "parts": parts},
            "/api/cluster/models": {
                "models": [{**large, "instances": [instance("ready", 3), instance("draining", 1)]}, small]
            },
            "/api/queue/status": {
                "admission": ADMISSION,
                "queues": [{"model_id": "large", "waiting": 7, "oldest": 1.5}],
            },
            "/admin/performance": {
                "models": [measured(3, 0.2, 20.0), measured(1, 0.6, 60.0)],
                "breakers": [{"model_id": "large", "state": "closed"}, {"model_id": "large", "state": "half_open"}],
            },
        }
        self.url = ""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    told = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = told.answers.get(self.path, 404)
            body = json.dumps(answer).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_port}"
        yield told
        server.shutdown()
        thread.join()


def test_a_sample_can_be_read_by_programs(gateway: Gateway, capsys: Any) -> None:
    assert cli.run(["top", "--once", "--json", "--url", gateway.url]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["admission"] == ADMISSION
    large, small = told["models"]
    assert (large["in_flight"], large["slots"], large["instances"], large["instances_known"]) == (4, 8, 1, 2)
    assert (large["waiting"], large["oldest"], large["breaker"]) == (7, 1.5, "half_open")
    assert (large["tokens_per_second"], large["first_token"]) == (30.0, pytest.approx(0.3))
    assert (small["tokens_per_second"], small["waiting"], small["breaker"]) == (None, None, "closed")


def test_a_sample_is_shown(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("OLO_URL", gateway.url)
    assert cli.run(["top"]) == 0
    told = capsys.readouterr().out
    assert "runs in flight 3/16, parked 1, refused 7" in told
    row = next(line for line in told.splitlines() if line.split()[:1] == ["large"])
    cells = "1/2 4/8 7 1.5 s 30.0 300 ms 50 ms 25.0% half open"
    assert " ".join(row.split()) == f"large {cells}"


def test_a_part_that_is_away_takes_nothing_of_the_others(gateway: Gateway, capsys: Any) -> None:
    gateway.answers["/api/cluster/models"] = 503
    gateway.answers["/api/cluster/status"]["parts"]["registry"] = False
    assert cli.run(["top", "--once", "--url", gateway.url]) == 0
    told = capsys.readouterr().out
    assert "away: registry" in told
    assert "models are not known" in told


@pytest.mark.parametrize(("answer", "code"), [(404, 1), ([], 1), ({}, 1)])
def test_what_is_no_gateway_is_said_so(gateway: Gateway, answer: Any, code: int, capsys: Any) -> None:
    gateway.answers["/api/cluster/status"] = answer
    assert cli.run(["top", "--once", "--url", gateway.url]) == code
    assert "no gateway" in capsys.readouterr().err


def test_an_address_where_nobody_answers_is_named(gateway: Gateway, capsys: Any) -> None:
    assert cli.run(["top", "--once", "--url", "http://127.0.0.1:1"]) == cli.MAY_PASS
    assert "no gateway answers at http://127.0.0.1:1" in capsys.readouterr().err
    assert cli.run(["top", "--once", "--url", "127.0.0.1:8080"]) == 1
    assert "must begin with http://" in capsys.readouterr().err


def test_it_goes_on_through_an_outage_and_ends_with_ctrl_c(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [
        sample(gateway.url),
        UnavailableError("UNAVAILABLE", "unavailable", "no gateway answers"),
        KeyboardInterrupt(),
    ]
    shown: list[str] = []

    def look(_: str) -> Any:
        told = looks.pop(0)
        if isinstance(told, BaseException):
            raise told
        return told

    def view(told: Any, now: float, problem: str = "") -> str:
        shown.append(problem)
        return "drawn"

    terminal = Console(force_terminal=True, width=100)
    monkeypatch.setattr(command, "Console", lambda: terminal)
    monkeypatch.setattr(command, "sample", look)
    monkeypatch.setattr(command, "view", view)
    monkeypatch.setattr(command.time, "sleep", lambda _: None)
    assert cli.run(["top"]) == 0
    assert shown == ["", "no gateway answers"]
