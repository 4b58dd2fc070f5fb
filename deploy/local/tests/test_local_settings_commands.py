"""init, config show and doctor, without a stack."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from olo_client import AuthenticationError, OloError, PermissionDeniedError
from olo_client.cli import program
from olo_client.settings import read_settings_file
from olo_local import doctor
from olo_local.variables import MASKED, all_variables, masked


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What a settings file adds to the environment is taken back, too.
    for name in ("OLO_GATEWAY_DEFAULT_TIMEOUT", "TEMPORAL_API_KEY"):
        monkeypatch.setenv(name, "1")
        monkeypatch.delenv(name)
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path / "olo"))


def test_the_first_file_says_everything_and_changes_nothing(tmp_path: Path, capsys: Any) -> None:
    assert program.run(["init", "--yes"]) == 0
    assert read_settings_file(tmp_path / "olo.env") == {}
    text = (tmp_path / "olo.env").read_text()
    for variable in all_variables({}, {}):
        assert f"#{variable.name}=" in text
    assert "# Seconds that a run may take whose caller says nothing." in text
    assert program.run(["init", "--yes"]) == 1
    assert "olo.env is there already" in capsys.readouterr().err
    (tmp_path / "olo.env").write_text("")
    assert program.run(["init", "--yes", "--force"]) == 0
    assert (tmp_path / "olo.env").read_text() == text
    assert program.run(["init", "no/such/folder.env", "--yes"]) == 1


def test_what_is_asked_for_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    said = iter(["free", ".olo", "10.0.0.7:50051"])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(said))
    assert program.run(["init"]) == 0
    assert read_settings_file(tmp_path / "olo.env") == {"OLO_LOCAL_PORTS": "free", "OLO_TARGET": "10.0.0.7:50051"}


def test_settings_are_shown_with_their_sources_and_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "olo.env").write_text(
        "# mine\nOLO_GATEWAY_DEFAULT_TIMEOUT = 90  # seconds\nTEMPORAL_API_KEY='hush # hush'\n"
    )
    monkeypatch.setenv("OLO_NATS_URL", "nats://me:sesame@10.0.0.1:4222")
    assert program.run(["config", "show", "--json"]) == 0
    told = capsys.readouterr().out
    found = {variable["name"]: variable for variable in json.loads(told)["variables"]}
    assert (found["OLO_GATEWAY_DEFAULT_TIMEOUT"]["value"], found["OLO_GATEWAY_DEFAULT_TIMEOUT"]["source"]) == (
        "90",
        "file",
    )
    assert (found["OLO_NATS_URL"]["value"], found["OLO_NATS_URL"]["source"]) == (
        f"nats://{MASKED}@10.0.0.1:4222",
        "environment",
    )
    assert found["TEMPORAL_API_KEY"]["value"] == MASKED
    assert found["OLO_GATEWAY_HTTP_PORT"]["source"] == "default"
    assert found["OLO_NATS_URL"]["part"] == "shared"
    assert "hush" not in told
    assert "sesame" not in told
    monkeypatch.setenv("OLO_GATEWAY_DEFAULT_TIMEOUT", "30")
    assert program.run(["config", "show", "gateway", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["variables"]
    assert {variable["part"] for variable in shown} == {"gateway"}
    assert next(v["source"] for v in shown if v["name"] == "OLO_GATEWAY_DEFAULT_TIMEOUT") == "environment"
    assert program.run(["config", "show", "cellar"]) == 2


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OLO_X_API_KEY", "k", MASKED),
        ("OLO_X_PASSWORD", "", ""),
        ("OLO_X_MAX_TOKEN_COUNT", "7", "7"),
        ("OLO_X_DATABASE_URL", "postgresql://u:p@h/d", f"postgresql://{MASKED}@h/d"),
    ],
)
def test_what_is_masked(name: str, value: str, expected: str) -> None:
    assert masked(name, value, secret=False) == expected


def test_the_doctor_names_what_stands_in_the_way(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OLO_LOCAL_NATS_PORT", str(port))
        monkeypatch.setenv("OLO_ROUTER_PORT", "many")
        assert program.run(["doctor", "--json", "--target", f"127.0.0.1:{port}"]) == 1
    told = json.loads(capsys.readouterr().out)
    bad = {finding["subject"]: finding for finding in told["findings"] if finding["verdict"] == "problem"}
    assert {"ports", "settings"} <= set(bad)
    assert str(port) in bad["ports"]["detail"]
    assert "OLO_LOCAL_NATS_PORT" in bad["ports"]["advice"]
    assert "OLO_ROUTER_PORT" in bad["settings"]["detail"]
    assert all(finding["advice"] for finding in told["findings"] if finding["verdict"] != "ok")


def test_a_machine_without_a_stack_can_be_well(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("OLO_LOCAL_PORTS", "free")
    assert program.run(["doctor", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)["findings"]
    verdicts = {finding["subject"]: finding["verdict"] for finding in found}
    assert [verdicts[name] for name in ("python", "packages", "settings", "temporal", "nats-server", "ports")] == [
        "ok"
    ] * 6


@pytest.mark.parametrize(
    ("error", "verdict", "detail"),
    [
        (AuthenticationError("UNAUTHENTICATED", "auth_missing", "no"), "problem", "asks for an API key"),
        (PermissionDeniedError("PERMISSION_DENIED", "forbidden", "no"), "warning", "not for operators"),
    ],
)
def test_the_doctor_names_a_key_that_is_missing_or_refused(
    monkeypatch: pytest.MonkeyPatch, error: OloError, verdict: str, detail: str
) -> None:
    monkeypatch.delenv("OLO_API_KEY", raising=False)
    monkeypatch.delenv("OLO_API_KEY_FILE", raising=False)

    def ask(_: Any) -> Any:
        raise error

    found = doctor._asked("127.0.0.1:1", "models", ask)
    assert (found.subject, found.verdict) == ("models", verdict)
    assert detail in found.detail
