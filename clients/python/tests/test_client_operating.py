"""What an operator has decided, kept in a file and brought back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from olo.registry.v1 import registry_service_pb2 as rg
from olo_client.cli import program as cli
from olo_client.operating import DocumentError, parsed


@pytest.fixture
def models(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, rg.Model]:
    """The models of a registry that keeps what it is told."""
    monkeypatch.setenv("OLO_TARGET", served.target)
    monkeypatch.chdir(tmp_path)
    kept = {
        "olo-demo": rg.Model(model_id="olo-demo", priority=100, default_flag=True, enabled=True, quality_score=0.5),
        "minilm": rg.Model(model_id="minilm", priority=10, enabled=True, labels={"tier": "small"}),
    }
    kept["minilm"].instances.add(capabilities=["embed"])
    kept["minilm"].capabilities.append("embed")
    kept["olo-demo"].instances.add(capabilities=["tools"])
    kept["olo-demo"].capabilities.extend(["json", "tools"])

    served.gateway.models = kept
    return kept


def updates(served: Any) -> int:
    return sum(isinstance(each, rg.UpdateModelRequest | rg.SetAliasRequest) for each in served.gateway.requests)


def test_what_is_exported_can_be_imported_and_changes_nothing(
    served: Any, models: dict[str, rg.Model], tmp_path: Path, capsys: Any
) -> None:
    assert cli.run(["models", "alias", "chat:latest", "olo-demo=9", "other=1", "--shadow", "new=10"]) == 0
    assert cli.run(["config", "export", "kept.yaml"]) == 0
    document = yaml.safe_load((tmp_path / "kept.yaml").read_text())
    assert document["models"]["olo-demo"]["quality_score"] == 0.5
    assert document["models"]["olo-demo"]["capabilities"] == ["json", "tools"]
    assert "capabilities" not in document["models"]["minilm"]
    assert document["aliases"] == {"chat:latest": {"targets": {"olo-demo": 9, "other": 1}, "shadow": {"new": 10}}}
    before = updates(served)
    capsys.readouterr()
    assert cli.run(["config", "import", "kept.yaml"]) == 0
    assert capsys.readouterr().out == "everything is so already\n"
    assert updates(served) == before


def test_a_dry_run_tells_and_an_import_does_it_once(
    served: Any, models: dict[str, rg.Model], tmp_path: Path, capsys: Any
) -> None:
    assert cli.run(["models", "alias", "chat:latest", "olo-demo"]) == 0
    assert cli.run(["models", "alias", "old", "olo-demo"]) == 0
    assert cli.run(["config", "export", "kept.yaml"]) == 0
    models["olo-demo"].priority = 1
    models["olo-demo"].ClearField("labels")
    del served.gateway.aliases["chat:latest"]
    served.gateway.aliases["new"] = rg.Alias(alias="new", targets=[rg.AliasTarget(model_id="m", weight=1)])
    before = updates(served)
    arguments = ["config", "import", "kept.yaml", "--prune"]
    capsys.readouterr()
    assert cli.run([*arguments, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["changes"]
    assert [(c["kind"], c["name"], c["field"], c["before"], c["after"]) for c in told] == [
        ("model", "olo-demo", "priority", "1", "100"),
        ("alias", "chat:latest", "", "-", "olo-demo=1"),
        ("alias", "new", "", "m=1", "-"),
    ]
    assert updates(served) == before
    assert cli.run(arguments) == 0
    assert "3 changed" in capsys.readouterr().out
    assert models["olo-demo"].priority == 100
    assert set(served.gateway.aliases) == {"chat:latest", "old"}
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == "everything is so already\n"


def test_a_model_that_is_not_known_is_named_and_the_rest_is_done(
    models: dict[str, rg.Model], tmp_path: Path, capsys: Any
) -> None:
    text = {"version": 1, "models": {"gone": {"priority": 3}, "minilm": {"priority": 7}}}
    (tmp_path / "kept.yaml").write_text(yaml.safe_dump(text))
    assert cli.run(["config", "import", "kept.yaml"]) == 1
    assert "the model gone is not known" in capsys.readouterr().err
    assert models["minilm"].priority == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 1\nmodels: [", "line 2: this is not YAML"),
        ("[]", "version: must be 1"),
        ("version: 2", "version: must be 1"),
        ("{version: 1, profiles: {}}", "profiles: is not known"),
        ("{version: 1, models: []}", "models: must be a mapping"),
        ("{version: 1, models: {m: {speed: 3}}}", "models.m.speed: is not known"),
        ("{version: 1, models: {m: {priority: high}}}", "models.m.priority: must be of the kind int"),
        ("{version: 1, models: {m: {priority: true}}}", "models.m.priority: must be of the kind int"),
        ("{version: 1, models: {m: {labels: {a: 1}}}}", "models.m.labels: must hold texts alone"),
        ("{version: 1, aliases: {a: {}}}", "aliases.a.targets: must map"),
        ("{version: 1, aliases: {a: {targets: {m: 1.5}}}}", "aliases.a.targets: must map"),
        ("{version: 1, aliases: {a: {targets: {m: 1}, shadow: {x: 1, y: 2}}}}", "aliases.a.shadow: must map"),
    ],
)
def test_a_wrong_document_is_refused_by_name_before_anything_is_done(text: str, problem: str) -> None:
    with pytest.raises(DocumentError, match="^" + problem.replace(".", r"\.")):
        parsed(text)
