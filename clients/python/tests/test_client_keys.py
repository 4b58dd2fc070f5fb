"""API keys: in every call of both clients, and in the file that `olo keys` looks after."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from olo_client import AsyncOlo, AuthenticationError, Olo
from olo_client.cli import program as cli
from olo_client.key_file import Grant, KeyFileError, changed, created, entries_of, known, revoked, rotated
from olo_client.settings import SettingsFileError
from olo_contracts.api_keys import KEY, hash_of, id_of

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Refusing(grpc.GenericRpcHandler):
    """Refuses every call of every kind, and notes with which key it came."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, Any]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method.rpartition("/")[2]
        self.keys.append((method, dict(handler_call_details.invocation_metadata or ()).get("authorization")))

        def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
            # Who is refused while they still write is told of the writing by grpc.aio, now and then.
            assert list(requests)
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")

        return grpc.stream_stream_rpc_method_handler(refuse)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    for name in ("OLO_API_KEY", "OLO_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    server, handler = grpc.server(ThreadPoolExecutor(2)), Refusing()
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OLO_TARGET", f"127.0.0.1:{port}")
    handler.target = f"127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield handler
    server.stop(None)


def test_every_kind_of_call_carries_the_key(refusing: Any) -> None:
    with Olo(refusing.target, api_key="olo-1") as olo:
        for call in (
            lambda: list(olo.models.list()),
            lambda: list(olo.chat_stream("Hello")),
            lambda: olo.files.upload(b"x", purpose="batch", filename="x"),
        ):
            with pytest.raises(AuthenticationError):
                call()
    assert refusing.keys == [(name, "Bearer olo-1") for name in ("ListModels", "ChatStream", "UploadFile")]


async def test_every_kind_of_call_that_is_awaited_carries_the_key(refusing: Any) -> None:
    async with AsyncOlo(refusing.target, api_key="olo-1") as olo:
        with pytest.raises(AuthenticationError):
            _ = [model async for model in olo.models.list()]
        with pytest.raises(AuthenticationError):
            _ = [event async for event in olo.chat_stream("Hello")]
        with pytest.raises(AuthenticationError):
            await olo.files.upload(b"x", purpose="batch", filename="x")
    assert refusing.keys == [(name, "Bearer olo-1") for name in ("ListModels", "ChatStream", "UploadFile")]


def test_the_key_comes_from_the_environment_or_a_file(
    refusing: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "key"
    file.write_text("olo-of-file\n")
    assert cli.run(["models", "list"]) == 1
    assert "asks for an API key" in capsys.readouterr().err
    monkeypatch.setenv("OLO_API_KEY_FILE", str(file))
    assert cli.run(["models", "list"]) == 1
    assert "does not take this API key" in capsys.readouterr().err
    monkeypatch.setenv("OLO_API_KEY", "olo-of-variable")
    assert cli.run(["models", "list"]) == 1
    monkeypatch.delenv("OLO_API_KEY_FILE")
    assert cli.run(["--api-key-file", str(file), "models", "list"]) == 1
    keys = [key for _, key in refusing.keys]
    assert keys == [None, "Bearer olo-of-file", "Bearer olo-of-variable", "Bearer olo-of-file"]
    monkeypatch.setenv("OLO_API_KEY_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("OLO_API_KEY", raising=False)
    with pytest.raises(SettingsFileError, match="cannot be read"):
        Olo(refusing.target)


def test_a_key_is_made_shown_once_and_looked_after(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys.yaml"
    file = ["--file", str(path)]
    assert cli.run(["keys", "create", "--tenant", "acme", "--name", "build", "--expires", "90d", *file]) == 0
    out, err = capsys.readouterr()
    key = out.strip()
    assert KEY.fullmatch(key)
    assert id_of(key) in err
    assert key not in err
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [entry] = yaml.safe_load(path.read_text())["keys"]
    assert (entry["hash"], entry["tenant"], entry["roles"]) == (hash_of(key), "acme", ["user"])

    limits = ["--requests-per-minute", "5", "--tokens-per-minute", "900", "--concurrency", "2", "--priority", "normal"]
    wide = ["keys", "create", "--tenant", "ops", "--role", "admin", "--role", "user", "--model", "a", "--model", "b"]
    assert cli.run([*wide, *limits, *file, "--json"]) == 0
    admin = json.loads(capsys.readouterr().out)
    entry = yaml.safe_load(path.read_text())["keys"][1]
    assert (entry["roles"], entry["models"]) == (["admin", "user"], ["a", "b"])
    assert entry["limits"] == {
        "requests_per_minute": 5,
        "tokens_per_minute": 900,
        "concurrency": 2,
        "priority": "normal",
    }

    assert cli.run(["keys", "rotate", admin["id"], "--overlap", "1h", *file, "--json"]) == 0
    renewed = json.loads(capsys.readouterr().out)
    assert renewed["id"] == id_of(renewed["key"]) != admin["id"]
    assert cli.run(["keys", "revoke", id_of(key), *file]) == 0
    capsys.readouterr()
    assert cli.run(["keys", "list", *file, "--json"]) == 0
    found = {each["id"]: each for each in json.loads(capsys.readouterr().out)}
    assert found[id_of(key)]["state"] == "revoked"
    assert found[admin["id"]]["state"] == "active"
    assert found[admin["id"]]["expires"]
    assert found[renewed["id"]]["roles"] == ["admin", "user"]
    assert cli.run(["keys", "list", *file]) == 0
    assert "acme" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["create", "--tenant", "../x"], "tenant"),
        (["create", "--tenant", "a", "--role", "root"], "role"),
        (["create", "--tenant", "a", "--expires", "soon"], "--expires"),
        (["create", "--tenant", "a", "--priority", "urgent"], "priority"),
        (["create", "--tenant", "a", "--model", "a b"], "model"),
        (["create", "--tenant", "a", "--concurrency", "0"], "at least 1"),
        (["revoke", "none"], "no key with the id none"),
        (["rotate", "none"], "no key with the id none"),
    ],
)
def test_what_is_wrong_is_said_and_the_file_stays(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []\n")
    assert cli.run(["keys", *arguments, "--file", str(path)]) == 2
    assert problem in capsys.readouterr().err
    assert path.read_text() == "keys: []\n"


@pytest.mark.parametrize("content", ["keys: [", "- 1", "keys: 3", "keys: [3]"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(content)
    with pytest.raises(KeyFileError), changed(path):
        pass
    assert path.read_text() == content


def test_keys_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"

    def make(number: int) -> str:
        with changed(path) as entries:
            return created(entries, Grant(f"t{number}"), NOW)[0]

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(make, range(24)))
    assert {each.id for each in known(entries_of(path), NOW)} == made


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("keys: []\n")
    (tmp_path / "keys.yaml").symlink_to("real.yaml")
    with changed(tmp_path / "keys.yaml") as entries:
        created(entries, Grant("a"), NOW)
    assert (tmp_path / "keys.yaml").is_symlink()
    assert len(entries_of(tmp_path / "real.yaml")) == 1


def test_a_key_that_is_rotated_ends_after_the_overlap_and_no_later_than_before() -> None:
    entries: list[dict[str, Any]] = []
    first, _ = created(entries, Grant("a", lasts=timedelta(hours=1)), NOW)
    later = NOW + timedelta(minutes=50)
    second, _ = rotated(entries, first, timedelta(hours=9), later)
    assert {each.id: each.expires for each in known(entries, later)} == {
        first: "2030-01-01T01:00:00Z",
        second: "2030-01-01T01:50:00Z",
    }
    third, _ = rotated(entries, second, timedelta(0), later)
    states = {each.id: each.state for each in known(entries, later)}
    assert states == {first: "active", second: "expired", third: "active"}
    revoked(entries, third, NOW)
    with pytest.raises(KeyFileError, match="revoked"):
        rotated(entries, third, timedelta(0), NOW)
