"""The generator of the demo model's training data, over a small corpus of its own."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

RECIPE = Path(__file__).parents[1]
NAMES = ("corpus", "questions", "grammar", "everyday", "generator")
PARAGRAPHS = [
    ["A buffer is a piece of memory that holds data.", "The server writes the buffer to disk when it is full."],
    ["If the disk is full, the server stops and waits.", "You can change the size of the buffer at any time.",
     "To empty the buffer, call the flush command.", "Locks are held because two writers would spoil the file."],
    ["An anchor is a heavy object that keeps a ship in place.", "Sailors must raise the anchor before they leave.",
     "The harbour master counts the ships every evening."],
]  # fmt: skip
LEXICON = {
    "things": ["lamp", "door", "pump", "wire", "table"],
    "places": ["park", "harbour"],
    "people": ["keeper", "nurse", "captain"],
    "groups": ["crew", "council"],
    "verbs": [["open", "opens", "opened", "opened", "opening"], ["write", "writes", "wrote", "written", "writing"]],
    "adjectives": ["old", "green", "heavy"],
    "synonyms": {"lamp": ["light"], "open": ["unlock"]},
}


@pytest.fixture(scope="module", autouse=True)
def recipe() -> Iterator[dict[str, ModuleType]]:
    """The modules of the recipe, which are scripts beside each other and no package."""
    sys.path.insert(0, str(RECIPE))
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    try:
        yield {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(RECIPE))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def make(recipe: dict[str, ModuleType], seed: int):
    corpus = {"train": PARAGRAPHS, "heldout": PARAGRAPHS[:1] + PARAGRAPHS[1:], "lexicon": LEXICON}
    return recipe["generator"].Generator(corpus, seed)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31))
def test_an_answer_is_a_sentence_of_the_passage_that_it_cites(recipe, seed):
    generator = recipe["generator"]
    source = make(recipe, seed).examples(generator.Shape())
    example = next(source)
    sentences = [s for p in example.passages for s in p]
    for turn in example.turns:
        if turn.passage is None:
            assert turn.answer in (generator.REFUSAL, *generator.CHAT.values())
        else:
            assert turn.sentence in example.passages[turn.passage]
            assert sentences.count(turn.sentence) == 1
            assert turn.answer == f"{turn.sentence} [{turn.passage + 1}]"
            assert f"[{turn.passage + 1}] " in example.context()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31))
def test_no_sentence_and_no_question_is_asked_twice_in_an_example(recipe, seed):
    example = next(make(recipe, seed).examples(recipe["generator"].Shape()))
    sources = [t.sentence for t in example.turns if t.passage is not None]
    assert len(sources) == len(set(sources))
    assert all(t.question.strip() for t in example.turns)


def test_the_same_seed_gives_the_same_examples_and_another_seed_does_not(recipe):
    shape = recipe["generator"].Shape()

    def first_five(seed):
        source = make(recipe, seed).examples(shape)
        return [next(source) for _ in range(5)]

    assert first_five(3) == first_five(3)
    assert first_five(3) != first_five(4)


def test_shapes_bound_passages_and_questions(recipe):
    shape = recipe["generator"].Shape(passages=3, words=20, questions=4)
    source = make(recipe, 1).examples(shape)
    for _ in range(200):
        example = next(source)
        assert 1 <= len(example.passages) <= 3
        assert 1 <= len(example.turns) <= 4
        for passage in example.passages:
            assert len(passage) == 1 or sum(len(s.split()) for s in passage) <= 20


def test_about_a_fifth_of_the_questions_has_no_answer(recipe):
    generator = recipe["generator"]
    source = make(recipe, 5).examples(generator.Shape())
    turns = [turn for _ in range(600) for turn in next(source).turns]
    share = sum(turn.answer == generator.REFUSAL for turn in turns) / len(turns)
    assert 0.1 < share < 0.3


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31))
def test_a_sentence_that_was_taken_out_is_nowhere_and_its_question_is_no_other_sentences(recipe, seed):
    maker, facts = make(recipe, seed), {}
    passages = [maker._about_a_thing(60, list(maker.frames[:6]), facts) for _ in range(3)]
    for sentence in maker._take_out(passages):
        assert not any(sentence in passage for passage in passages)
        for question in facts[sentence].questions:
            present = [f for s, f in facts.items() if any(s in p for p in passages)]
            if any(question in fact.questions for fact in present):
                assert maker._still_answered(question, sentence, passages, facts)


def test_each_frame_says_something_that_it_can_be_asked_for(recipe):
    everyday, words = recipe["everyday"], recipe["grammar"].Words(Random(3), LEXICON)
    chosen = everyday.frames()
    assert len(chosen) > 150
    for frame in chosen:
        assert frame.ways
        for _ in range(6):
            fact = everyday.frame_fact(words, frame, "the Ardel mill", "it")
            assert fact.sentence[0].isupper() or fact.sentence[0].isdigit()
            assert fact.questions and not set(fact.questions) & set(fact.missed)
            assert not any("{" in text for text in (fact.sentence, *fact.questions, *fact.missed))


def test_a_question_belongs_to_the_ways_that_hold_its_answer(recipe):
    frame = recipe["everyday"].frame(
        "exam: The exam lasts {span}. | Results are posted at the {thing}. | {Person} sets the exam. => "
        "How long does the exam last? | Where are results posted? | Who sets the exam? | 23: Is it fair?"
    )
    assert [questions for _, questions, _ in frame.ways] == [
        ("How long does the exam last?",),
        ("Where are results posted?", "Is it fair?"),
        ("Who sets the exam?", "Is it fair?"),
    ]
    assert frame.ways[0][2] == ("Where are results posted?", "Who sets the exam?")
    alike = recipe["everyday"].frame("price=: It costs {money}. | One pays {money}. => How much does it cost?")
    assert [questions for _, questions, _ in alike.ways] == [("How much does it cost?",)] * 2


def test_a_made_fact_names_its_value_only_in_the_sentence(recipe):
    grammar = recipe["grammar"]
    words = grammar.Words(Random(2), LEXICON)
    for relation in grammar.RELATIONS:
        fact = grammar.relation_fact(words, relation, "the Ardel mill", "it")
        assert fact.sentence[0].isupper() and fact.sentence.endswith(".")
        assert "{" not in fact.sentence
        assert all("the Ardel mill" in question and "{" not in question for question in fact.questions)


@pytest.mark.parametrize(
    ("sentence", "word"),
    [(s, w) for p in PARAGRAPHS for s, w in zip(p, ["buffer", "disk", "buffer", "writers"], strict=False)][:2],
)
def test_a_question_shares_words_with_the_sentence_that_answers_it(recipe, sentence, word):
    questions = recipe["questions"]
    made = {questions.question_for(sentence, Random(seed)) for seed in range(80)} - {None}
    assert len(made) > 8
    assert any(word in question for question in made)


def test_question_words_that_are_rewritten_leave_the_question_readable(recipe):
    questions = recipe["questions"]
    rough = {questions.roughen("Who may open the lamp?", Random(s), LEXICON["synonyms"], rate=0.9) for s in range(60)}
    assert any("light" in question for question in rough)
    assert all(len(question.split()) >= 5 for question in rough)


@pytest.mark.parametrize(("name", "answerable", "unanswerable"), [("validation", 48, 15), ("test", 72, 32)])
def test_the_questions_are_consistent_and_no_text_of_them_is_in_the_recipe(recipe, name, answerable, unanswerable):
    asked = json.loads((RECIPE / f"{name}.json").read_text())
    sources = "".join(path.read_text() for path in (*RECIPE.glob("*.py"), RECIPE / "frames.txt"))
    without = [q for q in asked["questions"] if q["document"] is None]
    assert (len(asked["questions"]) - len(without), len(without)) == (answerable, unanswerable)
    for text in asked["documents"].values():
        assert 30 <= len(text.split()) <= 90
        assert not any(sentence.strip() in sources for sentence in text.split(".") if sentence.strip())
    for question in asked["questions"]:
        assert len(set(question["passages"])) == 4
        assert set(question["passages"]) <= set(asked["documents"])
        assert question["question"] not in sources
        if question["document"] is not None:
            text = asked["documents"][question["document"]]
            assert question["document"] in question["passages"]
            assert question["sentence"] in text and question["answer"] in question["sentence"]
            assert sum(question["sentence"] in asked["documents"][p] for p in question["passages"]) == 1


def test_no_document_is_in_two_sets(recipe):
    first, second = (json.loads((RECIPE / f"{name}.json").read_text()) for name in ("validation", "test"))
    assert not set(first["documents"].values()) & set(second["documents"].values())
    assert not {q["question"] for q in first["questions"]} & {q["question"] for q in second["questions"]}
