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
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from tests.bench.harness import write_csv
from tests.bench.llm_throughput import CHECKPOINT, SENTENCE

from olo_llm_worker.adapters.ctranslate2_engine import CTranslate2Engine
from olo_llm_worker.adapters.grammar import Grammar
from olo_llm_worker.generation.answers import answering
from olo_llm_worker.generation.scheduler import Policy, Scheduler
from olo_llm_worker.generation.types import Job, Message, ResponseFormat, Sampling
from olo_llm_worker.model_directory import convert
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


async def per_token(scheduler: Scheduler, job: Job) -> tuple[float, int]:
    """CPU seconds for each token, and the tokens."""
    began = time.process_time()
    async with answering(scheduler, job) as answer:
        result = await answer.result()
    return (time.process_time() - began) / result.completion_tokens, result.completion_tokens


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


async def measured(engine: CTranslate2Engine, generator: Any, grammar: Grammar) -> list[list[float]]:
    scheduler = Scheduler(engine, Policy(1, 1))
    constrained = ResponseFormat(json=True, schema=SCHEMA, constrained=True)
    rows: list[list[float]] = []
    for number in range(ROUNDS + 1):
        masked, tokens = await per_token(scheduler, asked(number, constrained, 200))
        plain, _ = await per_token(scheduler, asked(number, ResponseFormat(), tokens))
        prompt = engine.tokenize(asked(number, constrained, 1).messages)
        rows.append([number, tokens, masked, plain, reading_again(generator, grammar, prompt)])
    await scheduler.close()
    # The first round has paid for what the engine allocates once.
    return rows[1:]


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        source = random_checkpoint(Path(home) / "random", CHECKPOINT, hidden=512, layers=8, heads=8, inner=1408)
        directory = convert(source, Path(home) / "int8", quantization="int8", name="random-30m")
        engine = CTranslate2Engine(directory)
        generator = ctranslate2.Generator(str(directory.path), intra_threads=1)
        vocabulary, ends = engine.info.vocabulary_size, directory.manifest.stop_token_ids
        grammar = Grammar(directory.file("tokenizer.json").read_text(encoding="utf-8"), vocabulary, ends)
        rows = asyncio.run(measured(engine, generator, grammar))
        engine.close()
    for what, peer in (("plain answers", 3), ("masks with all read again for each token", 4)):
        ratios = [row[2] / row[peer] for row in rows]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"CPU per token of constrained answers beside {what}: {statistics.median(ratios):.2f}x ({spread})")
    write_csv("llm_constrained", ["round", "tokens", "masked_cpu_s", "plain_cpu_s", "reading_again_cpu_s"], rows)


if __name__ == "__main__":
    main()
