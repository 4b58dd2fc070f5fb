"""init, config show and doctor, without a stack."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from olo_client import AuthenticationError, OloError, PermissionDeniedError
from olo_client.cli import program
from olo_client.settings import read_settings_file
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.payload_keys import payload_keys
from olo_common.settings import TlsSettings
from olo_common.tls import server_files
from olo_local import doctor
from olo_local.variables import MASKED, all_variables, masked
from olo_router.settings import RouterSettings
from olo_testing.certificates import Authority, Issued


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


def test_the_doctor_names_what_stands_in_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    # Whatever else runs on this machine: its stack is none of ours, and its ports are findings beside the one below.
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OLO_LOCAL_NATS_PORT", str(port))
        monkeypatch.setenv("OLO_ROUTER_PORT", "many")
        assert program.run(["doctor", "--json", "--target", f"127.0.0.1:{port}"]) == 1
    told = json.loads(capsys.readouterr().out)
    bad = [finding for finding in told["findings"] if finding["verdict"] == "problem"]
    ours = [each for each in bad if each["subject"] == "ports" and each["detail"].startswith(f"{port} ")]
    assert len(ours) == 1
    assert "OLO_LOCAL_NATS_PORT" in ours[0]["advice"]
    assert any("OLO_ROUTER_PORT" in each["detail"] for each in bad if each["subject"] == "settings")
    assert all(finding["advice"] for finding in told["findings"] if finding["verdict"] != "ok")


def test_a_machine_without_a_stack_can_be_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    monkeypatch.setenv("OLO_LOCAL_PORTS", "free")
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path))
    assert program.run(["doctor", "--json"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)["findings"]
    verdicts = {finding["subject"]: finding["verdict"] for finding in found}
    assert [verdicts[name] for name in ("python", "packages", "settings", "temporal", "nats-server", "ports")] == [
        "ok"
    ] * 6


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Issued:
    authority = Authority(tmp_path / "ca")
    issued = authority.issue(ends=timedelta(days=3))
    for name, file in (("CERT", issued.certificate), ("KEY", issued.key), ("CA", authority.file)):
        monkeypatch.setenv(f"OLO_TLS_{name}_FILE", str(file))
    monkeypatch.setenv("OLO_LOCAL_PORTS", "free")
    return issued


def _findings(capsys: Any, subject: str) -> list[dict[str, str]]:
    told = json.loads(capsys.readouterr().out)["findings"]
    return [finding for finding in told if finding["subject"] == subject]


def test_the_doctor_reads_the_files_of_tls(pair: Issued, tmp_path: Path, capsys: Any) -> None:
    assert program.run(["doctor", "--json"]) in (0, 1)
    servers, calls = _findings(capsys, "tls")
    assert servers["verdict"] == "warning"
    assert "ends in 3.0 days" in servers["detail"]
    assert calls["verdict"] == "ok"
    pair.key.write_bytes(Authority(tmp_path / "other").issue().key.read_bytes())
    server_files.cache_clear()
    assert program.run(["doctor", "--json"]) == 1
    problem = _findings(capsys, "tls")[0]
    assert problem["verdict"] == "problem"
    assert problem["detail"].startswith("OLO_TLS_KEY_FILE: the key in")


@asynccontextmanager
async def _serving(tls: TlsSettings) -> AsyncIterator[str]:
    async with grpc_server(RouterSettings(port=0, tls=tls), [], Health()) as address:
        yield address


async def test_the_doctor_says_how_the_gateway_is_to_be_called(
    pair: Issued, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    tls = TlsSettings()
    for name in ("CERT", "KEY", "CA"):
        monkeypatch.delenv(f"OLO_TLS_{name}_FILE")
    async with _serving(tls) as address:
        monkeypatch.setenv("OLO_TLS_CA_FILE", str(Authority(tmp_path / "stranger").file))
        command = ["doctor", "--json", "--target", address]
        assert await asyncio.to_thread(program.run, command) == 1
        (gateway,) = _findings(capsys, "gateway")
        assert "not trusted" in gateway["detail"]
        assert "secure-connections.md" in gateway["advice"]
        monkeypatch.setenv("OLO_TLS_CA_FILE", str(tls.ca_file))
        await asyncio.to_thread(program.run, command)
        assert _findings(capsys, "gateway")[0]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("missing", "given"),
    [
        ("OLO_TLS_CA_FILE", ("OLO_TLS_CERT_FILE", "OLO_TLS_KEY_FILE")),
        ("OLO_TLS_CERT_FILE", ("OLO_TLS_CA_FILE",)),
        (
            "OLO_TLS_CLIENT_CERT_FILE",
            ("OLO_TLS_CERT_FILE", "OLO_TLS_KEY_FILE", "OLO_TLS_CLIENT_CA_FILE", "OLO_TLS_CA_FILE"),
        ),
    ],
)
def test_a_stack_that_could_not_call_itself_is_not_started(
    missing: str, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name in given:
        monkeypatch.setenv(name, "some.pem")
    assert program.run(["up"]) == 1
    assert f"olo: {missing}: is needed" in capsys.readouterr().err


def test_the_demo_shows_calls_without_tls(pair: Issued, capsys: Any) -> None:
    assert program.run(["demo", "--once"]) == 1
    assert "unset OLO_TLS_CERT_FILE" in capsys.readouterr().err


def test_secrets_that_stand_in_files_are_shown_with_the_name_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "password").write_text("hush")
    monkeypatch.setenv("OLO_NATS_USER", "olo")
    monkeypatch.setenv("OLO_NATS_PASSWORD_FILE", str(tmp_path / "password"))
    assert program.run(["config", "show", "--json"]) == 0
    told = capsys.readouterr().out
    found = {variable["name"]: variable["value"] for variable in json.loads(told)["variables"]}
    assert found["OLO_NATS_PASSWORD_FILE"] == str(tmp_path / "password")
    assert "hush" not in told


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


def test_the_doctor_reads_the_file_of_payload_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    monkeypatch.setenv("OLO_LOCAL_PORTS", "free")
    path = tmp_path / "keys"
    monkeypatch.setenv("OLO_PAYLOAD_KEYS_FILE", str(path))
    for key_id in ("a", "b"):
        assert program.run(["payload-keys", "create", "--id", key_id]) == 0
    capsys.readouterr()
    assert program.run(["doctor", "--json"]) in (0, 1)
    assert [each["detail"] for each in _findings(capsys, "payload keys")] == ["a encrypts; also read: b"]
    payload_keys.cache_clear()
    path.write_text("a\n")
    assert program.run(["doctor", "--json"]) == 1
    [problem] = _findings(capsys, "payload keys")
    assert problem["verdict"] == "problem"
    assert "line 1: must be an id" in problem["detail"]
    payload_keys.cache_clear()
