"""What it costs to hold an answer to a JSON Schema token by token.

The subject beside plain answers of the same length, and beside the same masks with the prompt read again for every
token, which is what is left where an engine has no hook: `forward_batch`. With random weights: a model that knows
nothing of JSON departs from the form as often as can be.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import psutil
from tests.bench.harness import write_csv
from tests.bench.llm_soak import seconds_used
from tests.bench.llm_throughput import CHECKPOINT, SENTENCE

from olo_llm_worker.adapters.child_engine import ChildEngine, Placement, start_engine
from olo_llm_worker.adapters.grammar import Grammar
from olo_llm_worker.generation.answers import answering
from olo_llm_worker.generation.policy import Policy
from olo_llm_worker.generation.scheduler import Scheduler
from olo_llm_worker.generation.types import Job, Message, ResponseFormat, Sampling
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.conversion import convert
from olo_testing.checkpoints import random_checkpoint

ROUNDS = 3
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "answer": {"type": "string", "maxLength": 60},
            "source": {"type": "integer", "minimum": 1, "maximum": 9},
            "sure": {"enum": ["yes", "no", "perhaps"]},
        },
        "required": ["answer", "source", "sure"],
        "additionalProperties": False,
    }
)


def asked(number: int, form: ResponseFormat, tokens: int) -> Job:
    return Job(
        str(number),
        (Message("user", f"{number}: {SENTENCE * 4}When?"),),
        Sampling(temperature=0.0, max_tokens=tokens),
        response_format=form,
    )


async def per_token(scheduler: Scheduler, processes: Sequence[psutil.Process], job: Job) -> tuple[float, int]:
    """CPU seconds for each token, and the tokens."""
    began = seconds_used(processes)
    async with answering(scheduler, job) as answer:
        result = await answer.result()
    return (seconds_used(processes) - began) / result.completion_tokens, result.completion_tokens


def reading_again(generator: Any, grammar: Grammar, prompt: list[int]) -> float:
    """CPU seconds for each token where all is read again for every one."""
    answer: list[int] = []
    began = time.process_time()
    while not (guide := grammar.guide(SCHEMA, answer)).ended:
        if forced := guide.forced():
            answer += forced
            continue
        answer.append(guide.choose(np.array(generator.forward_batch([[*prompt, *answer]]))[0, -1]))
    return (time.process_time() - began) / len(answer)


async def measured(directory: ModelDirectory, generator: Any) -> list[list[float]]:
    engine = await start_engine(directory, Placement())
    processes, grammar = [psutil.Process(), psutil.Process(engine.pid)], grammar_of(directory, engine)
    scheduler = Scheduler(engine, Policy(1, 1))
    constrained = ResponseFormat(json=True, schema=SCHEMA, constrained=True)
    rows: list[list[float]] = []
    for number in range(ROUNDS + 1):
        masked, tokens = await per_token(scheduler, processes, asked(number, constrained, 200))
        plain, _ = await per_token(scheduler, processes, asked(number, ResponseFormat(), tokens))
        prompt = engine.tokenize(asked(number, constrained, 1).messages)
        rows.append([number, tokens, masked, plain, reading_again(generator, grammar, prompt)])
    await scheduler.close()
    await engine.close()
    # The first round has paid for what the engine allocates once.
    return rows[1:]


def grammar_of(directory: ModelDirectory, engine: ChildEngine) -> Grammar:
    text = directory.file("tokenizer.json").read_text(encoding="utf-8")
    return Grammar(text, engine.info.vocabulary_size, directory.manifest.stop_token_ids)


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        source = random_checkpoint(Path(home) / "random", CHECKPOINT, hidden=512, layers=8, heads=8, inner=1408)
        directory = convert(source, Path(home) / "int8", quantization="int8", name="random-30m")
        generator = ctranslate2.Generator(str(directory.path), intra_threads=1)
        rows = asyncio.run(measured(directory, generator))
    for what, peer in (("plain answers", 3), ("masks with all read again for each token", 4)):
        ratios = [row[2] / row[peer] for row in rows]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"CPU per token of constrained answers beside {what}: {statistics.median(ratios):.2f}x ({spread})")
    write_csv("llm_constrained", ["round", "tokens", "masked_cpu_s", "plain_cpu_s", "reading_again_cpu_s"], rows)


if __name__ == "__main__":
    main()
