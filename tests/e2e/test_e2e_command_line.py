"""The command line as its README shows it, against a real stack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from olo_client.cli import program
from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_the_doctor_finds_a_stack_that_is_well(stack: Stack) -> None:
    told = json.loads(stack.olo("doctor", "--json"))
    assert told["problems"] == 0
    subjects = [finding["subject"] for finding in told["findings"]]
    assert {"python", "disk", "gateway", "models", "routing", "retrieval", "runs"} <= set(subjects)


def test_decisions_are_kept_and_brought_back(stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def olo(*arguments: str) -> str:
        capsys.readouterr()
        assert program.run([*arguments, "--target", stack.target]) == 0
        return capsys.readouterr().out

    file = str(tmp_path / "decisions.yaml")
    olo("models", "alias", "kept:latest", "olo-demo=3", "olo-demo-mini=1")
    olo("models", "set", "olo-demo-mini", "--label", "tier=small", "--quality", "0.25")
    try:
        olo("config", "export", file)
        document = yaml.safe_load(Path(file).read_text())
        assert document["models"]["olo-demo-mini"]["labels"] == {"tier": "small"}
        assert "everything is so already" in olo("config", "import", file)
        olo("models", "alias", "kept:latest", "--delete")
        olo("models", "set", "olo-demo-mini", "--clear", "labels")
        changes = json.loads(olo("config", "import", file, "--dry-run", "--json"))["changes"]
        assert {(change["kind"], change["name"]) for change in changes} == {
            ("model", "olo-demo-mini"),
            ("alias", "kept:latest"),
        }
        assert "2 changed" in olo("config", "import", file)
        assert "everything is so already" in olo("config", "import", file)
        assert yaml.safe_load(olo("config", "export")) == document
    finally:
        olo("models", "alias", "kept:latest", "--delete")
        olo("models", "set", "olo-demo-mini", "--clear", "labels", "--clear", "quality")


def test_a_prompt_from_a_file_and_two_models_beside_each_other(stack: Stack, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("When did the harbour tram of Saltmere begin to run?")
    assert "1908" in stack.olo("run", str(prompt), "--collection", "demo")
    compared = json.loads(
        stack.olo("chat", prompt.read_text(), "--collection", "demo", "--compare", "olo-demo,olo-demo-mini", "--json")
    )
    assert [entry["answer"]["model"] for entry in compared] == ["olo-demo", "olo-demo-mini"]
    run_id = compared[0]["answer"]["run_id"]
    assert compared[0]["answer"]["message"]["content"] in stack.olo("runs", "watch", run_id)
