"""The model directory that we build, against published values of the model and a computation by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from olo_common.errors import StartupError
from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.minilm import build
from olo_embed_worker.types import InputKind, Rows

# Published for this model: by the documentation of the Hugging Face inference API (first three), by the current front
# page of the Sentence Transformers documentation (next three) and by its older page on semantic similarity (the rest).
PUBLISHED = [
    ("That is a happy person", "That is a happy dog", 0.6945773),
    ("That is a happy person", "That is a very happy person", 0.9429151),
    ("That is a happy person", "Today is a sunny day", 0.2568761),
    ("The weather is lovely today.", "It's so sunny outside!", 0.6660),
    ("The weather is lovely today.", "He drove to the stadium.", 0.1046),
    ("It's so sunny outside!", "He drove to the stadium.", 0.1411),
    ("The cat sits outside", "The dog plays in the garden", 0.2838),
    ("A man is playing guitar", "A woman watches TV", -0.0327),
    ("The new movie is awesome", "The new movie is so great", 0.8939),
]

PAIRS = [
    *[(left, right) for left, right, _ in PUBLISHED],
    ("How do I reset my password?", "Steps to recover a forgotten login"),
    ("Paris is the capital of France.", "Berlin ist die Hauptstadt von Deutschland."),
    ("The mitochondria is the powerhouse of the cell.", "Interest rates rose by 25 basis points."),
    ("", " "),
    ("naïve café — déjà vu ", "你好，世界 🙂"),
    ("A sentence that goes on. " * 120, "A sentence that goes on."),
]


def embed(engine: FastembedEngine, texts: list[str]) -> Rows:
    return engine.embed(engine.tokenize(texts), InputKind.PASSAGE)


def _reference() -> Any:
    spec = spec_from_file_location("bert_reference", Path(__file__).with_name("bert_reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BertReference()


@pytest.fixture(scope="module")
def reference() -> Any:
    return _reference()


@pytest.mark.parametrize(("left", "right", "cosine"), PUBLISHED)
def test_published_similarities(minilm: FastembedEngine, left: str, right: str, cosine: float) -> None:
    a, b = embed(minilm, [left, right])
    assert a @ b == pytest.approx(cosine, abs=1e-4)


def test_published_vectors(minilm: FastembedEngine) -> None:
    """From the model card's example and from fastembed's own tests."""
    rows = embed(minilm, ["This is an example sentence", "hello world"])
    np.testing.assert_allclose(rows[0, :4], [0.0676569, 0.0634959, 0.0487131, 0.0793049], atol=1e-4)
    np.testing.assert_allclose(rows[1, :5], [-0.034478, 0.03102, 0.00673, 0.02611, -0.039362], atol=1e-4)


def test_vectors_and_similarities_by_hand(minilm: FastembedEngine, reference: Any) -> None:
    texts = [text for pair in PAIRS for text in pair]
    rows = embed(minilm, texts)
    by_hand = np.stack([reference.embed(text) for text in texts])
    np.testing.assert_allclose(rows, by_hand, atol=2e-5)
    cosines, expected = ((x[::2] * x[1::2]).sum(axis=1) for x in (rows, by_hand))
    np.testing.assert_allclose(cosines, expected, atol=1e-4)


def test_vectors_have_unit_length_and_do_not_depend_on_company(minilm: FastembedEngine) -> None:
    texts = ["short", "a somewhat longer text " * 12, "another " * 60, "x"]
    together = embed(minilm, texts)
    assert together.dtype == np.float32
    assert together.shape == (4, 384)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    alone = np.concatenate([embed(minilm, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_what_is_loaded(minilm: FastembedEngine) -> None:
    info = minilm.info()
    assert (info.dimension, info.context_limit, info.on_gpu) == (384, 256, False)
    short, long = minilm.tokenize(["hello world", "word " * 1000])
    assert (short.tokens, long.tokens) == (4, 1002)
    assert (len(short.ids), len(long.ids)) == (4, 256)
    assert long.ids[-1] == short.ids[-1]


def test_the_graph_is_standard_onnx(minilm_directory: Path) -> None:
    model = onnx.load(minilm_directory / "model.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert [value.name for value in model.graph.input] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [value.name for value in model.graph.output] == ["last_hidden_state"]
    assert sum(node.op_type == "LayerNormalization" for node in model.graph.node) == 13


def test_a_directory_is_left_as_it_is_and_nothing_else_is_left_behind(minilm_directory: Path) -> None:
    before = (minilm_directory / "model.onnx").stat().st_mtime_ns
    assert not build(minilm_directory)
    assert (minilm_directory / "model.onnx").stat().st_mtime_ns == before
    assert list(minilm_directory.parent.iterdir()) == [minilm_directory]
    assert json.loads((minilm_directory / "tokenizer_config.json").read_text())["model_max_length"] == 256


def test_a_target_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StartupError, match="not a model directory"):
        build(tmp_path)
    with pytest.raises(StartupError, match="cannot write"):
        build(tmp_path / "file" / "below")


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "olo_embed_worker.minilm", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "Traceback" not in ended.stderr
