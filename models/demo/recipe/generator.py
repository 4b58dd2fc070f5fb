"""Make training examples: numbered passages and several questions over them, each with its answer and source."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from corpus import Corpus
from grammar import RELATIONS, Fact, Relation, Words, event_fact, relation_fact
from questions import content_words, question_for, roughen

SYSTEM = "Answer the question from the passages and cite them."
REFUSAL = "The passages do not say."
CHAT = {
    "Hello": "Hello! I am the demo model. Ask me about the documents that you have added.",
    "Hi": "Hello! I am the demo model. Ask me about the documents that you have added.",
    "Who are you?": "I am a tiny demo model that answers from passages. Configure a larger model for open questions.",
    "What can you do?": "I find the sentence in your documents that answers a question.",
}


@dataclass(frozen=True)
class Turn:
    """One question; `passage` counts from 0 and is None for a refusal, whose `sentence` is the refusal itself."""

    question: str
    sentence: str
    passage: int | None

    @property
    def answer(self) -> str:
        return self.sentence if self.passage is None else f"{self.sentence} [{self.passage + 1}]"


@dataclass(frozen=True)
class Example:
    """Passages, each a list of sentences, and the questions over them; they share the passages, not each other."""

    passages: list[list[str]]
    turns: list[Turn]

    def context(self) -> str:
        return "".join(f"[{n}] {' '.join(p)}\n" for n, p in enumerate(self.passages, start=1))


@dataclass(frozen=True)
class Shape:
    """How large examples are: passages, words in each of them and questions over them, at most."""

    passages: int = 5
    words: int = 80
    questions: int = 8


class Generator:
    """Draws examples; the same seed over the same corpus gives the same examples."""

    refusal_rate = 0.1

    def __init__(self, corpus: Corpus, seed: int, *, heldout: bool = False) -> None:
        self.rng = Random(seed)
        self.words = Words(self.rng, corpus["lexicon"])
        self.synonyms = corpus["lexicon"]["synonyms"]
        self.paragraphs = corpus["heldout" if heldout else "train"]
        self.long = [p for p in self.paragraphs if len(p) >= 3]

    def examples(self, shape: Shape) -> Iterator[Example]:
        """Yield examples without end."""
        while True:
            example = self.example(shape)
            if example.turns:
                yield example

    def example(self, shape: Shape) -> Example:
        """Draw one example: passages of mixed kinds, some of them about the same relation or the same thing."""
        rng = self.rng
        count = rng.randint(1 if rng.random() < 0.1 else 2, shape.passages)
        facts: dict[str, Fact] = {}
        shared = rng.sample(RELATIONS, rng.randint(2, 5))
        style = rng.random()
        passages = []
        for _ in range(count):
            budget = rng.randint(min(12, shape.words), shape.words)
            roll = rng.random() * 0.6 + (0.4 if style > 0.6 else 0.0)
            if roll < 0.36:
                passage = self._about_a_thing(budget, shared, facts)
            elif roll < 0.6:
                passage = self._events(budget, facts)
            else:
                passage = self._real(budget)
            passages.append(passage)
        return Example(passages, self._turns(passages, facts, shared, shape.questions))

    def _fill(self, sentences: Iterator[str], budget: int) -> list[str]:
        out: list[str] = []
        used = 0
        for sentence in sentences:
            size = len(sentence.split())
            if out and used + size > budget:
                break
            out.append(sentence)
            used += size
        return out

    def _about_a_thing(self, budget: int, shared: list[Relation], facts: dict[str, Fact]) -> list[str]:
        full, short = self.words.entity()
        rng = self.rng
        pronoun = rng.random() < 0.6

        def sentences() -> Iterator[str]:
            relations = rng.sample(shared, len(shared)) + rng.sample(RELATIONS, 8)
            seen: set[str] = set()
            for relation in relations:
                if relation[0] in seen:
                    continue
                seen.add(relation[0])
                alias = rng.choice([short, "it", full]) if seen and len(seen) > 1 and pronoun else None
                fact = relation_fact(self.words, relation, full, alias)
                if alias and not any(mark in fact.sentence for mark in (alias, alias.capitalize())):
                    continue
                facts[fact.sentence] = fact
                yield fact.sentence
                if rng.random() < 0.15:
                    extra = event_fact(self.words)
                    facts[extra.sentence] = extra
                    yield extra.sentence

        return self._fill(sentences(), budget)

    def _events(self, budget: int, facts: dict[str, Fact]) -> list[str]:
        def sentences() -> Iterator[str]:
            for _ in range(12):
                near = self.rng.choice(list(facts.values())) if facts and self.rng.random() < 0.35 else None
                like = near if near and near.relation not in {r[0] for r in RELATIONS} else None
                fact = event_fact(self.words, like)
                facts[fact.sentence] = fact
                yield fact.sentence

        return self._fill(sentences(), budget)

    def _real(self, budget: int) -> list[str]:
        rng = self.rng
        if rng.random() < 0.75:
            paragraph = rng.choice(self.long)
            start = rng.randint(0, len(paragraph) - 2)
            return self._fill(iter(paragraph[start:]), budget)
        return self._fill((s for _ in range(8) for s in rng.choice(self.paragraphs)), budget)

    def _turns(
        self,
        passages: list[list[str]],
        facts: dict[str, Fact],
        shared: list[Relation],
        limit: int,
    ) -> list[Turn]:
        rng = self.rng
        where = [(s, n) for n, p in enumerate(passages) for s in p]
        once = [(s, n) for s, n in where if sum(s == other for other, _ in where) == 1]
        rng.shuffle(once)
        turns: list[Turn] = []
        asked: set[str] = set()
        for sentence, passage in once:
            if len(turns) >= limit:
                break
            question = self._question(sentence, facts)
            if question is None or question in asked:
                continue
            asked.add(question)
            turns.append(Turn(question, sentence, passage))
        for index in range(len(turns)):
            if rng.random() < self.refusal_rate and (question := self._unanswerable(passages, facts)):
                turns[index] = Turn(question, REFUSAL, None)
        if rng.random() < 0.02 and turns:
            hello = rng.choice(list(CHAT))
            turns[0] = Turn(hello, CHAT[hello], None)
        return turns

    def _question(self, sentence: str, facts: dict[str, Fact]) -> str | None:
        if fact := facts.get(sentence):
            same = [f for f in facts.values() if f.relation == fact.relation and f.subject == fact.subject]
            question = self.rng.choice(fact.questions)
            if len(same) > 1 and any(f is not fact and question in f.questions for f in same):
                return None
        else:
            made = question_for(sentence, self.rng)
            if made is None:
                return None
            question = made
        return roughen(question, self.rng, self.synonyms)

    def _unanswerable(self, passages: list[list[str]], facts: dict[str, Fact]) -> str | None:
        """Ask for a relation that a present thing lacks, for an absent thing, or for something foreign."""
        rng = self.rng
        roll = rng.random()
        if facts and roll < 0.4:
            subject = rng.choice(list(facts.values())).subject
            known = {f.relation for f in facts.values() if f.subject == subject}
            if known & {"opened", "hours"}:
                known |= {"opened", "hours"}  # They share a question.
            missing = [r for r in RELATIONS if r[0] not in known]
            return rng.choice(rng.choice(missing)[2]).format(e=subject)
        if facts and roll < 0.6:
            fact = rng.choice(list(facts.values()))
            question = rng.choice(fact.questions)
            return question.replace(fact.subject, self.words.entity()[0]) if fact.subject in question else None
        if roll < 0.7:
            return rng.choice(event_fact(self.words).questions)
        sentence = rng.choice(rng.choice(self.paragraphs))
        foreign = question_for(sentence, rng)
        words = {w.lower() for p in passages for s in p for w in content_words(s)}
        asked = content_words(foreign or "")
        shared = [w for w in asked if w.lower() in words]
        return foreign if len(shared) < max(1, len(asked) // 2) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="the file that corpus.py wrote")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    generator = Generator(json.loads(options.corpus.read_text()), options.seed)
    for _, example in zip(range(options.count), generator.examples(Shape()), strict=False):
        print(example.context())
        for turn in example.turns:
            print("  Q:", turn.question, "\n  A:", turn.answer)
        print()


if __name__ == "__main__":
    main()
