"""The support bundle holds what helps, and nothing that is nobody's business."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from olo_client.cli import program
from olo_client.errors import UnavailableError
from olo_common.log_fields import shareable
from olo_local import bundle
from olo_local.variables import MASKED

CANARIES = {
    "OLO_NATS_URL": "nats://me:canary-nats@127.0.0.1:1",
    "TEMPORAL_API_KEY": "canary-temporal",
    "OLO_REGISTRY_DATABASE_URL": "postgresql://me:canary-sql@127.0.0.1:1/db",
    "OLO_RETRIEVAL_QDRANT_API_KEY": "canary-qdrant",
    "OLO_RETRIEVAL_SOURCE_DATABASES": '{"shop": "postgresql://me:canary-shop@127.0.0.1:1/db"}',
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary-otel",
    "NOBODYS_SECRET": "canary-environment",
}


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path / "olo"))
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)


def parts_of(file: Path) -> dict[str, Any]:
    with tarfile.open(file) as archive:
        return {entry.name: json.load(archive.extractfile(entry)) for entry in archive}  # type: ignore[arg-type]


def test_a_bundle_holds_what_helps_and_no_secret(tmp_path: Path, capsys: Any) -> None:
    logs = tmp_path / "olo" / "logs"
    logs.mkdir(parents=True)
    head = {"service": "gateway", "level": "error", "timestamp": "2026-11-21T10:00:00Z"}
    lines = [
        {**head, "event": "rpc_crashed", "reason": "busy", "prompt": "canary-prompt", "run_id": "run-1"},
        {**head, "event": "canary-library", "place": "a.py:1", "logger": "b"},
        {**head, "event": "crashed", "exception": "Traceback\n  in a\nValueError: canary-exception"},
        {**head, "event": "crashed", "exception": "ValueError at a.py:1 leak"},
    ]
    (logs / "gateway.log").write_text("\n".join([*map(json.dumps, lines), "canary-raw", '["canary-json"]']))
    command = ["doctor", "--bundle", "b.tar.gz", "--target", "127.0.0.1:1", "--url", "http://127.0.0.1:1", "--json"]
    assert program.run(command) == 0
    named = json.loads(capsys.readouterr().out)["parts"]
    parts = parts_of(tmp_path / "b.tar.gz")
    assert set(parts) == {f"olo-support/{name}" for name in named}
    assert "canary" not in json.dumps(parts)
    told = parts["olo-support/logs/gateway.json"]
    assert told["left_out"] == 2
    assert [line["event"] for line in told["lines"]] == ["rpc_crashed", "library_message", "crashed", "crashed"]
    assert told["lines"][0] == {**head, "event": "rpc_crashed", "reason": "busy", "run_id": "run-1"}
    assert told["lines"][3]["exception"] == "ValueError at a.py:1 leak"
    settings = {variable["name"]: variable["value"] for variable in parts["olo-support/settings.json"]}
    assert settings["TEMPORAL_API_KEY"] == MASKED
    assert settings["OLO_NATS_URL"] == f"nats://{MASKED}@127.0.0.1:1"
    assert parts["olo-support/gateway/models.json"]["reason"] == "unavailable"
    assert parts["olo-support/versions.json"]["packages"]["olo-gateway"]
    assert "gateway" in [finding["subject"] for finding in parts["olo-support/findings.json"]]
    assert stat.S_IMODE((tmp_path / "b.tar.gz").stat().st_mode) == 0o600


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "kept").write_text("mine")
    assert program.run(["doctor", "--bundle", "kept", "--target", "127.0.0.1:1"]) == 1
    assert "kept is there already" in capsys.readouterr().err
    assert (tmp_path / "kept").read_text() == "mine"
    assert program.run(["doctor", "--bundle", "no/such/folder.tar.gz", "--target", "127.0.0.1:1"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_lines_of_the_gateway_are_reduced_too() -> None:
    line = {"time": "2026-11-21T10:00:00Z", "level": "info", "service": "router", "event": "canary", "run_id": "r"}
    (told,) = bundle._gateway_lines([{**line, "fields": {"place": "a.py:1", "prompt": "canary"}}])
    assert told == shareable(told)
    assert (told["timestamp"], told["run_id"], told["event"]) == ("2026-11-21T10:00:00Z", "r", "library_message")
    assert "canary" not in json.dumps(told)


def test_a_part_that_is_away_says_so() -> None:
    def away() -> None:
        raise UnavailableError("UNAVAILABLE", "unavailable", "no gateway answers")

    assert bundle._or_problem(away) == {"problem": "no gateway answers", "reason": "unavailable"}
