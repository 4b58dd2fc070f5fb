"""The charts as Kubernetes would get them: rendered once for each set of values, by the real helm."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from olo_common.settings import variables
from olo_local.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "deploy/charts"
HELM = ROOT / ".tools/helm"
NAMESPACE = "models"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHARTS / "olo/ci").glob("*-values.yaml"))
needs_helm = pytest.mark.skipif(not HELM.exists(), reason="helm is not installed: make .tools/helm")

Manifest = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(HELM), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=CHARTS)


@cache
def rendered(case: str) -> tuple[Manifest, ...]:
    """The manifests of the whole with the values of a case."""
    return template("olo", "--values", f"olo/ci/{case}-values.yaml")


def template(chart: str, *arguments: str) -> tuple[Manifest, ...]:
    done = helm("template", "olo", chart, "--namespace", NAMESPACE, "--kube-version", "1.31.0", *arguments)
    assert done.returncode == 0, done.stderr
    return tuple(manifest for manifest in yaml.safe_load_all(done.stdout) if manifest)


def refusal(chart: str, *arguments: str) -> str:
    """Why values are refused."""
    done = helm("template", "olo", chart, "--kube-version", "1.31.0", *arguments)
    assert done.returncode != 0, "it was not refused"
    return done.stderr


def pods(manifests: tuple[Manifest, ...]) -> Iterator[tuple[str, Manifest]]:
    """Name and template of everything that makes pods."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield f"Pod {manifest['metadata']['name']}", manifest
        elif "template" in manifest.get("spec", {}):
            yield f"{manifest['kind']} {manifest['metadata']['name']}", manifest["spec"]["template"]


def of_kind(manifests: tuple[Manifest, ...], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def facts(service: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHARTS / service / "facts.yaml").read_text())
    return loaded


def known_variables(service: str) -> set[str]:
    return {name for name, _, _ in variables(SERVICES[service])}
