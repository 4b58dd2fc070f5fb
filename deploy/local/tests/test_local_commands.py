"""The commands, as far as they go without starting the stack, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from olo_client.cli import program
from olo_local import preparation, stack
from olo_local.errors import PortTaken, StackError
from olo_local.lock import directory_lock
from olo_local.ports import choose_ports
from olo_local.processes import created_at
from olo_local.settings import LocalSettings
from olo_local.stack import Place, children
from olo_local.state import StackState, clear_remains, read_state, write_state
from olo_local.types import ChildState, ChildStatus


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(tmp_path / "olo"))


def test_a_taken_port_is_named_with_who_needs_it_and_what_moves_it(
    capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OLO_LOCAL_NATS_PORT", str(port))
        with pytest.raises(PortTaken) as caught:
            choose_ports(LocalSettings(temporal_port=0, temporal_ui_port=0, metrics_port=0))
        assert str(port) in str(caught.value)
        assert "NATS" in str(caught.value)
        assert "OLO_LOCAL_NATS_PORT" in str(caught.value)
        assert program.run(["demo", "--once"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("olo: port ")


def test_who_waits_for_a_stack_that_another_one_stops_is_told_so(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: ended)
    assert program.run(["up"]) == 1
    assert "olo: the stack was stopped before it was ready\n" in capsys.readouterr().err


def test_a_taken_port_stops_the_background_start_too(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OLO_LOCAL_TEMPORAL_PORT", str(port))
        assert program.run(["up"]) == 1
    assert f"olo: port {port} is taken, and Temporal needs it" in capsys.readouterr().err
    state = read_state(tmp_path / "olo" / "stack.json")
    assert state is not None
    assert (state.phase, state.is_running) == ("failed", False)


def test_a_directory_that_cannot_be_written_is_named(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("OLO_LOCAL_DIRECTORY", str(blocked / "olo"))
    for arguments in (["up"], ["demo", "--once"]):
        assert program.run(arguments) == 1
        assert "cannot be written (Not a directory): set OLO_LOCAL_DIRECTORY" in capsys.readouterr().err


def test_a_missing_program_and_a_missing_checkpoint_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("checkpoint", "mini_checkpoint"):
        with pytest.raises(StackError, match=f"holds no model checkpoint: set OLO_LOCAL_{name.upper()}"):
            preparation.preparations(LocalSettings.model_validate({name: tmp_path}))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(StackError, match="the program temporal is missing"):
        stack.program("temporal")


def test_one_wrong_setting_is_named(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OLO_LOCAL_NATS_PORT", "many")
    assert program.run(["status"]) == 1
    assert "OLO_LOCAL_NATS_PORT" in capsys.readouterr().err


def test_two_stacks_do_not_share_a_directory(tmp_path: Path) -> None:
    with directory_lock(tmp_path), pytest.raises(StackError, match="a stack already runs"), directory_lock(tmp_path):
        pass
    with directory_lock(tmp_path):
        pass


def test_without_a_stack_there_is_nothing_to_show_or_to_stop(capsys: Any) -> None:
    assert program.run(["status"]) == 0
    assert program.run(["down"]) == 0
    assert capsys.readouterr().out == "no stack is running\n" * 2
    assert program.run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert program.run(["logs", "gateway"]) == 1
    assert "there is no log of gateway" in capsys.readouterr().err


def test_status_and_logs_of_a_running_stack(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    settings = LocalSettings()
    settings.logs.mkdir(parents=True)
    child = ChildStatus("gateway", "127.0.0.1:1", ChildState.READY, pid=os.getpid(), restarts=2, started_at=1.0)
    write_state(settings.state_file, StackState("up", phase="ready", children=[child]))
    assert program.run(["status"]) == 0
    shown = capsys.readouterr().out
    assert "up: ready" in shown
    assert "127.0.0.1:1" in shown
    assert program.run(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["children"][0]["restarts"] == 2
    (settings.logs / "gateway.log").write_text("one\ntwo\nthree\n")
    assert program.run(["logs", "gateway", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"
    (settings.logs / "nats.log").write_text("four\n")
    assert program.run(["logs", "-n", "1"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["gateway", "three"], ["nats", "four"]]
    assert program.run(["logs", "--follow"]) == 2


def test_remains_of_a_dead_supervisor_are_killed_and_strangers_are_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(command, start_new_session=True) as left,
        subprocess.Popen(command, start_new_session=True) as stranger,
    ):
        try:
            state = StackState(
                "up",
                pid=0,
                children=[
                    ChildStatus("left", "-", pid=left.pid, pid_created=created_at(left.pid)),
                    ChildStatus("gone", "-", pid=stranger.pid, pid_created=created_at(stranger.pid) - 1000),
                ],
            )
            write_state(tmp_path / "stack.json", state)
            told = read_state(tmp_path / "stack.json")
            assert told is not None
            assert clear_remains(told) == ["left"]
            assert left.wait(10) == -signal.SIGKILL
            assert psutil.pid_exists(stranger.pid)
            assert stranger.poll() is None
        finally:
            left.kill()
            stranger.kill()


def test_a_damaged_state_file_is_no_state(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"children": [{}]}', '{"children": [], "mode": "up", "wrong": 1}'):
        (tmp_path / "stack.json").write_text(text)
        assert read_state(tmp_path / "stack.json") is None


def test_every_need_is_a_child_and_ports_are_distinct(tmp_path: Path) -> None:
    ports = choose_ports(LocalSettings(ports="free"))
    specs = children(ports, Place(tmp_path, tmp_path, "memory"))
    names = [spec.name for spec in specs]
    assert len(set(names)) == len(names) == 9
    assert all(need in names for spec in specs for need in (*spec.needs, *spec.uses))
    assert len(set(ports.serving.values())) == len(ports.serving)


async def test_a_model_is_made_once_and_again_when_its_source_changes(tmp_path: Path, monkeypatch: Any) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "olo_test_maker.py").write_text(
        "import sys, pathlib\nif __name__ == '__main__':\n    pathlib.Path(sys.argv[4]).mkdir()\n"
    )
    monkeypatch.syspath_prepend(tools)
    monkeypatch.setenv("PYTHONPATH", str(tools))
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").write_text("1")
    target = tmp_path / "models" / "m"
    item = preparation.Preparation("m", target, "olo_test_maker", ("--name", "m"), source)

    async def made() -> list[str]:
        return [name async for name in preparation.prepare([item])]

    assert await made() == ["m"]
    assert target.is_dir()
    assert await made() == []
    (source / "weights").write_text("2")
    assert await made() == ["m"]
    (tools / "olo_test_maker.py").write_text("raise SystemExit('the weights are damaged')")
    with pytest.raises(StackError, match="the model m cannot be prepared: the weights are damaged"):
        await made()
    assert not item.marker.exists()
