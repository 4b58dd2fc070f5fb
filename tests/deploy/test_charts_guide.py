"""The guide does what it says: its commands and values are rendered as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from tests.deploy.rendering import CHARTS, ROOT, helm, needs_helm, of_kind, refusal, template

GUIDE = (ROOT / "docs/guides/install-kubernetes.md").read_text()
MINIMAL = yaml.safe_load((CHARTS / "olo/ci/minimal-values.yaml").read_text())
VALUES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [
    shlex.split(line.removeprefix("$ "))
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("$ helm install")
]

pytestmark = needs_helm


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[2]))
def test_commands_can_be_followed(command: list[str], tmp_path: Path) -> None:
    shared = tmp_path / "shared.yaml"
    shared.write_text(yaml.safe_dump({"global": MINIMAL["global"]}))
    _, install, release, chart, *options = [str(shared) if part == "shared.yaml" else part for part in command]
    assert install == "install"
    done = helm("template", release, str(ROOT / chart), "--kube-version", "1.31.0", *options)
    assert done.returncode == 0, done.stderr
    assert "kind: Deployment" in done.stdout


def test_there_are_commands_and_values_to_follow() -> None:
    assert len(COMMANDS) == 2
    assert len(VALUES) >= 5


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_values_can_be_given(number: int, tmp_path: Path) -> None:
    given = yaml.safe_load(VALUES[number])
    if isinstance(given, list):
        given = {"llm-worker": {"models": given}}
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(given))
    manifests = template("olo", "--values", "olo/ci/minimal-values.yaml", "--values", str(path))
    models = given.get("llm-worker", {}).get("models", MINIMAL["llm-worker"]["models"])
    names = {each["metadata"]["name"] for each in of_kind(manifests, "Deployment")}
    assert {f"olo-llm-worker-{model['name']}" for model in models} <= names


def test_the_refusal_that_is_shown_is_what_helm_says() -> None:
    (shown,) = re.findall(r"^- gateway\.(settings\..*)$", GUIDE, re.MULTILINE)
    change = "gateway.settings.OLO_GATEWAY_MAX_ATTEMPTS=1000"
    assert shown in refusal("olo", "--values", "olo/ci/minimal-values.yaml", "--set", change)


@pytest.mark.parametrize("value", re.findall(r"`((?:global|gateway|registry|retrieval)\.[A-Za-z.]+)`", GUIDE))
def test_values_that_are_named_exist(value: str) -> None:
    chart, _, path = value.partition(".")
    known = yaml.safe_load((CHARTS / ("olo" if chart == "global" else chart) / "values.yaml").read_text())
    at = known["global"] if chart == "global" else known
    *parents, last = path.split(".")
    for part in parents:
        at = at[part]
    secret = at == {} and parents == ["secrets"]
    assert secret or last in at, value
