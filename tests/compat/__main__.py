"""Runs each program of others against the local stack: `make compat`, with names of programs to run fewer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from olo_testing.processes import binary
from olo_testing.stack import Stack, local_stack

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
TOOLS = ROOT / ".tools" / "compat"
SECONDS = 300
_GRPCURL = re.compile(r"\$ grpcurl -plaintext -d '(?P<body>.*?)' (?P<address>\S+) (?P<method>\S+)\n", re.DOTALL)


@dataclass(frozen=True)
class Program:
    """A program, its command and what it reads."""

    name: str
    command: tuple[str, ...]
    stdin: str = ""


def programs(stack: Stack) -> Iterator[Program]:
    """All that there are."""
    for path in sorted(PROGRAMS.glob("*.py")):
        yield Program(path.stem, (str(TOOLS / "bin" / "python"), str(path)))
    for path in sorted(PROGRAMS.glob("*.mjs")):
        # Packages are looked for beside the program, so it is run where they are.
        yield Program(path.stem, ("node", "--input-type=module", "-"), path.read_text(encoding="utf-8"))
    yield from _guide(stack)


def _guide(stack: Stack) -> Iterator[Program]:
    """The calls that the guide shows with grpcurl, made by buf curl, which speaks the same."""
    text = (ROOT / "docs/guides/call-with-grpc.md").read_text(encoding="utf-8")
    for number, shown in enumerate(_GRPCURL.finditer(text), 1):
        call = (
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "-d",
            shown["body"],
            f"http://{stack.target}/{shown['method']}",
        )
        yield Program(f"guide-grpc-{number}", (binary("buf"), "curl", *call))


def problem_of(program: Program, env: Mapping[str, str]) -> str:
    """Runs a program; gives what it said last, where it has failed."""
    try:
        done = subprocess.run(
            program.command,
            env=dict(env),
            cwd=TOOLS,
            input=program.stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it has not ended within {SECONDS} s"
    return (done.stdout[-1000:] + done.stderr[-3000:]) or "it has failed" if done.returncode else ""


def main() -> int:
    """Runs them one after the other; gives how many have failed."""
    wanted = sys.argv[1:]
    failed = []
    with tempfile.TemporaryDirectory() as scratch, local_stack(Path(scratch), ROOT / ".olo" / "models") as stack:
        stack.olo("ingest", str(ROOT / "samples" / "documents"), "--collection", "demo", timeout=300)
        env = {**os.environ, "OLO_URL": stack.url, "OLO_GRPC": stack.target, "NO_PROXY": "127.0.0.1"}
        for program in programs(stack):
            if wanted and program.name not in wanted:
                continue
            began = time.monotonic()
            said = problem_of(program, env)
            print(f"{program.name:24} {'failed' if said else 'works'}  {time.monotonic() - began:5.1f} s", flush=True)
            if said:
                failed.append(program.name)
                print(said, flush=True)
    print(f"{', '.join(failed)} failed" if failed else "all work")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
