"""The llm-worker beside llama.cpp's server and transformers, on the same weights and the same prompts.

1, 4 and 16 users, each with its next request as soon as the last is answered; prompts of mixed lengths that share no
beginning. Each runs as a server of its own with all cores: the llm-worker over gRPC, llama.cpp's server over HTTP with
a slot for each user (it batches continuously), transformers behind a pipe with what waits as one batch. The others are
idle meanwhile. llama.cpp computes in Q8_0 beside our int8, transformers in float32 beside our float32.

Only on a quiet machine do the ratios mean anything: threads of llama.cpp and torch spin while they wait for each other,
and lose many times their time where others compute. The threads of the llm-worker do not wait for each other.

Before, all answer the same questions in float32, greedily, with the demonstration model: they must say the same.
Written: tokens a second, time to the first token, CPU seconds, memory. `make bench-peers` installs the peers.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from tests.bench.harness import write_csv
from tests.bench.llm_throughput import CHECKPOINT, SENTENCE, p95
from tests.bench.peers.servers import LLAMA, PYTHON, Answered, Asked, Server, gguf, llama_cpp, ours, transformers
from tokenizers import Tokenizer

from olo_llm_worker.adapters.model_text import ModelText
from olo_llm_worker.generation.types import Message
from olo_llm_worker.model_directory.conversion import convert
from olo_testing.checkpoints import random_checkpoint

USERS = (1, 4, 16)
QUESTIONS = ("When does the tram run?", "Where does it go?", "Who drives it?", "Why?")


def requests(text_side: ModelText, number: int, seed: int) -> list[Asked]:
    source, words, asked = random.Random(seed), SENTENCE.split(), list[Asked]()
    for _ in range(number):
        text = " ".join(source.choices(words, k=source.choice((4, 12, 24, 48, 96, 160))))
        asked.append(Asked(text, text_side.tokenize([Message("user", text)]), source.choice((8, 16, 24, 32))))
    return asked


async def load(server: Server, users: int, asked: Sequence[Asked]) -> list[object]:
    """Has so many users ask all of it; returns tokens, seconds, first token p50 and p95, CPU seconds, MB."""
    watched, left = psutil.Process(server.pid), iter(asked)
    answers: list[Answered] = []

    async def user() -> None:
        for one in left:
            answers.append(await server.answer(one))

    before, began = cpu(watched), time.perf_counter()
    await asyncio.gather(*(user() for _ in range(users)))
    seconds = time.perf_counter() - began
    first = [answer.first for answer in answers]
    spent = cpu(watched) - before
    memory = sum(part.memory_info().rss for part in family(watched)) / 1e6
    return [sum(answer.tokens for answer in answers), seconds, statistics.median(first), p95(first), spent, memory]


def family(watched: psutil.Process) -> list[psutil.Process]:
    return [watched, *watched.children(recursive=True)]


def cpu(watched: psutil.Process) -> float:
    return sum(times.user + times.system for times in (part.cpu_times() for part in family(watched)))


async def agree(home: Path) -> None:
    """Prints how many answers of each peer are word for word ours, in float32."""
    model = convert(CHECKPOINT, home / "agreed", quantization="float32", name="demo")
    text_side, tokenizer = ModelText(model), Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    texts = [f"Answer from the passages.\n[1] {SENTENCE}\n[2] It goes to the pier.\n{text}" for text in QUESTIONS]
    asked = [Asked(text, text_side.tokenize([Message("user", text)]), 32) for text in texts]
    async with ours(model.path, "float32", home / "ours.log") as server:
        expected = [(await server.answer(one)).text for one in asked]
    async with AsyncExitStack() as stack:
        peers: dict[str, Server] = {
            "transformers": await stack.enter_async_context(transformers(CHECKPOINT, tokenizer))
        }
        if LLAMA.exists():
            file = gguf(CHECKPOINT, home / "agreed.gguf", "F32")
            peers["llama.cpp"] = await stack.enter_async_context(llama_cpp(file, tokenizer, home / "llama.log"))
        for name, peer in peers.items():
            same = sum([(await peer.answer(one)).text == text for one, text in zip(asked, expected, strict=True)])
            print(f"{name} gives {same} of {len(asked)} answers as we do, greedily in float32")


async def measured(name: str, checkpoint: Path, home: Path, rounds: int, each: int) -> list[list[Any]]:
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    rows: list[list[Any]] = []
    async with AsyncExitStack() as stack:
        servers: dict[str, Server] = {}
        for precision in ("int8", "float32"):
            model = convert(checkpoint, home / f"{name}-{precision}", quantization=precision, name=name)
            context = ours(model.path, precision, home / "ours.log")
            servers[f"ours {precision}"] = await stack.enter_async_context(context)
        text_side = ModelText(model)
        if LLAMA.exists():
            file = gguf(checkpoint, home / f"{name}.gguf", "Q8_0")
            servers["llama.cpp Q8_0"] = await stack.enter_async_context(llama_cpp(file, tokenizer, home / "llama.log"))
        servers["transformers float32"] = await stack.enter_async_context(transformers(checkpoint, tokenizer))
        for server in servers.values():
            await load(server, max(USERS), requests(text_side, max(USERS), 0))
        for number, users in itertools.product(range(1, rounds + 1), USERS):
            asked = requests(text_side, each + users * 2, number * 100 + users)
            for title, server in servers.items():
                rows.append([name, users, number, title, *await load(server, users, asked)])
    return rows


def tell(rows: Sequence[Sequence[Any]]) -> None:
    """Prints what is ours over what is theirs, paired by round."""
    table = {tuple(row[:4]): row[4:] for row in rows}
    for name, users in dict.fromkeys((row[0], row[1]) for row in rows):
        for peer, mine in (("llama.cpp Q8_0", "ours int8"), ("transformers float32", "ours float32")):
            pairs = [
                (table[name, users, number, mine], table[name, users, number, peer])
                for number in sorted({row[2] for row in rows})
                if (name, users, number, peer) in table
            ]
            if not pairs:
                continue
            rate = [(m[0] / m[1]) / (p[0] / p[1]) for m, p in pairs]
            per_token = [(m[4] / m[0]) / (p[4] / p[0]) for m, p in pairs]
            first, late = ([m[at] / p[at] for m, p in pairs] for at in (2, 3))
            memory = statistics.median(m[5] / p[5] for m, p in pairs)
            print(
                f"{name}, {users} users, {mine} beside {peer}: {statistics.median(rate):.2f}x tokens/s "
                f"({min(rate):.2f} to {max(rate):.2f}); CPU per token {statistics.median(per_token):.2f}x; first token "
                f"p50 {statistics.median(first):.2f}x, p95 {statistics.median(late):.2f}x; memory {memory:.2f}x"
            )


async def run(rounds: int, each: int, models: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        await agree(home)
        rows = []
        for name in models:
            source = CHECKPOINT
            if name != "demo":
                source = random_checkpoint(home / "random", CHECKPOINT, hidden=512, layers=8, heads=8, inner=1408)
                untied(source)
            rows += await measured(name, source, home, rounds, each)
    tell(rows)
    header = ["model", "users", "round", "server", "tokens", "seconds", "first_p50_s", "first_p95_s", "cpu_s", "rss_mb"]
    write_csv("llm_peers", header, rows)


def untied(checkpoint: Path) -> None:
    """Says that the output layer is one of its own, which transformers would not look for."""
    file = checkpoint / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "tie_word_embeddings": False}))


def main(rounds: int = 5, each: int = 8, models: Sequence[str] = ("demo", "random-30m")) -> None:
    if not PYTHON.exists():
        print("llm_peers: left out, because no peers are installed; `make bench-peers` does it, in half an hour")
        return
    if not LLAMA.exists():
        print("llm_peers: llama.cpp is left out, because it was not built; `make bench-peers` says why")
    asyncio.run(run(rounds, each, models))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--each", type=int, default=8)
    parser.add_argument("--models", nargs="*", default=["demo", "random-30m"])
    main(**vars(parser.parse_args()))
