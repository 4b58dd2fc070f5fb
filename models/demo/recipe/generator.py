"""Make training examples: numbered passages and several questions over them, each with its answer and source."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from corpus import Corpus
from everyday import Frame, frame_fact, frame_question, frames
from grammar import RELATIONS, Fact, Relation, Words, capital, event_fact, relation_fact
from questions import content_words, question_for, roughen, stem

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


# Relations whose questions are answered by each other's sentences, or nearly so.
_ALIKE = (
    {"opened", "hours", "shuts", "closed", "built"},
    {"price", "ticket", "discount", "fee", "children"},
    {"size", "length", "height", "depth", "wide", "distance", "reach", "place", "travel"},
    {"founder", "designer", "leader", "owner", "first", "lastman", "donor", "contact", "staff", "maker"},
    {"capacity", "visitors", "lives", "count", "members", "crew", "staff"},
    {"material", "colour", "colour2", "power", "fame", "origin"},
    {"refund", "return", "warranty", "lend"},
    {"service", "repair", "clean", "check", "change", "reset", "start", "stop", "fail"},
    {"built", "destroyed", "rebuilt", "age", "oldest", "last"},
)


def alike(relation: str) -> set[str]:
    """Return the relation and those that are close to it."""
    return {relation}.union(*(group for group in _ALIKE if relation in group))


class Generator:
    """Draws examples; the same seed over the same corpus gives the same examples."""

    refusal_rate = 0.34

    def __init__(self, corpus: Corpus, seed: int, *, heldout: bool = False) -> None:
        self.rng = Random(seed)
        self.words = Words(self.rng, corpus["lexicon"])
        self.synonyms = corpus["lexicon"]["synonyms"]
        self.frames = frames()
        self.own_frames = [f for f in self.frames if any("{e}" in way or "{E}" in way for way, _, _ in f.ways)]
        self.paragraphs = corpus["heldout" if heldout else "train"]
        self.long = [p for p in self.paragraphs if len(p) >= 3]
        self.short_names: dict[str, str] = {}

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
        self.short_names = {}
        shared: list[Relation | Frame] = [
            *rng.sample(self.frames, rng.randint(2, 5)), *rng.sample(RELATIONS, rng.randint(0, 3))
        ]  # fmt: skip
        style = rng.random()
        passages = []
        for _ in range(count):
            budget = rng.randint(min(12, shape.words), shape.words)
            roll = rng.random() * 0.6 + (0.4 if style > 0.6 else 0.0)
            if roll < 0.5:
                passage = self._about_a_thing(budget, shared, facts)
            elif roll < 0.62:
                passage = self._events(budget, facts)
            else:
                passage = self._real(budget)
            passages.append(passage)
        gone = self._take_out(passages)
        asked = [q for s in gone if (q := self._question(s, facts)) and not self._still_answered(q, s, passages, facts)]
        for sentence in gone:
            facts.pop(sentence, None)
        return Example(passages, self._turns(passages, facts, asked, shape.questions))

    def _take_out(self, passages: list[list[str]]) -> list[str]:
        """Remove a sentence from some passages and return those sentences: what they answer is no longer said."""
        rng = self.rng
        long = [p for p in passages if len(p) > 1 and rng.random() < 0.4]
        gone = [p.pop(rng.randint(min(1, len(p) - 2), len(p) - 1)) for p in long]
        return [s for s in gone if not any(s in p for p in passages)]

    def _still_answered(self, question: str, gone: str, passages: list[list[str]], facts: dict[str, Fact]) -> bool:
        """Say whether another sentence may answer the question of a sentence that was taken out."""
        left = [s for p in passages for s in p]
        if fact := facts.get(gone):
            others = [facts[s] for s in left if s in facts]
            near = alike(fact.relation)
            return any((f.subject == fact.subject and f.relation in near) or question in f.questions for f in others)
        asked = {stem(w) for w in content_words(question)}
        return any(len(asked & {stem(w) for w in content_words(s)}) * 2 > len(asked) for s in left)

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

    def _about_a_thing(self, budget: int, shared: list[Relation | Frame], facts: dict[str, Fact]) -> list[str]:
        full, short = self.words.entity()
        self.short_names[full] = short
        rng = self.rng
        pronoun = rng.random() < 0.6

        def sentences() -> Iterator[str]:
            kinds = rng.sample(shared, len(shared)) + rng.sample(self.frames, 4) + rng.sample(self.own_frames, 4)
            seen: set[str] = set()
            for kind in kinds:
                name = kind.name if isinstance(kind, Frame) else kind[0]
                if name in seen:
                    continue
                alias = rng.choice([short, "it", full]) if seen and pronoun else None
                seen.add(name)
                if isinstance(kind, Frame):
                    fact = frame_fact(self.words, kind, full, alias)
                else:
                    fact = relation_fact(self.words, kind, full, alias)
                if (
                    alias
                    and full in "".join(fact.questions)
                    and not any(mark in fact.sentence for mark in (alias, capital(alias)))
                ):
                    continue
                facts[fact.sentence] = fact
                yield fact.sentence
                if rng.random() < 0.1:
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
        unanswered: list[str],
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
            if rng.random() < self.refusal_rate:
                question = unanswered.pop() if unanswered else self._unanswerable(passages, facts)
                if question and question not in asked:
                    turns[index] = Turn(question, REFUSAL, None)
        if rng.random() < 0.02 and turns:
            hello = rng.choice(list(CHAT))
            turns[0] = Turn(hello, CHAT[hello], None)
        return turns

    def _question(self, sentence: str, facts: dict[str, Fact]) -> str | None:
        if fact := facts.get(sentence):
            question = self.rng.choice(fact.questions)
            if any(f is not fact and question in f.questions for f in facts.values()):
                return None
            question = self._shortened(question, fact.subject)
        else:
            made = question_for(sentence, self.rng)
            if made is None:
                return None
            question = made
        return roughen(question, self.rng, self.synonyms)

    def _shortened(self, question: str, subject: str) -> str:
        """Call the subject in a question by its short name, as people do, if nothing else here is called so."""
        short = self.short_names.get(subject, "it")
        alone = list(self.short_names.values()).count(short) == 1
        return question.replace(subject, short) if short != "it" and alone and self.rng.random() < 0.5 else question

    def _unanswerable(self, passages: list[list[str]], facts: dict[str, Fact]) -> str | None:
        """Ask what a sentence nearly says, what a present thing lacks, or for an absent or a foreign thing."""
        rng = self.rng
        roll = rng.random()
        said = list(facts.values())
        if said and roll < 0.22:
            fact = rng.choice(said)
            near = [q for q in fact.missed if not any(q in f.questions for f in said)]
            return self._shortened(rng.choice(near), fact.subject) if near else None
        if said and roll < 0.7:
            subject = rng.choice(list(self.short_names) or [f.subject for f in said])
            known = {n for f in said if f.subject == subject for n in alike(f.relation)}
            if rng.random() < 0.2:
                missing = [r for r in RELATIONS if r[0] not in known]
                return self._shortened(rng.choice(rng.choice(missing)[2]).format(e=subject), subject)
            lacking = rng.choice(
                [
                    f
                    for f in (self.own_frames if rng.random() < 0.6 else self.frames)
                    if f.name not in {g.relation for g in said} | known
                ]
            )
            thing = rng.choice([f.thing for f in said]) if rng.random() < 0.6 else ""
            return self._shortened(frame_question(self.words, lacking, subject, thing), subject)
        if said and roll < 0.78:
            fact = rng.choice(said)
            question = rng.choice(fact.questions)
            return question.replace(fact.subject, self.words.entity()[0]) if fact.subject in question else None
        if roll < 0.83:
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
