"""The fastembed engine beside its dense vectors: sparse vectors, directories that are wrong, what is not loaded."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from olo_common.errors import ErrorCode, StartupError
from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.adapters.int8 import int8_variant
from olo_embed_worker.batching.batcher import MicroBatcher
from olo_embed_worker.batching.lane import Lane
from olo_embed_worker.errors import RerankerNotLoaded, SparseNotLoaded
from olo_embed_worker.types import InputKind, Rows


def load(model: Path | str, **changed: Any) -> FastembedEngine:
    return FastembedEngine(
        str(model), **{"int8": False, "sparse": "", "reranker": "", "threads": 1, "cache_dir": "", **changed}
    )


def embed(engine: FastembedEngine, texts: list[str]) -> Rows:
    return engine.embed(engine.tokenize(texts), InputKind.PASSAGE)


WORDS = ["pump", "valve", "the", "of", "invoice", "2024", "straightforwardness", "Zürich", "…", "你好", "a"]


@pytest.fixture
def copied(minilm_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(minilm_directory, tmp_path / "copy"))


def test_bm25_meets_its_query_by_stem_and_ignores_stop_words(minilm: FastembedEngine) -> None:
    passages = ["The pumps were repaired, and the pump runs.", "A recipe for bread."]
    (pumps, bread) = minilm.embed_sparse(passages, InputKind.PASSAGE)
    (query,) = minilm.embed_sparse(["is the pump repairing?"], InputKind.QUERY)
    assert set(query.indices) <= set(pumps.indices)
    assert not set(query.indices) & set(bread.indices)
    assert len(query.indices) == 2
    assert query.values.tolist() == [1.0, 1.0]
    for vector in (pumps, bread, query):
        assert (vector.indices.dtype, vector.values.dtype) == (np.uint32, np.float32)
        assert (np.diff(vector.indices.astype(np.int64)) > 0).all()
    assert pumps.values.max() > pumps.values.min()


def test_bm25_of_stop_words_alone_is_empty(minilm: FastembedEngine) -> None:
    for kind in InputKind:
        (vector,) = minilm.embed_sparse(["the and of"], kind)
        assert (vector.indices.size, vector.values.size) == (0, 0)


def test_what_is_not_loaded_is_refused(minilm: FastembedEngine, minilm_directory: Path) -> None:
    with pytest.raises(RerankerNotLoaded) as refused:
        minilm.rerank("q", ["d"])
    assert refused.value.code is ErrorCode.FAILED_PRECONDITION
    engine = load(minilm_directory)
    with pytest.raises(SparseNotLoaded):
        engine.embed_sparse(["x"], InputKind.QUERY)


def test_pooling_is_what_the_directory_says(minilm: FastembedEngine, copied: Path) -> None:
    (copied / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    modules = json.loads((copied / "modules.json").read_text())
    (copied / "modules.json").write_text(json.dumps(modules[:2]))
    row = embed(load(copied), ["some text"])[0]
    mean = embed(minilm, ["some text"])[0]
    assert abs(np.linalg.norm(row) - 1) > 0.1
    assert row @ mean / np.linalg.norm(row) < 0.99


def test_without_modules_it_is_mean_to_unit_length(minilm: FastembedEngine, copied: Path) -> None:
    (copied / "modules.json").unlink()
    (copied / "onnx").mkdir()
    (copied / "model.onnx").rename(copied / "onnx" / "model.onnx")
    (row,), (mean,) = (embed(engine, ["some text"]) for engine in (load(copied), minilm))
    np.testing.assert_allclose(row, mean, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("model.onnx", None, "holds no model.onnx"),
        ("tokenizer.json", None, "holds no tokenizer.json"),
        ("tokenizer_config.json", None, "holds no tokenizer_config.json"),
        ("model.onnx", "not a model", "cannot be loaded"),
        ("tokenizer.json", "{", "cannot be loaded"),
        ("modules.json", "{}", "does not say how to pool"),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "asks for a pooling other"),
    ],
)
def test_a_wrong_directory_is_one_sentence(copied: Path, path: str, content: str | None, message: str) -> None:
    (copied / path).unlink() if content is None else (copied / path).write_text(content)
    with pytest.raises(StartupError, match=message):
        load(copied)


def test_unknown_names_are_refused_without_a_download(minilm_directory: Path) -> None:
    with pytest.raises(StartupError, match="neither a directory nor a model"):
        load("nobody/has-this-model")
    with pytest.raises(StartupError, match="the reranker nobody/has-this"):
        load(minilm_directory, reranker="nobody/has-this")


SENTENCES = (
    "The pressure valve of the second pump was replaced on Monday.",
    "How do I reset my password?",
    "Employees may carry over up to five days of leave into the next year.",
    "invoice",
    "A rover landed near the rim of the crater and sent its first pictures after nine minutes. " * 6,
    "naïve café, 你好 🙂",
    "if (x > 0) return sqrt(x); // never negative",
    "What is the boiling point of water at an altitude of 3,000 metres?",
)


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40).map(" ".join), min_size=1, max_size=12))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batched_equals_single(minilm: FastembedEngine, texts: list[str]) -> None:
    alone = np.concatenate([embed(minilm, [text]) for text in texts])
    np.testing.assert_allclose(embed(minilm, texts), alone, atol=1e-5)
    np.testing.assert_allclose(asyncio.run(concurrently(minilm, texts)), alone, atol=1e-5)


async def concurrently(engine: FastembedEngine, texts: list[str]) -> Rows:
    """The texts as callers of their own."""
    lanes = [Lane("test", threads=threads, max_texts=99) for threads in (1, 2)]
    batcher = MicroBatcher(
        engine.tokenize,
        engine.embed,
        tokenizing=lanes[0],
        computing=lanes[1],
        max_batch=8,
        max_tokens=100,
        max_queue=99,
        window_seconds=0.001,
    )
    task = asyncio.create_task(batcher.run())
    answers = await asyncio.gather(*(batcher.embed([text], InputKind.PASSAGE) for text in texts))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for lane in lanes:
        await asyncio.to_thread(lane.close)
    return np.concatenate([answer.rows for answer in answers])


def test_int8_is_near_to_float32_and_does_not_depend_on_company(minilm: FastembedEngine, copied: Path) -> None:
    engine = load(copied, int8=True)
    rows = embed(engine, list(SENTENCES))
    assert (rows * embed(minilm, list(SENTENCES))).sum(axis=1).min() > 0.99
    alone = np.concatenate([embed(engine, [text]) for text in SENTENCES])
    np.testing.assert_allclose(rows, alone, atol=1e-6)


def test_the_int8_variant_is_made_once_and_again_for_another_model(copied: Path) -> None:
    made = int8_variant(copied / "model.onnx")
    before = made.stat().st_mtime_ns
    assert int8_variant(copied / "model.onnx") == made
    assert made.stat().st_mtime_ns == before
    assert sorted(path.name for path in copied.glob("*int8*")) == [made.name]
    changed = onnx.load(copied / "model.onnx")
    changed.doc_string = "another"
    onnx.save(changed, copied / "model.onnx")
    assert int8_variant(copied / "model.onnx") != made


def test_a_model_with_nothing_to_quantize_is_refused(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "nothing", [value], [result])
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    with pytest.raises(StartupError, match="int8 would change nothing"):
        int8_variant(tmp_path / "model.onnx")
