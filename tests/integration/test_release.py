"""One version everywhere: what `docs/development/release.md` lists."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MEMBERS = sorted(
    path for pattern in ("services/*", "libs/*", "clients/python", "deploy/local") for path in ROOT.glob(pattern)
)


def found(file: str, pattern: str) -> str:
    match = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
    assert match is not None, f"{file} says no version"
    return match[1]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_members_of_the_workspace(member: Path) -> None:
    assert tomllib.loads((member / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize(
    "chart", sorted((ROOT / "deploy/charts").glob("*/Chart.yaml")), ids=lambda path: path.parent.name
)
def test_charts(chart: Path) -> None:
    said = yaml.safe_load(chart.read_text())
    versions = {said["version"], *(each["version"] for each in said.get("dependencies", []))}
    assert versions == {VERSION}
    assert said.get("appVersion", VERSION) == VERSION


def test_images_clients_and_descriptions() -> None:
    assert found("Makefile", r"^TAG \?= (.+)$") == VERSION
    assert found("deploy/images/Dockerfile", r"^ARG VERSION=(.+)$") == VERSION
    assert found("services/gateway/src/olo_gateway/http/app.py", r'^        version="(.+)",$') == VERSION
    for file in ("package.json", "package-lock.json"):
        assert json.loads((ROOT / "clients/typescript" / file).read_text())["version"] == VERSION


def test_the_changelog_begins_with_it() -> None:
    assert found("CHANGELOG.md", r"^## (?:Unreleased: )?\[?(\d+\.\d+\.\d+)") == VERSION
