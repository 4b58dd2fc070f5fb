"""How hard a prompt is to answer, judged by features that people can check. Deciding about the profile `auto`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_TEXT: Final = 8192

_WORD: Final = re.compile(r"[^\W\d_]+")
_REASONING: Final = frozenset(
    {
        *("analyse", "analyze", "argue", "compare", "contrast", "critique", "debug", "derive", "design", "diagnose"),
        *("estimate", "evaluate", "explain", "infer", "justify", "optimise", "optimize", "plan", "prove", "refactor"),
        *("simulate", "solve", "strategy", "synthesise", "synthesize", "tradeoff", "why"),
    }
)
_SIMPLE_STARTS: Final = frozenset(
    ("who", "when", "where", "define", "spell", "translate", "list", "name", "hi", "hello", "thanks", "what")
)
_CODE: Final = re.compile(
    r"```|\b(?:def|class|import|SELECT|function|return|const|fn)\b.{0,80}[({:;]|[{};][ \t]*$", re.MULTILINE
)
_MATH: Final = re.compile(r"[=<>≤≥∑∫√^]|\\(?:frac|sum|int)|\b\d+\s*[*/+-]\s*\d+")
_STEPS: Final = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*])[ \t]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is judged."""

    text: str
    characters: int = 0
    """Of all messages."""
    turns: int = 0
    grounded: bool = False
    """Passages are put before it."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something seen in a prompt: `value` (0 to 1), and its share in the score before that is squeezed."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Complexity:
    """The judgement: complex from a score of one half on."""

    score: float
    features: tuple[Feature, ...]
    """The weightiest first; those that were not seen are left out."""

    @property
    def is_complex(self) -> bool:
        """Whether it takes a capable model."""
        return self.score >= 0.5


class Classifier(Protocol):
    """Judges prompts."""

    def judge(self, prompt: Prompt) -> Complexity:
        """The judgement about one."""
        ...


def features_of(prompt: Prompt) -> dict[str, float]:
    """The features by name, each from 0 to 1."""
    text = prompt.text[:MAX_TEXT]
    words = [word.lower() for word in _WORD.findall(text)]
    questions = text.count("?")
    return {
        "length": _share(len(words), 120),
        "reasoning_words": _share(sum(word in _REASONING for word in words), 3),
        "code": 1.0 if _CODE.search(text) else 0.0,
        "mathematics": _share(len(_MATH.findall(text)), 3),
        "steps": _share(len(_STEPS.findall(text)), 4),
        "questions": _share(max(0, questions - 1), 3),
        "simple_start": 1.0 if words and words[0] in _SIMPLE_STARTS else 0.0,
        "conversation": _share(max(0, prompt.turns - 1), 10),
        "context": _share(prompt.characters, 20_000),
        "grounded": 1.0 if prompt.grounded else 0.0,
    }


class LinearClassifier:
    """A logistic model: the weighted sum of the features, squeezed between 0 and 1.

    Args:
        weights: By feature; those that are missing count 0.
        bias: What is added to every sum.
    """

    def __init__(self, weights: Mapping[str, float], bias: float) -> None:
        self.weights = dict(weights)
        self.bias = bias

    def judge(self, prompt: Prompt) -> Complexity:
        """See `Classifier`."""
        parts = [
            Feature(name, value, value * self.weights.get(name, 0.0))
            for name, value in features_of(prompt).items()
            if value
        ]
        parts.sort(key=lambda part: -abs(part.contribution))
        total = self.bias + sum(part.contribution for part in parts)
        return Complexity(1 / (1 + math.exp(-max(-50.0, min(50.0, total)))), tuple(parts))


def by_rules() -> LinearClassifier:
    """The classifier whose weights were set by hand: one strong sign of work, or several weak ones, make it complex."""
    return LinearClassifier(
        {
            "length": 5.0,
            "reasoning_words": 5.0,
            "code": 3.0,
            "mathematics": 2.5,
            "steps": 2.0,
            "questions": 1.5,
            "simple_start": -1.0,
            "conversation": 1.0,
            "context": 1.5,
            "grounded": -1.0,
        },
        bias=-2.0,
    )


def _share(amount: int, whole: int) -> float:
    return min(1.0, amount / whole)
