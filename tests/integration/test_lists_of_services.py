"""Where services are listed, each of them is: what `docs/development/add-a-service.md` promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
LISTS = (
    *("pyproject.toml", "Makefile", ".importlinter", "Tiltfile"),
    "deploy/charts/olo/Chart.yaml",
    *("deploy/compose/compose.yaml", "deploy/compose/compose.tls.yaml", "deploy/compose/prometheus/prometheus.yml"),
    *("deploy/local/src/olo_local/ports.py", "deploy/local/src/olo_local/services.py"),
    *("deploy/local/src/olo_local/stack.py", "scripts/metrics_table.py"),
    *("tests/deploy/test_compose.py", "tests/e2e/test_e2e_metrics.py", "tests/e2e/test_e2e_reflection.py"),
)
"""Files in which nothing else would miss a service."""
WORD = re.compile(r"(?<![\w-])(?:olo[_-])?([a-z]+(?:[_-][a-z]+)*)(?![\w-])")


@pytest.mark.parametrize("file", LISTS)
def test_every_service_stands_wherever_services_are_listed(file: str) -> None:
    words = set(WORD.findall((ROOT / file).read_text()))
    assert not [name for name in NAMES if not {name, name.replace("-", "_")} & words]


def test_every_service_has_a_chart() -> None:
    assert not [name for name in NAMES if not (ROOT / "deploy/charts" / name / "Chart.yaml").is_file()]
