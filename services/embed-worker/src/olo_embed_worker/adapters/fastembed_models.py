"""Loads fastembed's models: directories without any network, names through its hub."""

from __future__ import annotations

import json
import tempfile
import uuid
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from fastembed import SparseTextEmbedding, TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from fastembed.rerank.cross_encoder import TextCrossEncoder

from olo_common.errors import StartupError
from olo_embed_worker.adapters.int8 import int8_variant
from olo_embed_worker.adapters.sessions import on_cuda, open_session

_MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx")
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
BM25: Final = "bm25"
_BM25_MODEL: Final = "Qdrant/bm25"
# fastembed takes no sparse models of one's own, but it takes the files of this one, and its pooling, from anywhere.
_SPLADE: Final = "prithivida/Splade_PP_en_v1"
_Model = TypeVar("_Model", TextEmbedding, TextCrossEncoder, SparseTextEmbedding)


def load_dense(model: str, options: dict[str, Any], *, int8: bool) -> TextEmbedding:
    """A dense model, from a directory or by name, on a session of ours.

    Pooling and normalisation of a directory are those of its `modules.json`; without one: mean, to unit length.

    Raises:
        StartupError: It cannot be found, fetched, read or quantized.
    """
    path = Path(model).expanduser()
    dense = _described(model, path, {**options, "lazy_load": True})
    inner: Any = dense.model
    file = Path(inner._model_dir) / inner.model_description.model_file
    if int8:
        if on_cuda():
            raise StartupError("int8 is for the CPU; this instance computes on a GPU")
        file = int8_variant(file)
    try:
        inner._ensure_tokenizer()
        inner.model = open_session(file, threads=options["threads"] or 0)
    except Exception as error:
        what = f"model directory {path}" if path.is_dir() else f"embedding model {model}"
        raise StartupError(f"the {what} cannot be loaded: it is damaged or not for this use") from error
    return dense


def _described(model: str, path: Path, options: dict[str, Any]) -> TextEmbedding:
    """The model without its session."""
    if not path.is_dir():
        return _by_name(TextEmbedding, model, options, "embedding model")
    file = _model_file(path)
    name = _unique_name(path)
    pooling, normalised = _pooling(path)
    # The dimension is read from the first vector, which cannot err as a declared one can.
    TextEmbedding.add_custom_model(name, pooling, normalised, ModelSource(hf=name), dim=0, model_file=file)
    return _from_directory(TextEmbedding, name, path, options)


def load_reranker(model: str, options: dict[str, Any]) -> TextCrossEncoder:
    """A cross-encoder, from a directory or by name.

    Raises:
        StartupError: It cannot be found, fetched or read.
    """
    path = Path(model).expanduser()
    if not path.is_dir():
        return _by_name(TextCrossEncoder, model, options, "reranker")
    file = _model_file(path)
    name = _unique_name(path)
    TextCrossEncoder.add_custom_model(name, ModelSource(hf=name), model_file=file)
    return _from_directory(TextCrossEncoder, name, path, options)


def load_sparse(model: str, options: dict[str, Any]) -> SparseTextEmbedding:
    """A sparse model: "bm25", or SPLADE from a directory, or what fastembed knows by this name.

    Raises:
        StartupError: It cannot be found, fetched or read.
    """
    path = Path(model).expanduser()
    if model.lower() == BM25:
        return _bm25()
    if not path.is_dir():
        return _by_name(SparseTextEmbedding, model, options, "sparse model")
    if _model_file(path) != _MODEL_FILES[0]:
        raise StartupError(f"the model directory {path} holds no {_MODEL_FILES[0]}")
    return _from_directory(SparseTextEmbedding, _SPLADE, path, options)


def _bm25() -> SparseTextEmbedding:
    """English, with the stop words of this package: neither hub nor cache is touched."""
    words = (resources.files(__package__) / "stopwords.txt").read_text("utf-8").split()
    nowhere = tempfile.gettempdir()
    return SparseTextEmbedding(_BM25_MODEL, cache_dir=nowhere, specific_model_path=nowhere, stopwords=set(words))


def _by_name(kind: type[_Model], model: str, options: dict[str, Any], what: str) -> _Model:
    known = {described["model"].lower() for described in kind.list_supported_models()}
    if model.lower() not in known:
        raise StartupError(f"the {what} {model} is neither a directory nor a model that fastembed knows")
    try:
        return kind(model, **options)
    except Exception as error:
        raise StartupError(f"the {what} {model} cannot be fetched or loaded; is the hub in reach?") from error


def _from_directory(kind: type[_Model], name: str, path: Path, options: dict[str, Any]) -> _Model:
    try:
        return kind(name, **{**options, "cache_dir": str(path)}, specific_model_path=str(path))
    except Exception as error:
        raise StartupError(f"the model directory {path} cannot be loaded: it is damaged or not for this use") from error


def _model_file(path: Path) -> str:
    for name in _TOKENIZER_FILES:
        if not (path / name).is_file():
            raise StartupError(f"the model directory {path} holds no {name}")
    for name in _MODEL_FILES:
        if (path / name).is_file():
            return name
    raise StartupError(f"the model directory {path} holds no {' or '.join(_MODEL_FILES)}")


def _unique_name(path: Path) -> str:
    """A new name: fastembed keeps one table of them for the whole process and takes none twice."""
    return f"local/{path.name}-{uuid.uuid4().hex[:8]}"


def _pooling(path: Path) -> tuple[PoolingType, bool]:
    if not (path / "modules.json").is_file():
        return PoolingType.MEAN, True
    try:
        modules = json.loads((path / "modules.json").read_text("utf-8"))
        kinds = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in modules}
        chosen = json.loads((path / kinds["Pooling"] / "config.json").read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartupError(f"the model directory {path} has a modules.json that does not say how to pool") from error
    if chosen.get("pooling_mode_cls_token"):
        return PoolingType.CLS, "Normalize" in kinds
    if chosen.get("pooling_mode_lasttoken"):
        return PoolingType.LAST_TOKEN, "Normalize" in kinds
    if chosen.get("pooling_mode_mean_tokens"):
        return PoolingType.MEAN, "Normalize" in kinds
    raise StartupError(f"the model directory {path} asks for a pooling other than mean, first or last token")
