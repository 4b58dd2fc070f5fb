"""Which record means which model: measured on names that models really have, with near misses among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_registry.benchmarks.matching import Index, compare
from olo_registry.benchmarks.names import parse_name

NAMES = Path(__file__).parent / "names"


def records() -> list[str]:
    return (NAMES / "records.txt").read_text().splitlines()


def labelled() -> list[tuple[str, str | None]]:
    rows = (line.split("\t") for line in (NAMES / "labelled.tsv").read_text().splitlines())
    return [(name, None if record == "-" else record) for name, record in rows]


def test_matches_are_right_and_few_are_missed() -> None:
    index = Index((record, ()) for record in records())
    found = {name: index.resolve(name) for name, _ in labelled()}
    matched = [(name, expected) for name, expected in labelled() if found[name].match is not None]
    wrong = [(name, found[name].match) for name, expected in matched if found[name].match != expected]
    known = [(name, expected) for name, expected in labelled() if expected is not None]
    right = [name for name, expected in known if found[name].match == expected]
    to_review = [
        name for name, expected in known if expected in [candidate.record for candidate in found[name].doubtful]
    ]
    assert len(found) >= 240
    assert wrong == []
    assert len(right) / len(known) >= 0.92
    assert (len(right) + len(to_review)) / len(known) >= 0.98


def test_each_record_means_itself_alone() -> None:
    index = Index((record, ()) for record in records())
    assert {record: index.resolve(record).match for record in records()} == {record: record for record in records()}


@pytest.mark.parametrize(
    ("one", "other", "doubts"),
    [
        ("llama-3.1-8b-instruct", "Meta-Llama-3.1-8B-Instruct-Q4_K_M", ()),
        ("llama3.1:8b", "Llama-3.1-8B-Instruct", ()),
        ("claude-3-5-sonnet", "Claude 3.5 Sonnet", ()),
        ("gpt-3.5-turbo-0613", "gpt-3.5-turbo-20230613", ()),
        ("Llama-3.1-8B", "Llama-3.1-8B-Instruct", ("training",)),
        ("mistral-7b-instruct", "Mistral-7B-Instruct-v0.2", ("version",)),
        ("gpt-4", "gpt-4-0613", ("date",)),
        ("Llama-3.1-8B-Instruct", "Llama-3.1-70B-Instruct", None),
        ("Llama-3-8B-Instruct", "Llama-3.1-8B-Instruct", None),
        ("Mistral-7B-Instruct-v0.1", "Mistral-7B-Instruct-v0.2", None),
        ("Qwen3-8B-Base", "Qwen3-8B-Instruct", None),
        ("DeepSeek-R1", "DeepSeek-R1-Distill-Llama-70B", None),
        ("gpt-4o", "gpt-4o-mini", None),
        ("Phi-3-mini-4k-instruct", "Phi-3-mini-128k-instruct", None),
        ("Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x22B-Instruct-v0.1", None),
    ],
)
def test_what_tells_two_names_apart(one: str, other: str, doubts: tuple[str, ...] | None) -> None:
    assert compare(parse_name(one), parse_name(other)) == doubts
    assert compare(parse_name(other), parse_name(one)) == doubts


@given(st.text(max_size=80))
def test_any_text_has_parts_and_compares_with_itself(text: str) -> None:
    assert compare(parse_name(text), parse_name(text)) == ()


@given(st.sampled_from(records()), st.sampled_from(["-GGUF", "-AWQ", "-GPTQ-Int4", "-fp8", "-q4_K_M", "-bnb-4bit"]))
def test_quantised_it_is_the_same_model(record: str, suffix: str) -> None:
    assert parse_name(record + suffix) == parse_name(record)
