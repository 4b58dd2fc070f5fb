"""Starts the stack of this folder out of images built here, asks it, kills each container in turn, watches it answer.

What `make compose-check` runs. Needs Docker with its compose plugin, version 2.24 or newer, and images (`make images
image-stand-ins`). It has a project, ports and volumes of its own, and leaves none of them behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from olo_client import AsyncOlo
from olo_client.ingestion import Ingestion, ensure_collection, files_under, ingest_files

HERE = Path(__file__).parent
DOCUMENTS = HERE.parents[1] / "samples" / "documents"
QUESTION = "When did the harbour tram of Saltmere begin to run?"
EXPECTED = "1908"
COLLECTION = "compose-check"
PARTS = (
    *("temporal", "nats", "registry", "router", "retrieval", "llm-worker", "llm-worker-mini", "embed-worker"),
    "gateway",
)


class CheckError(Exception):
    """The stack has not done what is expected of it."""


def free_port() -> str:
    """A port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@dataclass(frozen=True)
class Stack:
    """The containers.

    Attributes:
        docker: The program.
        project: The name that its containers, volumes and network have in common.
        environment: What the compose files are told.
        patience: Seconds to wait for anything.
    """

    docker: str
    project: str
    environment: Mapping[str, str]
    patience: float

    def compose(self, *arguments: str) -> str:
        """Runs a command of docker compose."""
        files = ("--file", str(HERE / "compose.yaml"), "--file", str(HERE / "compose.local.yaml"))
        return self.run("compose", "--project-name", self.project, *files, *arguments)

    def run(self, *arguments: str) -> str:
        """Runs a command of docker, and gives what it writes."""
        done = subprocess.run(
            [self.docker, *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CheckError(f"docker {' '.join(arguments[:1])}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    @property
    def http(self) -> str:
        """Base URL of the gateway."""
        return f"http://127.0.0.1:{self.environment['HTTP_PORT']}"

    def state(self, part: str) -> tuple[int, str, str]:
        """Pid, start and health of a container."""
        name = self.compose("ps", "--all", "--quiet", part).strip()
        state = json.loads(self.run("inspect", "--format", "{{json .State}}", name))
        return int(state["Pid"]), str(state["StartedAt"]), str(state.get("Health", {}).get("Status", "none"))

    def kill(self, part: str) -> str:
        """Kills the process of a container as a crash would, and gives when that process had been started.

        `docker kill` would not do: whom it kills, Docker does not start again.
        """
        pid, started, _ = self.state(part)
        program = f"import os; os.kill({pid}, 9)"
        image = f"{self.environment.get('REGISTRY', '')}olo-stand-ins:{self.environment['TAG']}"
        self.run("run", "--rm", "--pid=host", "--user=0", "--entrypoint=python3", image, "-c", program)
        return started


@dataclass
class Asked:
    """What has become of the questions that were asked while a container was away."""

    answered: int = 0
    refused: int = 0
    cut: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)


def ask(url: str, key: str) -> str:
    """The answer to the question. The same key is the same run, however often it is asked for."""
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": QUESTION}],
        "rag": {"collection": COLLECTION, "top_k": 4},
    }
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310 - our own http URL
        answer: dict[str, Any] = json.load(reply)
    return str(answer["choices"][0]["message"]["content"])


def ask_until_answered(stack: Stack, asked: Asked) -> None:
    """Asks one question, again under the same key where it was refused or cut off, until there is the answer."""
    key, begun = secrets.token_hex(8), time.monotonic()
    while time.monotonic() - begun < stack.patience:
        try:
            text = ask(stack.http, key)
        except urllib.error.HTTPError as error:
            asked.refused += 1
            if error.code not in (409, 429, 500, 502, 503, 504):
                raise CheckError(f"HTTP {error.code}: {error.read().decode()[:500]}") from error
            # An end with an error is kept under its key, so the next attempt is another run.
            key = secrets.token_hex(8)
            time.sleep(0.5)
        except OSError:
            asked.cut += 1
            time.sleep(0.2)
        else:
            asked.longest = max(asked.longest, time.monotonic() - begun)
            if EXPECTED in text:
                asked.answered += 1
            else:
                asked.wrong.append(text)
            return
    raise CheckError(f"no answer within {stack.patience:g} s")


@contextmanager
def asking(stack: Stack, asked: Asked, callers: int = 2) -> Iterator[None]:
    """Asks one question after the other, while the body runs and until those under way are answered."""
    over, failures = threading.Event(), []

    def caller() -> None:
        try:
            while not over.is_set():
                ask_until_answered(stack, asked)
        except CheckError as error:
            failures.append(error)

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def wait_whole(stack: Stack, part: str, killed: str) -> float:
    """Seconds until the container was started again and is healthy."""
    begun = time.monotonic()
    while time.monotonic() - begun < stack.patience:
        pid, started, health = stack.state(part)
        if pid and started != killed and health == "healthy":
            return time.monotonic() - begun
        time.sleep(0.25)
    raise CheckError(f"{part} is not whole again after {stack.patience:g} s")


async def ingest(stack: Stack) -> None:
    """Takes the sample documents in."""
    async with AsyncOlo(f"127.0.0.1:{stack.environment['GRPC_PORT']}") as olo:
        await ensure_collection(olo, COLLECTION)
        async for outcome in ingest_files(
            Ingestion(olo, COLLECTION, DOCUMENTS, wait_seconds=stack.patience), files_under(DOCUMENTS)
        ):
            if outcome.error:
                raise CheckError(f"{outcome.path.name} cannot be ingested: {outcome.error}")


def tell(line: str) -> None:
    """Writes a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def check(stack: Stack, parts: tuple[str, ...]) -> None:
    """The whole of it.

    Raises:
        CheckError: The stack does not start, or one question gets no answer.
    """
    begun = time.monotonic()
    stack.compose("up", "--detach", "--wait", "--wait-timeout", f"{stack.patience:.0f}")
    tell(f"the stack is healthy after {time.monotonic() - begun:.0f} s")
    asyncio.run(ingest(stack))
    first = Asked()
    ask_until_answered(stack, first)
    tell(f"documents are in, the first question was answered after {first.longest:.1f} s")
    tell(f"{'killed':<16} {'whole after':>11} {'answers':>8} {'refused':>8} {'cut':>5} {'longest':>8}")
    for part in parts:
        asked = Asked()
        with asking(stack, asked):
            seconds = wait_whole(stack, part, stack.kill(part))
        ask_until_answered(stack, asked)
        counts = f"{asked.answered:>8} {asked.refused:>8} {asked.cut:>5}"
        tell(f"{part:<16} {seconds:>9.1f} s {counts} {asked.longest:>6.1f} s")
        if asked.wrong:
            raise CheckError(f"answers that do not hold {EXPECTED}: {asked.wrong[:3]}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--docker", default="docker", help="the program")
    parser.add_argument("--tag", default="0.1.0", help="of the images")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds to wait for anything")
    parser.add_argument(
        "--kill", nargs="*", default=PARTS, choices=PARTS, help="whom to kill; all, one after the other"
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    given = parser.parse_args()
    ports = {name: free_port() for name in ("HTTP_PORT", "GRPC_PORT", "TEMPORAL_UI_PORT")}
    secret = {name: secrets.token_hex(16) for name in ("POSTGRES_PASSWORD", "QDRANT_API_KEY")}
    project = f"olo-check-{secrets.token_hex(3)}"
    stack = Stack(given.docker, project, {**ports, **secret, "TAG": given.tag}, given.patience)
    try:
        check(stack, tuple(given.kill))
    except CheckError as error:
        sys.stderr.write(f"compose-check: {error}\n")
        sys.stderr.write(stack.compose("ps", "--all") + stack.compose("logs", "--no-color", "--tail", "5"))
        return 1
    finally:
        if given.keep:
            tell(f"the stack stays at {stack.http}, project {project}")
        else:
            stack.compose("down", "--volumes", "--timeout", "20")
    tell("every question was answered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
