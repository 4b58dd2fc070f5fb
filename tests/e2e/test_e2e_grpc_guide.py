"""The gRPC lines of the guide, run as they stand there against a real stack.

grpcurl comes from no package index; `buf curl` is given the same method, the same data and the same reflection.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from olo_testing.processes import binary
from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/guides/call-with-grpc.md"
ADDRESS = "127.0.0.1:50051"


@dataclass(frozen=True)
class Line:
    """One call: what follows the address, the data, and the code and reason that the text promises."""

    place: str
    method: str
    data: str
    promise: tuple[str, ...]


def lines() -> list[Line]:
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for number, command in enumerate(re.split(r"^\$ ", block, flags=re.MULTILINE)[1:], 1):
            if command.startswith("grpcurl "):
                found.append(line_of(f"{PAGE.name}:{number}", command))
    return found


def line_of(place: str, command: str) -> Line:
    call, _, promise = command.partition("#")
    words = shlex.split(call)
    assert words[:2] == ["grpcurl", "-plaintext"], command
    data = words[words.index("-d") + 1] if "-d" in words else "{}"
    assert words[-2] == ADDRESS, f"{place} calls another address than the others"
    return Line(place, words[-1], data, tuple(promise.split()))


def buf_curl(stack: Stack, line: Line) -> subprocess.CompletedProcess[str]:
    address = f"http://{stack.target}"
    what = ["--list-services", address] if line.method == "list" else ["-d", line.data, f"{address}/{line.method}"]
    command = [binary("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *what]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def reason_of(failure: dict[str, Any]) -> str:
    info = error_details_pb2.ErrorInfo()
    for detail in failure["details"]:
        if detail["type"] == "google.rpc.ErrorInfo":
            value = detail["value"]
            info.ParseFromString(base64.b64decode(value + "=" * (-len(value) % 4)))
    assert info.domain == "olo"
    return info.reason


def test_every_line_works_as_it_stands(stack: Stack) -> None:
    told = {}
    for line in lines():
        done = buf_curl(stack, line)
        if line.promise:
            failure = json.loads(done.stderr)
            assert (failure["code"].upper(), reason_of(failure)) == line.promise, line.place
        else:
            assert done.returncode == 0, f"{line.place}: {done.stderr}"
            assert done.stdout, line.place
            told[line.method, line.data] = done.stdout
    assert len(told) >= 9
    answers = [said for (method, _), said in told.items() if method.endswith("/Chat")]
    assert answers
    assert all("1908" in said for said in answers)
    followed = next(said for (_, data), said in told.items() if "resume_offset" in data)
    assert '"completed"' in followed
