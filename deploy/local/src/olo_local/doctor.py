"""`olo doctor`: whether this machine can run the stack, and whether the one that runs is well."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from olo_client import AuthenticationError, Olo, OloError, PermissionDeniedError, UnavailableError
from olo_client.connection import open_channel
from olo_client.errors import TLS_FAILED, TLS_FILES_INVALID, error_from_rpc, refused_key
from olo_client.settings import usual_api_key
from olo_common.errors import StartupError
from olo_common.payload_errors import UNREADABLE
from olo_common.payload_keys import payload_keys
from olo_common.settings import PayloadSettings, TlsSettings, load_settings
from olo_common.tls import client_files, server_files
from olo_local.errors import StackError
from olo_local.ports import HOST, is_free, uses_of
from olo_local.preparation import preparations
from olo_local.settings import LocalSettings
from olo_local.stack import program
from olo_local.state import StackState, read_state
from olo_local.types import ChildState
from olo_local.variables import PARTS

Verdict = Literal["ok", "warning", "problem"]

_PYTHON: Final = (3, 11)
_DISK_GIB: Final = 2.0
"""Models, vectors and logs of the demonstration stay below it."""
_MEMORY_GIB: Final = 2.0
"""What the stack takes with the demonstration models, and some room."""
_GIB: Final = 1024**3
_SECONDS: Final = 10.0
_HEALTH_SECONDS: Final = 5.0
_EXPIRY_DAYS: Final = 14.0


@dataclass(frozen=True)
class Finding:
    """What one look has shown.

    Attributes:
        subject: What was looked at.
        verdict: `warning` is worth knowing; with a `problem`, something does not work.
        detail: What is so.
        advice: What to do, where there is something.
    """

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""


def examine(settings: LocalSettings, target: str) -> Iterator[Finding]:
    """Looks at everything, one thing after the other.

    Args:
        settings: Of the local stack.
        target: Host and port of the gateway.
    """
    state = read_state(settings.state_file)
    running = state if state is not None and state.is_running else None
    yield _python()
    yield _versions()
    yield from _settings()
    yield from _tls(settings.tls)
    yield from _payload_keys()
    yield from (_program(name) for name in ("temporal", "nats-server"))
    yield from _models(settings)
    yield _disk(settings.home)
    if running is None:
        yield _memory()
        yield from _ports(settings)
    else:
        yield from _parts(running)
        target = f"{HOST}:{running.ports['gateway']}"
    yield from _gateway(target, expected=running is not None)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= _PYTHON:
        return Finding("python", "ok", found)
    return Finding("python", "problem", found, "install Python 3.11 or later and run `make setup`")


def _versions() -> Finding:
    names = ("olo-client", "olo-local", *(f"olo-{part}" for part in PARTS if part != "local stack"))
    versions = {name: importlib.metadata.version(name) for name in names}
    if len(set(versions.values())) == 1:
        return Finding("packages", "ok", f"all are version {versions['olo-client']}")
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding("packages", "warning", told, "the parts are of different versions: run `make setup`")


def _settings() -> Iterator[Finding]:
    wrong = False
    for part, kind in PARTS.items():
        try:
            load_settings(kind)
        except StartupError as error:
            # The stack itself says what these two serve.
            if "Field required" not in str(error):
                wrong = True
                yield Finding("settings", "problem", f"{part}: {error}", "correct the variable; see `olo config show`")
    if not wrong:
        yield Finding("settings", "ok", "every variable can be read")


def _program(name: str) -> Finding:
    try:
        path = program(name)
        command = [path, "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except StackError as error:
        return Finding(name, "problem", str(error), "run `make setup`")
    except (OSError, subprocess.SubprocessError):
        return Finding(name, "problem", "does not start", "run `make clean`, then `make setup`")
    return Finding(name, "ok", (done.stdout or done.stderr).strip().splitlines()[0])


def _models(settings: LocalSettings) -> Iterator[Finding]:
    try:
        plan = preparations(settings)
    except StackError as error:
        yield Finding("models", "problem", str(error), "run from a checkout, or set the variable")
        return
    for item in plan:
        made = item.target.is_dir() and item.marker.is_file()
        yield Finding(f"model {item.name}", "ok", "is prepared" if made else "is prepared at the first start")


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free / _GIB
    told = f"{free:.1f} GiB free for {home}"
    if free >= _DISK_GIB:
        return Finding("disk", "ok", told)
    return Finding("disk", "problem", told, f"free {_DISK_GIB:g} GiB, or set OLO_LOCAL_DIRECTORY to another disk")


def _memory() -> Finding:
    free = psutil.virtual_memory().available / _GIB
    told = f"{free:.1f} GiB available"
    if free >= _MEMORY_GIB:
        return Finding("memory", "ok", told)
    return Finding("memory", "warning", told, f"the stack needs about {_MEMORY_GIB:g} GiB: end what you can spare")


def _ports(settings: LocalSettings) -> Iterator[Finding]:
    if settings.ports == "free":
        yield Finding("ports", "ok", "any free ones are taken")
        return
    taken = [use for use in uses_of(settings) if not is_free(use.port)]
    for use in taken:
        advice = f"stop what listens there, set {use.variable} to a free port, or `olo up --ports free`"
        yield Finding("ports", "problem", f"{use.port} is taken, and {use.user} needs it", advice)
    if not taken:
        yield Finding("ports", "ok", "all are free")


def _parts(state: StackState) -> Iterator[Finding]:
    for child in state.children:
        told = f"{child.state.value} at {child.address}" + (f", {child.note}" if child.note else "")
        advice = f"see `olo logs {child.name}`"
        if child.state is not ChildState.READY:
            yield Finding(child.name, "problem", told, advice)
        elif child.restarts:
            yield Finding(child.name, "warning", f"{told}; was started again {child.restarts} times", advice)
        else:
            yield Finding(child.name, "ok", told)


def _tls(settings: TlsSettings) -> Iterator[Finding]:
    """What the files of TLS are like."""
    for use, open_files in (("of the servers", server_files), ("for calls", client_files)):
        try:
            files = open_files(settings)
        except StartupError as error:
            yield Finding("tls", "problem", str(error), "see docs/guides/secure-connections.md")
            continue
        if files is None:
            continue
        ends = files.current().expires
        left = (ends - time.time()) / 86_400
        if ends and left < _EXPIRY_DAYS:
            told = f"the certificate {use} ends in {left:.1f} days"
            yield Finding("tls", "warning", told, "put a new one in its place; nothing has to be restarted")
        else:
            yield Finding("tls", "ok", f"the files {use} can be used")


def _payload_keys() -> Iterator[Finding]:
    """What the file of the keys of payloads is like."""
    try:
        path = load_settings(PayloadSettings).keys_file
        if path is None:
            return
        keys = payload_keys(path).current()
    except StartupError as error:
        yield Finding("payload keys", "problem", str(error), "see docs/guides/encrypt-payloads.md")
        return
    others = ", ".join(key_id for key_id in keys.by_id if key_id != keys.first)
    yield Finding("payload keys", "ok", f"{keys.first} encrypts" + (f"; also read: {others}" if others else ""))


def _gateway(target: str, *, expected: bool) -> Iterator[Finding]:
    bad: Verdict = "problem" if expected else "warning"
    try:
        serves = _serves(target)
    except OloError as error:
        secure = error.reason in (TLS_FAILED, TLS_FILES_INVALID)
        advice = "see docs/guides/secure-connections.md" if secure else "run `olo up`, or set OLO_TARGET to yours"
        yield Finding("gateway", "problem" if secure else bad, error.message, advice)
        return
    if not serves:
        yield Finding("gateway", bad, f"the one at {target} does not serve", "see `olo status` and the logs")
        return
    yield Finding("gateway", "ok", f"serves at {target}")
    yield from (_asked(target, *question) for question in _QUESTIONS)


def _serves(target: str) -> bool:
    """Whether the gateway says that it serves. Raises OloError where it says nothing."""
    with open_channel(target) as channel:
        try:
            request = health_pb2.HealthCheckRequest()
            response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_HEALTH_SECONDS)
        except grpc.RpcError as error:
            raise error_from_rpc(error, target) from error
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


def _asked(target: str, subject: str, ask: Callable[[Olo], tuple[Verdict, str, str]]) -> Finding:
    try:
        with Olo(target, timeout=_SECONDS, attempts=1) as olo:
            return Finding(subject, *ask(olo))
    except AuthenticationError:
        return Finding(subject, "problem", refused_key(usual_api_key()), "`olo keys create` makes a key")
    except PermissionDeniedError:
        return Finding(subject, "warning", "the API key is not for operators", "ask with a key of the role admin")
    except OloError as error:
        return Finding(subject, "problem", error.message, "see `olo status` and the logs")


def _available(olo: Olo) -> tuple[Verdict, str, str]:
    models = list(olo.models.list())
    there = [model.model_id for model in models if model.available]
    away = [model.model_id for model in models if not model.available]
    told = f"available: {', '.join(there) or 'none'}" + (f"; not available: {', '.join(away)}" if away else "")
    if not there:
        return "problem", told, "start a model worker; see docs/guides/add-a-model.md"
    return ("warning", told, "`olo models get MODEL` says why") if away else ("ok", told, "")


def _routing(olo: Olo) -> tuple[Verdict, str, str]:
    status = olo.routing.status()
    if not status.serving:
        return "problem", f"decides nothing: {status.detail}", "is the registry up? See `olo route status`"
    if status.breakers:
        broken = ", ".join(sorted({breaker.model_id for breaker in status.breakers}))
        return "warning", f"circuit breakers are not closed: {broken}", "`olo route status` says why"
    return "ok", f"decides on snapshot {status.snapshot_version}", ""


def _retrieval(olo: Olo) -> tuple[Verdict, str, str]:
    return "ok", f"{len(list(olo.collections.list()))} collections", ""


def _history(olo: Olo) -> tuple[Verdict, str, str]:
    latest = list(olo.runs.list(1))
    if not latest:
        return "ok", "there was no run yet", ""
    try:
        olo.runs.get(latest[0].run_id)
    except UnavailableError as error:
        if error.reason not in UNREADABLE:
            raise
        return "problem", error.message, "give all services the same keys; see docs/guides/encrypt-payloads.md"
    return "ok", "the latest run can be read", ""


_QUESTIONS: Final = (
    ("models", _available),
    ("routing", _routing),
    ("retrieval", _retrieval),
    ("runs", _history),
)
