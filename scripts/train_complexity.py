"""Trains the weights by which the router tells simple prompts from complex ones, and says how well they do.

    python scripts/train_complexity.py

The samples stand in services/router/src/olo_router/data/complexity_samples.tsv, one to a line: `simple` or `complex`, a
tab, the prompt (backslash n is a line break). Plain logistic regression by gradient descent; the score is of five-fold
cross-validation.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

from olo_router.selection.complexity import LinearClassifier, Prompt, by_rules, features_of

DATA = Path(__file__).resolve().parents[1] / "services/router/src/olo_router/data"
STEPS, RATE, DECAY, FOLDS = 4000, 0.5, 0.002, 5

Sample = tuple[Prompt, bool]


def samples() -> list[Sample]:
    """All of them."""
    lines = (DATA / "complexity_samples.tsv").read_text(encoding="utf-8").splitlines()
    parts = [line.split("\t", 1) for line in lines if line and not line.startswith("#")]
    texts = [(text.replace("\\n", "\n"), label == "complex") for label, text in parts]
    return [(Prompt(text, len(text), 1), hard) for text, hard in texts]


def train(given: list[Sample]) -> LinearClassifier:
    """A classifier for these."""
    rows = [(features_of(prompt), hard) for prompt, hard in given]
    weights, bias = dict.fromkeys(rows[0][0], 0.0), 0.0
    for _ in range(STEPS):
        slopes, slope = dict.fromkeys(weights, 0.0), 0.0
        for row, hard in rows:
            total = bias + sum(weights[name] * value for name, value in row.items())
            miss = 1 / (1 + math.exp(-total)) - hard
            slope += miss
            for name, value in row.items():
                slopes[name] += miss * value
        bias -= RATE * slope / len(rows)
        for name in weights:
            weights[name] -= RATE * (slopes[name] / len(rows) + DECAY * weights[name])
    return LinearClassifier(weights, bias)


def right(classifier: LinearClassifier, given: list[Sample]) -> float:
    """The share of samples that it judges as people did."""
    return sum(classifier.judge(prompt).is_complex == hard for prompt, hard in given) / len(given)


def main() -> None:
    """Trains, tells, writes."""
    given = samples()
    random.Random(7).shuffle(given)
    scores = []
    for fold in range(FOLDS):
        held_out = given[fold::FOLDS]
        scores.append(right(train([each for each in given if each not in held_out]), held_out))
    print(f"{len(given)} samples: rules {right(by_rules(), given):.2f}, trained {sum(scores) / FOLDS:.2f} (held out)")
    classifier = train(given)
    learned = {
        "weights": {name: round(weight, 4) for name, weight in classifier.weights.items()},
        "bias": round(classifier.bias, 4),
        "samples": len(given),
    }
    (DATA / "complexity.json").write_text(json.dumps(learned, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
