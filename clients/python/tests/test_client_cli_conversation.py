"""Conversations at a terminal, comparisons, prompts from files, the settings file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse, RunStarted, TextDelta
from olo_client.cli import program as cli
from olo_client.settings import SettingsFileError, read_settings_file

MISSING = (grpc.StatusCode.NOT_FOUND, "model_not_found", "there is no such model", {})


@pytest.fixture(autouse=True)
def _settled(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TARGET", served.target)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


class Terminal(io.StringIO):
    """Lines that somebody types."""

    def isatty(self) -> bool:
        return True


def streamed(text: str) -> list[Any]:
    done = ChatStreamResponse()
    done.completed.message.content, done.completed.model = text, "olo-demo"
    started = ChatStreamResponse(started=RunStarted(run_id="r"))
    return [started, ChatStreamResponse(delta=TextDelta(text=text, offset=0)), done]


def test_a_conversation_keeps_its_turns_and_survives_a_failure(
    served: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    served.gateway.streams = [streamed("One."), [MISSING], streamed("Two."), streamed("Three.")]
    lines = ["first", "", "lost", "/model large", "second", "/help", "/clear", "third", "/exit", "never asked"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(lines) + "\n"))
    assert cli.run(["chat", "--temperature", "0"]) == 0
    asked = [request.request for request in served.gateway.requests]
    assert [[turn.content for turn in request.messages] for request in asked] == [
        ["first"],
        ["first", "One.", "lost"],
        ["first", "One.", "second"],
        ["third"],
    ]
    assert [request.model for request in asked] == ["auto", "auto", "large", "large"]
    assert len({request.conversation_id for request in asked}) == 1
    out, err = capsys.readouterr()
    assert all(answer in out for answer in ("One.", "Two.", "Three."))
    assert "there is no such model" in err
    assert "/clear" in err


def test_the_end_of_the_input_ends_a_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    assert cli.run(["chat"]) == 0


def test_models_are_compared_and_one_that_fails_is_named(served: Any, capsys: Any) -> None:
    assert cli.run(["chat", "Hello", "--compare", "a,b"]) == 0
    assert {request.model for request in served.gateway.requests} == {"a", "b"}
    out = capsys.readouterr().out
    assert out.count("You said Hello") == 2
    served.gateway.failures = [MISSING]
    assert cli.run(["chat", "Hello", "--compare", "a, b", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [entry["asked"] for entry in told] == ["a", "b"]
    assert sorted("error" if "error" in entry else "answer" for entry in told) == ["answer", "error"]
    for wrong in (["chat", "x", "--compare", "a"], ["chat", "x", "--compare", "a,"], ["chat", "--compare", "a,b"]):
        assert cli.run(wrong) == 2


def test_a_prompt_from_a_file_or_the_input(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "prompt.txt").write_text("from a file")
    (tmp_path / "system.txt").write_text("Be brief.")
    (tmp_path / "bytes").write_bytes(b"\xff")
    assert cli.run(["run", "prompt.txt", "--system", "system.txt"]) == 0
    assert capsys.readouterr().out == "You said from a file\n"
    assert [turn.content for turn in served.gateway.requests[-1].messages] == ["Be brief.", "from a file"]
    monkeypatch.setattr("sys.stdin", io.StringIO("piped"))
    assert cli.run(["run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["message"]["content"] == "You said piped"
    for wrong in (["run", "nowhere.txt"], ["run", "bytes"]):
        assert cli.run(wrong) == 2


def test_a_script_gets_another_run_where_one_failed_in_passing(served: Any) -> None:
    failed = {"metadata": {"run_state": "failed"}, "retry_after": 0.01}
    served.gateway.failures = [(grpc.StatusCode.UNAVAILABLE, "empty_output", "no words", failed)]
    Path("p.txt").write_text("x")
    assert cli.run(["run", "p.txt", "--request-id", "script"]) == 0
    assert [request.request_id for request in served.gateway.requests] == ["script", "script.2"]


def test_the_settings_file_stands_behind_the_environment(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "olo.env").write_text("OLO_TARGET=127.0.0.1:1\n")
    assert cli.run(["models", "list"]) == 0
    (tmp_path / "other.env").write_text(f"OLO_TARGET={served.target}\n")
    monkeypatch.delenv("OLO_TARGET")
    monkeypatch.setenv("OLO_SETTINGS_FILE", str(tmp_path / "other.env"))
    assert cli.run(["models", "list"]) == 0
    monkeypatch.setenv("OLO_SETTINGS_FILE", str(tmp_path / "nowhere.env"))
    assert cli.run(["models", "list"]) == 1
    assert "nowhere.env cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "problem"), [("OLO_X", "is not NAME=VALUE"), ("PATH=/tmp", "begins neither"), ("A B=c", "is not NAME")]
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "olo.env").write_text(f"# fine\nOLO_A='b'\n{line}\n")
    with pytest.raises(SettingsFileError, match=f"line 3: .*{problem}"):
        read_settings_file(tmp_path / "olo.env")
