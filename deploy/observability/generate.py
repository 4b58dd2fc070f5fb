"""Writes Grafana's dashboards and Prometheus' rules from their definitions here; `--check` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml
from alerts import rules, scenarios
from grafana import rendered
from pages import DASHBOARDS

HERE = Path(__file__).parent


def main() -> int:
    """Writes or compares."""
    wanted = files()
    if "--check" not in sys.argv:
        for path, text in wanted.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return 0
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    stale += [path.name for path in (HERE / "dashboards").glob("*.json") if path not in wanted]
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: not what is defined; run python deploy/observability/generate.py\n")
    return 1 if stale else 0


def files() -> dict[Path, str]:
    """What is to be written, and where."""
    found = {
        HERE / "dashboards" / f"{each.uid}.json": json.dumps(rendered(each), indent=1) + "\n" for each in DASHBOARDS
    }
    found[HERE / "rules.yaml"] = yaml.safe_dump(rules(), sort_keys=False, width=1000)
    found[HERE / "rules_test.yaml"] = yaml.safe_dump(scenarios(), sort_keys=False, width=1000)
    return found


if __name__ == "__main__":
    sys.exit(main())
