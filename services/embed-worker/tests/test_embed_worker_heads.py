"""Tiny cross-encoder and SPLADE models, made on the spot and loaded from directories on the real path of fastembed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from olo_common.errors import StartupError
from olo_embed_worker.adapters.fastembed_engine import FastembedEngine
from olo_embed_worker.types import InputKind

VOCABULARY = 30_522


@pytest.fixture(scope="module")
def cross_encoder(minilm_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores a pair by how often a token of the first text stands in the second: what its segments say."""
    nodes = [
        helper.make_node("Unsqueeze", ["input_ids", "two"], ["row"]),
        helper.make_node("Unsqueeze", ["input_ids", "one"], ["column"]),
        helper.make_node("Equal", ["row", "column"], ["same"]),
        helper.make_node("Cast", ["same"], ["equal"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["second"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["real", "second"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "one"], ["first_row"]),
        helper.make_node("MatMul", ["first_row", "equal"], ["hits"]),
        helper.make_node("Unsqueeze", ["second", "two"], ["second_column"]),
        helper.make_node("MatMul", ["hits", "second_column"], ["score"]),
        helper.make_node("Squeeze", ["score", "two"], ["logits"]),
    ]
    constants = {"one": np.array([1], np.int64), "two": np.array([2], np.int64)}
    return directory(minilm_directory, tmp_path_factory.mktemp("cross") / "tiny-cross", nodes, constants, ["b", 1])


@pytest.fixture(scope="module")
def splade(minilm_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each token stands for itself."""
    nodes = [helper.make_node("OneHot", ["input_ids", "depth", "values"], ["logits"], axis=-1)]
    constants = {"depth": np.array(VOCABULARY, np.int64), "values": np.array([0, 1], np.float32)}
    return directory(
        minilm_directory, tmp_path_factory.mktemp("splade") / "tiny-splade", nodes, constants, ["b", "s", VOCABULARY]
    )


def directory(
    source: Path, target: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list[str | int]
) -> Path:
    """A model directory with the tokenizer of another."""
    target.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"):
        shutil.copy(source / name, target / name)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"]) for name in names]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, target / "model.onnx")
    return target


def load(model: Path, *, sparse: str = "", reranker: str = "") -> FastembedEngine:
    return FastembedEngine(str(model), int8=False, sparse=sparse, reranker=reranker, threads=1, cache_dir="")


def test_reranking_reads_query_and_document_together(minilm_directory: Path, cross_encoder: Path) -> None:
    engine = load(minilm_directory, reranker=str(cross_encoder))
    assert engine.info().reranker_model == "tiny-cross"
    documents = ["no match here", "the red pump", "red", *["filler text"] * 30, "pump red pump"]
    scores = engine.rerank("red pump", documents)
    # The separator at the end of both texts is a hit of its own.
    assert [score - scores[0] for score in scores] == [0, 2, 1, *[0] * 30, 3]


def test_splade_from_a_directory(minilm_directory: Path, splade: Path) -> None:
    engine = load(minilm_directory, sparse=str(splade))
    long, short = engine.embed_sparse(["red pump red", "pump"], InputKind.PASSAGE)
    (query,) = engine.embed_sparse(["pump"], InputKind.QUERY)
    assert (short.indices == query.indices).all()
    assert set(short.indices) < set(long.indices)
    assert (np.diff(long.indices.astype(np.int64)) > 0).all()
    np.testing.assert_allclose(long.values, np.log(2.0), rtol=1e-6)
    assert long.values.dtype == np.float32


def test_wrong_sparse_and_reranker_models_are_one_sentence(minilm_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({}))
    with pytest.raises(StartupError, match="the sparse model nobody/knows is neither"):
        load(minilm_directory, sparse="nobody/knows")
    with pytest.raises(StartupError, match=r"holds no tokenizer\.json"):
        load(minilm_directory, sparse=str(tmp_path))
    with pytest.raises(StartupError, match=r"holds no tokenizer\.json"):
        load(minilm_directory, reranker=str(tmp_path))
