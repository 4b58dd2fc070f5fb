"""Prometheus beside the stack, where it is installed: what it collects, and by which rules it warns."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

from olo_local.errors import StackError
from olo_local.ports import HOST, Ports
from olo_local.probes import http_ready
from olo_local.types import ChildSpec

NAME: Final = "prometheus"
MISSING: Final = (
    "Prometheus is not installed, so nobody collects the metrics: on Debian and Ubuntu, "
    "`apt-get install prometheus` brings it; then `make down` and `make up OBS=1`"
)
_EVERY: Final = "5s"
_KEPT: Final = "7d"


def installed() -> str | None:
    """Where the program is."""
    return shutil.which(NAME)


def prometheus(ports: Ports, data: Path, rules: Path) -> list[ChildSpec]:
    """Prometheus as a child of the stack; none where it is not installed.

    Args:
        ports: Of the stack.
        data: Where its configuration and its series are kept.
        rules: The alerts; none where there is no such file.

    Raises:
        StackError: The stack offers no metrics.
    """
    if not any(ports.metrics.values()):
        raise StackError("OLO_LOCAL_OBSERVE needs the metrics that OLO_LOCAL_METRICS_PORT=0 turns off")
    program = installed()
    if program is None:
        return []
    home = data / NAME
    home.mkdir(parents=True, exist_ok=True)
    file = home / "prometheus.yml"
    # JSON is YAML.
    file.write_text(json.dumps(configuration(ports, rules), indent=2))
    address = ports.address(NAME)
    command = (
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={home / 'series'}",
        f"--storage.tsdb.retention.time={_KEPT}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    )
    return [ChildSpec(NAME, command, address, http_ready(HOST, ports.serving[NAME], "/-/ready"))]


def configuration(ports: Ports, rules: Path) -> dict[str, Any]:
    """What Prometheus is told: whom to ask, how often, and the alerts. Each process is told apart by `part`."""
    targets = [
        {"targets": [f"{HOST}:{port}"], "labels": {"part": part.replace("_", "-")}}
        for part, port in ports.metrics.items()
        if port
    ]
    return {
        "global": {"scrape_interval": _EVERY, "evaluation_interval": _EVERY},
        "rule_files": [str(rules)] if rules.is_file() else [],
        "scrape_configs": [{"job_name": "olo", "static_configs": targets}],
    }
