"""Measure a checkpoint on natural questions over documents that training never saw."""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batches import AST, END, SPECIALS, SYS, USR
from generator import REFUSAL, SYSTEM
from tokenizers import Tokenizer

Answer = Callable[[list[str], str], str]
Generate = Callable[[list[int]], list[int]]
Metrics = dict[str, float]


def prompt_ids(tokenizer: Tokenizer, passages: list[str], question: str) -> list[int]:
    """Return the prompt as the chat template of the model renders it."""
    context = "".join(f"[{n}] {p}\n" for n, p in enumerate(passages, start=1))
    user = tokenizer.encode(f"{context}Question: {question}").ids
    return [SYS, *tokenizer.encode(SYSTEM).ids, END, USR, *user, END, AST]


def answerer(folder: Path, threads: int = 1) -> Answer:
    """Return a function that answers greedily with a checkpoint, or with a model directory that `olo models` made."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    generate = served(folder, threads) if (folder / "model.bin").is_file() else trained(folder, threads)
    return lambda passages, question: str(tokenizer.decode(generate(prompt_ids(tokenizer, passages, question))))


def trained(folder: Path, threads: int) -> Generate:
    """Return the greedy continuation by torch, which the environment of the training has."""
    import torch
    from model import load

    torch.set_num_threads(threads)
    model = load(folder).eval()
    return lambda prompt: model.generate(prompt, END)


def served(folder: Path, threads: int) -> Generate:
    """Return the greedy continuation by CTranslate2, which the project has: what the stack serves, quantized."""
    import ctranslate2

    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    model = ctranslate2.Generator(str(folder), intra_threads=threads)

    def generate(prompt: list[int]) -> list[int]:
        tokens = [vocabulary[token] for token in prompt]
        result = model.generate_batch(
            [tokens], max_length=96, sampling_topk=1, include_prompt_in_result=False, end_token=SPECIALS[END]
        )
        return [int(token) for token in result[0].sequences_ids[0]]

    return generate


def score(asked: dict[str, Any], answer: Answer) -> tuple[Metrics, list[dict[str, str]]]:
    """Return the rates over a set of questions, and every question with what was said and expected.

    `citation`: the cited passage is the right one. `containment`: the answer's words are in the output. `sentence`:
    the right sentence. `exact`: the right sentence with the right citation. `copied`: outputs that stand in some
    passage word for word.
    """
    counts = dict.fromkeys(("citation", "containment", "sentence", "exact", "copied"), 0)
    refused_right = refused = 0
    rows = []
    answerable = [q for q in asked["questions"] if q["document"] is not None]
    for question in asked["questions"]:
        passages = [asked["documents"][name] for name in question["passages"]]
        said = answer(passages, question["question"]).strip()
        is_refusal = said.startswith(REFUSAL)
        refused += is_refusal
        expected = REFUSAL
        if question["document"] is None:
            refused_right += is_refusal
        else:
            index = question["passages"].index(question["document"]) + 1
            expected = f"{question['sentence']} [{index}]"
            cited = re.findall(r"\[(\d+)\]", said)
            text = re.sub(r"\s*\[\d*\]?$", "", said)
            counts["citation"] += cited == [str(index)]
            counts["containment"] += question["answer"].lower() in said.lower()
            counts["sentence"] += text == question["sentence"]
            counts["exact"] += said == expected
            counts["copied"] += any(text and text in p for p in passages)
        rows.append({"question": question["question"], "said": said, "expected": expected})
    metrics: Metrics = {name: round(count / len(answerable), 4) for name, count in counts.items()}
    unanswerable = len(asked["questions"]) - len(answerable)
    metrics["refusal_precision"] = round(refused_right / refused, 4) if refused else 0.0
    metrics["refusal_recall"] = round(refused_right / unanswerable, 4)
    right = counts["exact"] + refused_right
    metrics["right"] = round(right / len(asked["questions"]), 4)
    return metrics, rows


def watch(run: Path, asked: dict[str, Any], bar: Path | None, until: float) -> None:
    """Score `run/latest` whenever it changes, log it to `run/log.csv` and keep the best one in `run/best`."""
    bar_metrics = score(asked, answerer(bar))[0] if bar else {}
    best_file = run / "best" / "metrics.json"
    best = json.loads(best_file.read_text())["metrics"]["right"] if best_file.exists() else -1.0
    seen = 0.0
    while time.time() < until:
        weights = run / "latest" / "model.safetensors"
        stamp = weights.stat().st_mtime if weights.exists() else 0.0
        if stamp <= seen or time.time() - stamp < 5.0:
            time.sleep(10)
            continue
        seen = stamp
        copy = run / "scored"
        shutil.copytree(run / "latest", copy, dirs_exist_ok=True)
        metrics, rows = score(asked, answerer(copy))
        _append(run / "log.csv", {"time": time.strftime("%H:%M:%S", time.gmtime()), **metrics})
        (run / "answers.json").write_text(json.dumps(rows, indent=1))
        if metrics["right"] > best:
            best = metrics["right"]
            shutil.copytree(copy, run / "best", dirs_exist_ok=True)
            best_file.write_text(json.dumps({"metrics": metrics, "bar": bar_metrics}, indent=1) + "\n")
        print(metrics, flush=True)


def _append(path: Path, figures: dict[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(figures)
        writer.writerow(figures.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder",
        type=Path,
        help="a checkpoint or a model directory, or with --watch the output folder of a training run",
    )
    parser.add_argument(
        "--questions",
        type=Path,
        default=Path(__file__).with_name("validation.json"),
        help="validation.json chooses checkpoints; test.json is for the last report alone",
    )
    parser.add_argument("--bar", type=Path, help="another checkpoint, whose scores stand beside")
    parser.add_argument("--watch", type=float, default=0.0, help="minutes to follow the run, keeping the best")
    parser.add_argument("--answers", action="store_true", help="print every wrong answer")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    questions = json.loads(options.questions.read_text())
    if options.watch:
        watch(options.folder, questions, options.bar, time.time() + options.watch * 60)
        return
    metrics, rows = score(questions, answerer(options.folder, options.threads))
    result: dict[str, Any] = {"metrics": metrics}
    if options.bar:
        result["bar"] = score(questions, answerer(options.bar, options.threads))[0]
    if options.answers:
        result["wrong"] = [row for row in rows if row["said"] != row["expected"]]
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
