"""`olo doctor --bundle`: what somebody needs who shall help from afar, without secrets, prompts or answers.

Nothing is copied as it lies there. Settings are masked, lines of logs are reduced to the fields that are listed, and of
runs there are states, reasons and times.
"""

from __future__ import annotations

import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from olo.gateway.v1.run_pb2 import RUN_STATE_COMPLETED, RUN_STATE_RUNNING, RunState
from olo_client import Olo, OloError
from olo_client.cluster import get, logs
from olo_client.settings import sources
from olo_common.log_fields import shareable
from olo_local.doctor import Finding
from olo_local.errors import StackError
from olo_local.logs import log_names, tail
from olo_local.settings import LocalSettings
from olo_local.state import read_state
from olo_local.variables import all_variables

_LINES: Final = 1000
_RUNS: Final = 50
_TRACES: Final = 5
_SECONDS: Final = 10.0
_CALLS: Final = {
    "cluster-status": "/api/cluster/status",
    "models": "/api/cluster/models",
    "nodes": "/api/nodes",
    "queues": "/api/queue/status",
    "performance": "/admin/performance",
    "gateway-metrics": "/admin/metrics",
    "gateway-system": "/admin/system",
}


def write_bundle(file: Path, settings: LocalSettings, target: str, url: str, findings: Sequence[Finding]) -> list[str]:
    """Writes a bundle, which only its owner can read; gives the names of what is in it.

    Args:
        file: Where; it must not be there yet.
        settings: Of the local stack.
        target: Host and port of the gateway.
        url: Its HTTP address.
        findings: What the examination has shown.

    Raises:
        StackError: It cannot be written there.
    """
    try:
        # Made first: whoever cannot write there shall not wait for the answers.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            parts = _parts(settings, target, url, findings)
            with tarfile.open(fileobj=out, mode="w:gz") as archive:
                for name, told in parts.items():
                    _add(archive, name, told)
    except FileExistsError as error:
        raise StackError(f"{file} is there already: name another file") from error
    except OSError as error:
        file.unlink(missing_ok=True)
        raise StackError(f"{file} cannot be written: {error.strerror}") from error
    return list(parts)


def _parts(settings: LocalSettings, target: str, url: str, findings: Sequence[Finding]) -> dict[str, Any]:
    environment, file, _ = sources()
    state = read_state(settings.state_file)
    parts: dict[str, Any] = {
        "findings.json": [asdict(finding) for finding in findings],
        "settings.json": [asdict(variable) for variable in all_variables(environment, file)],
        "versions.json": _versions(),
        "stack.json": asdict(state) if state is not None else None,
    }
    parts |= {f"gateway/{name}.json": _or_problem(partial(get, url, path)) for name, path in _CALLS.items()}
    with Olo(target, timeout=_SECONDS, attempts=1) as olo:
        parts["gateway/routing.json"] = _or_problem(lambda: MessageToDict(olo.routing.status()))
        parts["gateway/rankings.json"] = _or_problem(lambda: MessageToDict(olo.routing.rankings()))
        parts["gateway/runs.json"] = _or_problem(lambda: _runs(olo))
        parts["gateway/traces.json"] = _or_problem(lambda: _traces(olo))
    parts["gateway/logs.json"] = _or_problem(lambda: logs(url, limit=_LINES)["lines"], _gateway_lines)
    for name in log_names(settings.logs):
        parts[f"logs/{name}.json"] = _local_lines(tail(settings.logs, name, _LINES))
    return parts


def _versions() -> dict[str, Any]:
    installed = {each.metadata["Name"]: each.version for each in distributions()}
    system = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    return {**system, "packages": dict(sorted(installed.items()))}


def _runs(olo: Olo) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run.run_id,
            "state": RunState.Name(run.state),
            "created": run.create_time.ToJsonString(),
            "ended": run.end_time.ToJsonString() if run.HasField("end_time") else None,
            "reason": run.error.reason,
            "phase": run.progress.phase,
        }
        for run in olo.runs.list(_RUNS)
    ]


def _traces(olo: Olo) -> list[dict[str, Any]]:
    """Where the time went of the latest runs that have not gone well."""
    bad = (run.run_id for run in olo.runs.list(_RUNS) if run.state not in (RUN_STATE_COMPLETED, RUN_STATE_RUNNING))
    return [MessageToDict(olo.runs.trace(run_id)) for run_id in islice(bad, _TRACES)]


def _or_problem(ask: Callable[[], Any], reduce: Callable[[Any], Any] = lambda told: told) -> Any:
    """What is answered; or why there is nothing, which may be what the bundle is about."""
    try:
        return reduce(ask())
    except (KeyError, TypeError):
        return {"problem": "what answers there is no gateway of this kind", "reason": "url_invalid"}
    except OloError as error:
        return {"problem": error.message, "reason": error.reason}


def _gateway_lines(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [shareable({**line["fields"], **line, "timestamp": line["time"]}) for line in lines]


def _local_lines(lines: Iterable[str]) -> dict[str, Any]:
    """The lines of a part of the local stack that are ours; of others only their number is told."""
    found, others = [], 0
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if isinstance(told, dict) and "service" in told and "event" in told:
            found.append(shareable(told))
        else:
            others += 1
    return {"lines": found, "left_out": others}


def _add(archive: tarfile.TarFile, name: str, told: Any) -> None:
    content = json.dumps(told, indent=1, ensure_ascii=False).encode()
    entry = tarfile.TarInfo(f"olo-support/{name}")
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(content))
