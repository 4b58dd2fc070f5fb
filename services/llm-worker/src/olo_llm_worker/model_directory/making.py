"""Makes a model directory: complete at once, or not at all."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.chat_template import DEMO_TEMPLATE, ChatTemplate
from olo_llm_worker.model_directory.checkpoint import Trimmings
from olo_llm_worker.model_directory.loading import ModelDirectory, load
from olo_llm_worker.model_directory.manifest import (
    CHAT_TEMPLATE,
    MANIFEST,
    MODEL_FILES,
    TOKENIZER,
    FileEntry,
    GenerationDefaults,
    Manifest,
)

_DEMO_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")


def template_of(trimmings: Trimmings) -> str:
    """The chat template, as the checkpoint has it; the demonstration model's, where its tokens are there.

    Raises:
        ModelDirectoryError: There is none, or it cannot be parsed.
    """
    template = trimmings.chat_template
    if template is None:
        if any(trimmings.tokenizer.token_to_id(token) is None for token in _DEMO_TOKENS):
            raise ModelDirectoryError(f"{trimmings.path} has no chat template")
        template = DEMO_TEMPLATE
    ChatTemplate(template, trimmings.tokenizer)
    return template


def make(
    target: Path, trimmings: Trimmings, said: Mapping[str, Any], add_model: Callable[[Path], None]
) -> ModelDirectory:
    """Makes and verifies a model directory.

    Args:
        target: Where; it must not exist.
        trimmings: All but the weights.
        said: Fields of the manifest that the weights decide: name, family, quantization, context limit, …
        add_model: Puts model.bin, config.json and vocabulary.json into a directory.

    Raises:
        ModelDirectoryError: It cannot be written, or would not be sound.
    """
    refuse_existing(target)
    template = template_of(trimmings)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial"))
        try:
            add_model(partial)
            # copyfile, not copy: the mode of the source, which may be read-only, is no part of the model.
            shutil.copyfile(trimmings.path / TOKENIZER, partial / TOKENIZER)
            (partial / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
            _write_manifest(partial, trimmings, said)
            manifest = load(partial).manifest
            partial.chmod(0o755)
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise ModelDirectoryError(f"{target} cannot be written: {error.strerror or error}") from error
    return ModelDirectory(target, manifest)


def refuse_existing(target: Path) -> None:
    """Never touches what is there.

    Raises:
        ModelDirectoryError: Something is.
    """
    if target.exists() or target.is_symlink():
        raise ModelDirectoryError(f"{target} exists already")


def _write_manifest(directory: Path, trimmings: Trimmings, said: Mapping[str, Any]) -> None:
    vocabulary = trimmings.tokenizer.get_vocab()
    try:
        manifest = Manifest(
            bos_token=trimmings.bos_token,
            stop_tokens=trimmings.stop_tokens,
            stop_token_ids=[vocabulary[token] for token in trimmings.stop_tokens],
            generation=_defaults(trimmings.generation),
            files={file: FileEntry.of(directory / file) for file in MODEL_FILES},
            **said,
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelDirectoryError(f"no manifest can be written: {where}: {first['msg']}") from None
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _defaults(said: Mapping[str, Any]) -> GenerationDefaults:
    """The checkpoint's own wishes; one that does not sample decodes greedily."""
    penalty = _number(said, "repetition_penalty")
    if not said.get("do_sample"):
        return GenerationDefaults(repetition_penalty=penalty)
    return GenerationDefaults(
        temperature=_number(said, "temperature"),
        top_p=_number(said, "top_p"),
        top_k=int(_number(said, "top_k")) if said.get("top_k") else None,
        repetition_penalty=penalty,
    )


def _number(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    if value is None:
        return 1.0
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ModelDirectoryError(f"generation_config.json holds a wrong number for {name}")
    return float(value)
