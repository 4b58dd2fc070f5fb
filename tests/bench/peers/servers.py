"""The servers that are measured, each as a process of its own behind the same call."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import httpx2
from tokenizers import Tokenizer

from olo.inference.v1 import inference_service_pb2 as pb
from olo.inference.v1 import inference_service_pb2_grpc as rpc
from olo_testing.ports import free_port
from olo_testing.processes import running

HERE = Path(__file__).parent
TOOLS = Path(os.environ.get("OLO_BENCH_PEERS", HERE.parents[2] / ".tools/peers"))
PYTHON, LLAMA = TOOLS / "bin/python", TOOLS / "bin/llama-server"
CORES = len(os.sched_getaffinity(0))
ROWS = 16
"""Requests that each server may work on at once."""


@dataclass(frozen=True)
class Asked:
    """One request, as text and as tokens; greedy, at most so many tokens."""

    text: str
    prompt: list[int]
    tokens: int


@dataclass(frozen=True)
class Answered:
    """Its answer, and the seconds to its first token."""

    text: str
    tokens: int
    first: float


class Server(Protocol):
    """Something that answers."""

    pid: int

    async def answer(self, asked: Asked) -> Answered: ...


class Ours:
    def __init__(self, channel: grpc.aio.Channel, pid: int) -> None:
        self.pid = pid
        self._stub = rpc.InferenceServiceStub(channel)

    async def answer(self, asked: Asked) -> Answered:
        request = pb.GenerateRequest(
            messages=[pb.ChatMessage(role=pb.ROLE_USER, content=asked.text)],
            sampling=pb.SamplingOptions(temperature=0.0, max_tokens=asked.tokens),
        )
        began, first, text, tokens = time.perf_counter(), 0.0, "", 0
        async for response in self._stub.GenerateStream(pb.GenerateStreamRequest(request=request)):
            first = first or time.perf_counter() - began
            text += response.chunk.text
            tokens = response.chunk.usage.completion_tokens or tokens
        return Answered(text, tokens, first)

    async def loaded(self) -> None:
        """Waits until the worker has its model."""
        while True:
            try:
                await self._stub.GetModelInfo(pb.GetModelInfoRequest())
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)


class LlamaCpp:
    def __init__(self, client: httpx2.AsyncClient, pid: int, tokenizer: Tokenizer) -> None:
        self.pid = pid
        self._client = client
        self._tokenizer = tokenizer
        self._control = set(tokenizer.get_added_tokens_decoder())

    async def answer(self, asked: Asked) -> Answered:
        body = {"prompt": asked.prompt, "n_predict": asked.tokens, "temperature": 0.0, "repeat_penalty": 1.0}
        began, first, ids = time.perf_counter(), 0.0, list[int]()
        async with self._client.stream(
            "POST", "/completion", json={**body, "stream": True, "return_tokens": True}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    first = first or time.perf_counter() - began
                    ids += json.loads(line.removeprefix("data: ")).get("tokens", [])
        return Answered(self._tokenizer.decode(ids), sum(token not in self._control for token in ids), first)


class Transformers:
    def __init__(self, process: asyncio.subprocess.Process, tokenizer: Tokenizer) -> None:
        self.pid = process.pid
        self._process = process
        self._tokenizer = tokenizer
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[asyncio.Future[float], asyncio.Future[list[int]]]] = {}
        self._reading = asyncio.create_task(self._read())

    async def answer(self, asked: Asked) -> Answered:
        number, loop = next(self._numbers), asyncio.get_running_loop()
        first, answer = self._waiting[number] = loop.create_future(), loop.create_future()
        assert self._process.stdin is not None
        began = time.perf_counter()
        request = {"id": number, "prompt": asked.prompt, "tokens": asked.tokens}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        ids = await answer
        return Answered(self._tokenizer.decode(ids), len(ids), (await first) - began)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            news = json.loads(line)
            if "id" in news:
                first, answer = self._waiting[news["id"]]
                if "first" in news:
                    first.set_result(time.perf_counter())
                else:
                    answer.set_result(news["answer"])


@contextmanager
def process(command: Sequence[str], port: int, log: Path, **env: str) -> Iterator[int]:
    with running(command, port=port, log=log, env=env, wait_seconds=60) as child:
        yield child.pid


@asynccontextmanager
async def ours(model: Path, precision: str, log: Path) -> AsyncIterator[Server]:
    port = free_port()
    nowhere = f"127.0.0.1:{free_port()}"
    env = {
        "OLO_LLM_WORKER_MODEL_ID": "bench",
        "OLO_LLM_WORKER_MODEL_DIRECTORY": str(model),
        "OLO_LLM_WORKER_COMPUTE_TYPE": precision,
        "OLO_LLM_WORKER_PORT": str(port),
        "OLO_LOG_LEVEL": "error",
        "OLO_NATS_URL": f"nats://{nowhere}",
        "TEMPORAL_ADDRESS": nowhere,
    }
    with process([sys.executable, "-m", "olo_llm_worker"], port, log, **env) as pid:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            server = Ours(channel, pid)
            await server.loaded()
            yield server


@asynccontextmanager
async def llama_cpp(model: Path, tokenizer: Tokenizer, log: Path) -> AsyncIterator[Server]:
    port, slots = free_port(), ROWS
    options = {"-m": model, "--port": port, "-np": slots, "-c": slots * 512, "-t": CORES, "-tb": CORES}
    command = [str(LLAMA), "--host", "127.0.0.1", *(str(part) for option in options.items() for part in option)]
    with process(command, port, log) as pid:
        # It closes connections that are idle for some seconds, as they are while others are measured.
        limits = httpx2.Limits(max_connections=slots, max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300, limits=limits) as client:
            while (await client.get("/health")).status_code != 200:
                await asyncio.sleep(0.1)
            yield LlamaCpp(client, pid, tokenizer)


@asynccontextmanager
async def transformers(checkpoint: Path, tokenizer: Tokenizer) -> AsyncIterator[Server]:
    command = [str(PYTHON), str(HERE / "transformers_server.py"), str(checkpoint), str(ROWS), str(CORES)]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    assert child.stdin is not None and child.stdout is not None
    try:
        await child.stdout.readline()
        yield Transformers(child, tokenizer)
    finally:
        child.stdin.close()
        await child.wait()


def gguf(checkpoint: Path, target: Path, precision: str) -> Path:
    subprocess.run([str(PYTHON), str(HERE / "gguf_model.py"), str(checkpoint), str(target), precision], check=True)
    return target
