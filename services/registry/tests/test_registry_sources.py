"""Readers of what sources publish: the samples are read, another shape is refused, nothing else is raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from olo_registry.benchmarks.facts import Record, quality_scores
from olo_registry.benchmarks.sources.hugging_face import read_context_limit, read_hugging_face
from olo_registry.benchmarks.sources.lmarena import read_lmarena
from olo_registry.benchmarks.sources.openrouter import read_openrouter
from olo_registry.errors import SourceDrifted
from olo_registry.settings import BenchmarkSettings

SAMPLES = Path(__file__).parents[3] / "samples" / "benchmarks"
READERS: list[Callable[[bytes], Any]] = [read_openrouter, read_lmarena, read_hugging_face, read_context_limit]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id", "pricing", "prompt", "model", "rating", "tags", "safetensors", "total", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def test_the_sample_of_openrouter_gives_prices_for_1000_tokens_and_no_variants() -> None:
    records = {record.name: record for record in read_openrouter((SAMPLES / "openrouter.json").read_bytes())}
    llama = records["meta-llama/llama-3.1-8b-instruct"]
    assert (llama.input_cost, llama.output_cost, llama.context_limit) == (0.00002, 0.00005, 131072)
    assert llama.capabilities == ("json_object", "json_schema", "tools")
    assert llama.other_names[0] == "meta-llama/Meta-Llama-3.1-8B-Instruct"
    assert "meta-llama/llama-3.1-8b-instruct:free" not in records
    assert records["openrouter/auto"].input_cost is None


def test_the_sample_of_lmarena_gives_ratings_as_csv_and_as_json() -> None:
    records = read_lmarena((SAMPLES / "lmarena.csv").read_bytes())
    assert records[0] == Record("llama-3.1-70b-instruct", elo=1290.0, license="Llama 3.1")
    as_json = json.dumps({"rows": [{"Model": "a", "Arena Score": "1200"}, {"Model": "b", "Arena Score": 1100}]})
    assert [record.elo for record in read_lmarena(as_json.encode())] == [1200.0, 1100.0]


def test_hugging_face_gives_licence_size_and_context() -> None:
    said = {"id": "a/b", "tags": ["license:mit"], "safetensors": {"total": 8_030_261_248}, "cardData": None}
    assert read_hugging_face(json.dumps(said).encode()) == Record("a/b", license="mit", parameters=8_030_261_248)
    assert read_context_limit(b'{"text_config": {"max_position_embeddings": 32768}}') == 32768
    assert read_context_limit(b"{}") is None


def test_one_bad_row_is_left_out_and_a_bad_table_is_refused() -> None:
    good = {"id": "a/b", "pricing": {"prompt": "0.1", "completion": "nan"}}
    records = read_openrouter(json.dumps({"data": [good, {"id": 7}]}).encode())
    assert [(record.name, record.output_cost) for record in records] == [("a/b", None)]
    with pytest.raises(SourceDrifted):
        read_openrouter(json.dumps({"data": [good, {"id": 7}, {"name": "c"}]}).encode())


@pytest.mark.parametrize(
    "document", [b"", b"<html></html>", b"{}", b"[]", b'{"data": {}}', b"[[[", b"a,b\n1,2\n", b"\xff\xfe"]
)
@pytest.mark.parametrize("read", READERS[:3])
def test_another_shape_is_refused(read: Callable[[bytes], Any], document: bytes) -> None:
    with pytest.raises(SourceDrifted):
        read(document)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from(READERS))
def test_whatever_is_published_is_read_or_refused(document: bytes, read: Callable[[bytes], Any]) -> None:
    try:
        read(document)
    except SourceDrifted as refused:
        assert refused.message


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=30, unique=True))
def test_qualities_are_chances_in_the_order_of_the_ratings(ratings: list[float]) -> None:
    scores = quality_scores([Record(str(n), elo=rating) for n, rating in enumerate(ratings)])
    assert all(0 <= score <= 1 for score in scores.values())
    by_rating = [scores[str(n)] for n in sorted(range(len(ratings)), key=lambda n: ratings[n])]
    assert by_rating == sorted(by_rating)


@pytest.mark.parametrize(
    ("field", "url"),
    [("openrouter_url", "ftp://a"), ("lmarena_url", "leaderboard.csv"), ("hugging_face_url", "file:///srv/models")],
)
def test_a_source_that_cannot_be_asked_is_refused_at_start(field: str, url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with"):
        BenchmarkSettings(**{field: url})
    assert BenchmarkSettings(**{field: ""})
