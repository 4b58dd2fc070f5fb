"""What is measured is what the documentation says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_metrics_is_what_the_services_declare() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "metrics_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
