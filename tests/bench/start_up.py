"""How long the local stack takes to become ready, what each part holds in memory with its children, and what its start
costs: its imports, and until its port is open.

There is no peer for a stack of one's own: the figure beside each part is the time that a bare Python interpreter takes
to start in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from tests.bench.harness import write_csv

from olo_testing.ports import free_port
from olo_testing.processes import running
from olo_testing.stack import local_stack

MODELS = Path(__file__).resolve().parents[2] / ".olo" / "models"
WITHOUT_MODELS: dict[str, dict[str, str]] = {
    "gateway": {"HTTP_PORT": "0"},
    "registry": {"DATABASE_URL": "sqlite:///{directory}/registry.db"},
    "router": {},
    "retrieval": {"DATABASE_URL": "sqlite:///{directory}/retrieval.db", "VECTOR_STORE": "memory"},
}
"""Services that serve as soon as they are there, and what they are told."""
SERVICES = ("olo_gateway", "olo_registry", "olo_router", "olo_retrieval", "olo_llm_worker", "olo_embed_worker")


def main() -> None:
    rows: list[list[object]] = []
    bare = cpu_of("pass")
    for package in SERVICES:
        cost = cpu_of(f"import {package}.__main__")
        rows.append([package, "import_cpu_s", round(cost, 2), round(cost / bare, 1)])
        print(f"{package}: {cost:.2f} s of CPU to import, {cost / bare:.0f}x a bare interpreter")
    for name, told in WITHOUT_MODELS.items():
        cost = cpu_until_open(name, told)
        rows.append([f"olo_{name}", "open_cpu_s", round(cost, 2), round(cost / bare, 1)])
        print(f"olo_{name}: {cost:.2f} s of CPU until its port is open, {cost / bare:.0f}x a bare interpreter")
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        with local_stack(Path(scratch), MODELS) as stack:
            ready = time.monotonic() - began
            print(f"stack ready: {ready:.1f} s")
            rows.append(["stack", "ready_s", round(ready, 1), ""])
            for child in stack.status()["children"]:
                process = psutil.Process(child["pid"])
                memory = sum(part.memory_info().rss for part in (process, *process.children(recursive=True))) / 2**20
                rows.append([child["name"], "resident_mib", round(memory), ""])
                print(f"{child['name']}: {memory:.0f} MiB resident")
    write_csv("start_up", ["part", "figure", "value", "beside_bare_interpreter"], rows)


def cpu_of(code: str) -> float:
    """Median of three: user and system seconds of an interpreter that runs `code`."""
    costs = []
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code])
        _, _, usage = os.wait4(child.pid, 0)
        costs.append(usage.ru_utime + usage.ru_stime)
    return sorted(costs)[1]


def cpu_until_open(name: str, told: dict[str, str]) -> float:
    """User and system seconds of a service until its gRPC port is open, without any other part."""
    port, prefix = free_port(), f"OLO_{name.upper()}"
    with tempfile.TemporaryDirectory() as directory:
        env = {f"{prefix}_{key}": value.format(directory=directory) for key, value in told.items()}
        env |= {f"{prefix}_PORT": str(port), "OLO_LOG_LEVEL": "error"}
        command, log = [sys.executable, "-m", f"olo_{name}"], Path(directory) / "log"
        with running(command, port=port, log=log, env=env, wait_seconds=60.0) as child:
            times = psutil.Process(child.pid).cpu_times()
    return times.user + times.system
