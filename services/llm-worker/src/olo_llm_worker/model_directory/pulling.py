"""Makes a model directory out of a model that is in the format of CTranslate2 already."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.checkpoint import open_trimmings, read_json
from olo_llm_worker.model_directory.loading import ModelDirectory
from olo_llm_worker.model_directory.making import make
from olo_llm_worker.model_directory.manifest import MODEL, VOCABULARY
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.paths import file_within

_FILES: Final = (MODEL, "config.json", VOCABULARY)
_CONTEXT_NAMES: Final = ("max_position_embeddings", "context_limit")


def adopt(
    source: Path,
    target: Path,
    *,
    name: str,
    context_limit: int | None = None,
    license_name: str | None = None,
    origin: str | None = None,
) -> ModelDirectory:
    """Copies a CTranslate2 model with its tokenizer and vouches for it from now on.

    Args:
        source: Directory with model.bin, config.json, vocabulary.json, tokenizer.json and a chat template.
        target: The model directory to make; it must not exist.
        name: Name of the model, for its manifest.
        context_limit: Tokens of prompt and answer together; None: as config.json says, which seldom does.
        license_name: Licence of the weights; None: as the model card says.
        origin: Where the model comes from.

    Raises:
        ModelDirectoryError: Something is missing or wrong, or the target cannot be written.
    """
    for file in _FILES:
        if not file_within(source, file).is_file():
            raise ModelDirectoryError(f"{source} is no CTranslate2 text model: it has no {file}")
    read_model_bin(source / MODEL)
    config = read_json(source, "config.json") or {}
    limit = context_limit or next((config[key] for key in _CONTEXT_NAMES if isinstance(config.get(key), int)), None)
    if limit is None:
        raise ModelDirectoryError("the model does not say how long its context is: say it with --context-limit")
    trimmings = open_trimmings(source, config, end_token=_text(config, "eos_token"))
    said = {
        "name": name,
        "family": _text(config, "model_type") or "unknown",
        "quantization": _text(config, "quantization_type") or "as stored",
        "context_limit": limit,
        "license": license_name or trimmings.license or "unspecified",
        "origin": origin,
    }

    def copy(directory: Path) -> None:
        for file in _FILES:
            shutil.copyfile(source / file, directory / file)

    return make(target, trimmings, said, copy)


def _text(config: Mapping[str, Any], name: str) -> str | None:
    value = config.get(name)
    return value if isinstance(value, str) and value else None
